"""How nova-mini, the checkpoint that comes with the package, is made. README.md describes it."""
