"""Runs as people and programs read them: tables on the terminal, files for papers, JSON."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from nova_eval.config import BenchmarkConfig
from nova_eval.errors import UsageError
from nova_eval.options import View
from nova_eval.records import Metric, ParityResult, RunSummary
from nova_eval.report.export import to_json
from nova_eval.report.formats import render
from nova_eval.report.grid import Datum, Table
from nova_eval.report.html import to_html
from nova_eval.report.options import TableOptions
from nova_eval.report.pages import labelled, pages, paper_page
from nova_eval.report.terminal import render_terminal
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.summary import clips_of, summarise
from nova_eval.runs.view import summarised, viewed

_WIDTH_WITHOUT_TERMINAL = 120


def one_run(summary: RunSummary, *further: Table | None) -> str:
    """What ``run`` prints of it."""
    return text_of([*pages([summary]), *(table for table in further if table is not None)], "terminal")


def plain_rows(table: Table) -> list[dict[str, str | int | float | None]]:
    """A table's data, an object a row."""
    columns, rows = table.select("data")
    return [{c.key: _plain(cell.datum) for c, cell in zip(columns, row.cells, strict=True)} for row in rows]


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The object of ``--json``."""
    return to_json(summary)


def table(
    folders: Sequence[Path], view: View, options: TableOptions, *, preset: str | None = None, as_json: bool = False
) -> str:
    """What ``table`` prints: runs of one benchmark side by side, a paper's table with runs joined, or their samples."""
    if preset is not None:
        _check_of_preset(options)
    if as_json:
        options = replace(options, transpose=False)
    opened = [viewed(reopen(folder), view) for folder in folders]
    if options.samples:
        samples = _samples(opened)
        return _json(plain_rows(samples)) if as_json else text_of([samples], options.written)
    summaries = [summarised(run, view) for run in opened]
    if preset is not None:
        page = paper_page(preset, summaries, options, established)
        return _json(plain_rows(page)) if as_json else text_of([page], options.written)
    if as_json:
        labels = labelled(summaries, options)
        return _json([{**to_json(one), "folder": str(folder)} for one, folder in zip(labels, folders, strict=True)])
    return text_of(pages(summaries, options, established), options.written)


def _check_of_preset(options: TableOptions) -> None:
    """UsageError for what a paper's table has no place for: its published rows and columns of speed are the paper's."""
    if options.samples:
        raise UsageError("--samples lists those of a run, and no paper's table", remedy="leave --preset out")
    if options.latency or options.baselines != "none":
        asked = "--latency" if options.latency else "--baselines"
        raise UsageError(
            f"{asked} says nothing of a paper's table, whose rows are its own", remedy=f"leave {asked} out"
        )


def established(config: BenchmarkConfig, one: Metric, other: Metric) -> bool:
    """Whether two runs differ: the 95 % interval of their difference, prompt by prompt, leaves out 0."""
    from nova_eval.compare.evidence import evidence

    found = evidence(one, other, config)
    return found is not None and found.interval is not None and not found.interval.low <= 0 <= found.interval.high


def _samples(runs: Sequence[Run]) -> Table:
    if len(runs) != 1:
        raise UsageError(f"--samples lists those of one run, not of {len(runs)}", remedy="name one run")
    return clips_of(runs[0], summarise(runs[0]))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def text_of(tables: Sequence[Table], format: str) -> str:
    """Tables in one of the formats, one below the other."""
    if format == "html":
        return to_html(*tables)
    return "\n".join(_on_terminal(table) if format == "terminal" else render(table, format) for table in tables)


def _plain(datum: Datum) -> str | int | float | None:
    return float(datum) if isinstance(datum, Decimal) else datum


def parity_lines(results: Sequence[ParityResult], not_covered: Sequence[str]) -> str:
    """A line a case: verdict, name, largest difference, tolerance; then the count, and what was not replayed."""
    lines = _case_lines(results)
    lines.append(_count(results))
    lines += [f"not covered by this install: {name}" for name in not_covered]
    return "\n".join(lines)


def parity_groups(results: Sequence[ParityResult]) -> str:
    """A line a recording: verdict, count, and the largest difference as a share of its tolerance; then what failed."""
    groups: dict[str, list[ParityResult]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    width = max(map(len, groups), default=0)
    lines = []
    for group, rows in groups.items():
        passed, share = sum(row.passed for row in rows), max(map(_share, rows))
        verdict = f"{'pass' if passed == len(rows) else 'FAIL'}  {group:<{width}}"
        lines.append(f"{verdict}  {passed} of {len(rows)}, largest difference / tolerance {share:.2g}")
    lines += _case_lines([result for result in results if not result.passed])
    return "\n".join([*lines, _count(results)])


def _case_lines(results: Sequence[ParityResult]) -> list[str]:
    width = max((len(result.case) for result in results), default=0)
    return [
        f"{'pass' if result.passed else 'FAIL'}  {result.case:<{width}}  "
        f"difference {result.difference:.3g}, tolerance {result.tolerance:.3g} ({result.unit})"
        + (f"  {result.note}" if result.note else "")
        for result in results
    ]


def _count(results: Sequence[ParityResult]) -> str:
    passed = sum(result.passed for result in results)
    return f"{passed} passed, {len(results) - passed} failed"


def _share(result: ParityResult) -> float:
    if result.difference == 0:
        return 0.0
    return result.difference / result.tolerance if result.tolerance else math.inf


def parity_json(results: Sequence[ParityResult], not_covered: Sequence[str]) -> dict[str, Any]:
    """The same for programs; a difference that is not a finite number is ``None``."""
    cases = [
        {**asdict(result), "difference": _finite(result.difference), "passed": result.passed} for result in results
    ]
    return {
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "cases": cases,
        "not_covered": list(not_covered),
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _on_terminal(table: Table) -> str:
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else _WIDTH_WITHOUT_TERMINAL
    return render_terminal(table, width, color=terminal)
