"""The verb that makes what people open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nova_eval import errors, files
from nova_eval.cli.apps import app
from nova_eval.cli.flags import put, talk

_MEGA = 1_000_000


@app.command
def report(
    *runs: str,
    out: Path | None = None,
    open: bool = False,
    allow: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    results: Path = Path("results"),
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
    allow
        As of compare: in what the runs may differ and are held against each other all the same.
    """
    from nova_eval.page import writing
    from nova_eval.runs import finding

    if not runs:
        raise errors.UsageError("no run was named", remedy="name one; see `nova-eval runs list`")
    folders = [finding.find(name, results) for name in runs]
    written = writing.write_report(folders, _place(out, folders, results), allow)
    return _shown(written.index, written.bytes, written.lines, open_=open)


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
