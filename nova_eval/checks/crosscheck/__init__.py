"""A run's media scored by a live official package, compared score by score."""
