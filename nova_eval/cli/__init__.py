"""The command line: verbs, options and exit codes. Data goes to stdout, talk to stderr."""

from nova_eval.cli import benches, checks, comparing, fetching, reporting, run_folders, runs, status, watching
from nova_eval.cli.apps import app

__all__ = [
    "app",
    "benches",
    "checks",
    "comparing",
    "fetching",
    "reporting",
    "run_folders",
    "runs",
    "status",
    "watching",
]
