"""The command and its groups of sub-commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from cyclopts import App, Group, Parameter, Token, convert

import nova_eval

_FRACTION = re.compile(r"[-+]?\d*\.\d*[1-9]\d*")


def _exactly(kind: Any, tokens: Sequence[Token]) -> Any:
    """As any value is read; but a number between two whole ones is neither of them."""
    kinds = {kind, *get_args(kind)}
    for token in tokens:
        if int in kinds and float not in kinds and _FRACTION.fullmatch(token.value):
            raise ValueError(f"{token.value} is not a whole number")
    return convert(kind, tokens)


Results = Annotated[Path, Parameter(help="Folder that holds runs.")]
app = App(
    name="nova-eval",
    help="Sample a generator, score every sample, and compare the result with published baselines.",
    version=nova_eval.__version__,
    default_parameter=Parameter(negative="", converter=_exactly),
    suppress_keyboard_interrupt=False,
    group_commands=Group("Commands", sort_key=99),
)
app.register_install_completion_command(help="Make the shell complete verbs, options and their choices.")
prompts_app = App(name="prompts", help="Fetch or verify the pinned official prompt files.")
app.command(prompts_app)
runs_app = App(name="runs", help="List runs, look at one, give it another name, remove it.")
app.command(runs_app)
weights_app = App(name="weights", help="Fetch, verify or list the official weight files of judges.")
app.command(weights_app)
reference_app = App(name="reference", help="Keep what comparing needs of a run in one small file.")
app.command(reference_app)
gates_app = App(name="gates", help="Measure noise, propose gates, say what a run can detect.")
app.command(gates_app)
bench_app = App(name="bench", help="Measure speed; every ratio is taken side by side in one run.")
app.command(bench_app)
