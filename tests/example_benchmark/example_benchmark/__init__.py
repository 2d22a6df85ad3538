"""A benchmark in a package of its own: facts, prompts, one adapter, and an entry point in ``pyproject.toml``."""
