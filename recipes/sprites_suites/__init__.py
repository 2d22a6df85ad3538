"""How the suites of the embedded world, ``prompts/*/sprites.json``, are made. README.md describes it."""
