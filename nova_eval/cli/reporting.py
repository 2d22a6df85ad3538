"""The verb that makes what people open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nova_eval import errors, files
from nova_eval.cli.apps import Results, app
from nova_eval.cli.flags import put
from nova_eval.progress import talk

if TYPE_CHECKING:
    from nova_eval.runs.run import Run

_MEGA = 1_000_000


@app.command
def report(
    *runs: str,
    out: Path | None = None,
    open: bool = False,
    blind: bool = False,
    seed: int = 0,
    allow: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    results: Results = Path("results"),
) -> int:
    """Make a page of one or more runs that opens in a browser, from disk and without a network.

    It shows tables, figures, verdicts, every clip with its scores and what judges saw, and two runs side by side.

    Example: `nova-eval report RUN ANOTHER --open`

    Parameters
    ----------
    runs
        Run folders, or names from `runs list`; the first is what the others are held against.
    out
        The folder to write, new or an earlier report (default: RUN/report, of several runs RESULTS/reports/NAMES).
    open
        Show it in the browser.
    blind
        Of two runs: a page to vote on pairs of samples without names or scores, for `compare --votes`.
    seed
        Of --blind: shuffles the pairs and their sides.
    allow
        As of compare: in what the runs may differ and are held against each other all the same.
    """
    from nova_eval.page import blind as votes
    from nova_eval.page import writing
    from nova_eval.runs import finding

    if not runs:
        raise errors.UsageError("no run was named", remedy="name one; see `nova-eval runs list`")
    folders = [finding.find(name, results) for name in runs]
    if blind:
        if len(folders) != 2:
            raise errors.UsageError(f"--blind is of two runs, not of {len(folders)}", remedy="name two")
        found = votes.write_blind((folders[0], folders[1]), None if out is None else files.given(out), results, seed)
        return _shown(found.index, found.bytes, found.lines, open_=open)
    written = writing.write_report(folders, _place(out, folders, results), allow)
    return _shown(written.index, written.bytes, written.lines, open_=open)


def of_whole_world(opened: Run) -> bool:
    """Whether all of a suite of the embedded world was asked for, and is not left to other shards."""
    asked = opened.options
    part = asked.limit, asked.shard, asked.prompts, asked.metrics
    return opened.spec.variant == "sprites" and not any(part)


def leave(folder: Path) -> None:
    """The report of a run that is done, beside it. What stands against it is said and changes nothing of the run."""
    from nova_eval.page import writing

    try:
        talk(f"report: {writing.write_report([folder], folder / 'report').index}")
    except errors.NovaEvalError as error:
        talk(f"no report: {error}")


def _place(out: Path | None, folders: list[Path], results: Path) -> Path:
    if out is not None:
        return files.given(out)
    if len(folders) == 1:
        return folders[0] / "report"
    return results / "reports" / "+".join(folder.name for folder in folders)[:120]


def _shown(index: Path, size: int, lines: tuple[str, ...], *, open_: bool) -> int:
    for line in lines:
        talk(line)
    talk(f"{size / _MEGA:.1f} MB")
    put(str(index))
    if open_:
        import webbrowser

        if not webbrowser.open(index.resolve().as_uri()):
            talk("no browser could be opened")
    return errors.OK
