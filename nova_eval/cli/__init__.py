"""The command line: verbs, options and exit codes. Data goes to stdout, talk to stderr."""

from cyclopts import Group

from nova_eval.cli import benches, checks, comparing, fetching, reporting, run_folders, runs, serving, status, watching
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
    "serving",
    "status",
    "watching",
]

GROUPS = {
    "Make samples and score them": ("run", "sample", "score", "plan", "serve", "status", "train"),
    "Look at results": ("table", "report", "runs", "list"),
    "Say what is better": ("compare", "watch", "reference", "gates"),
    "Take over what others made, and give it back": ("import", "export", "verify"),
    "Get what is needed": ("doctor", "prompts", "weights"),
    "Check the instrument itself": ("parity", "crosscheck", "bench"),
}
"""How help sorts the verbs."""

for _place, (_title, _verbs) in enumerate(GROUPS.items()):
    _group = Group(_title, sort_key=_place)
    for _verb in _verbs:
        app[_verb].group = (_group,)
