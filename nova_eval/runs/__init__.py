"""A run: options, opening, pipeline, summary, import, export, forecast."""
