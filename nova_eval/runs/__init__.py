"""A run: options, opening, pipeline, summary, views, the list of runs, import, export, forecast."""
