"""The command and its groups of sub-commands."""

from __future__ import annotations

from cyclopts import App, Parameter

import nova_eval

app = App(
    name="nova-eval",
    help="Sample a generator, score every sample, and compare the result with published baselines.",
    version=nova_eval.__version__,
    default_parameter=Parameter(negative=""),
    suppress_keyboard_interrupt=False,
)
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
