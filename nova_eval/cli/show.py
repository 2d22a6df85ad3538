"""Runs as people and programs read them: tables on the terminal, files for papers, JSON."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from nova_eval.errors import UsageError
from nova_eval.options import View
from nova_eval.records import ParityResult, RunSummary
from nova_eval.report.export import to_json
from nova_eval.report.formats import render
from nova_eval.report.grid import Datum, Table
from nova_eval.report.html import to_html
from nova_eval.report.pages import comparison_pages, paper_page, run_pages
from nova_eval.report.terminal import render_terminal
from nova_eval.runs.view import look

_WIDTH_WITHOUT_TERMINAL = 120


def one_run(summary: RunSummary, *further: Table | None) -> str:
    """What ``run`` prints of it."""
    return "\n".join(_on_terminal(page) for page in (*run_pages(summary), *further) if page is not None)


def plain_rows(table: Table) -> list[dict[str, str | int | float | None]]:
    """A table's data, an object a row."""
    columns, rows = table.select("data")
    return [{c.key: _plain(cell.datum) for c, cell in zip(columns, row.cells, strict=True)} for row in rows]


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The object of ``--json``."""
    return to_json(summary)


def tables(
    folders: Sequence[Path],
    *,
    view: View,
    format: str,
    baselines: Literal["some", "all", "none"],
    latency: bool,
    columns: Sequence[str] | None,
    as_json: bool,
) -> str:
    """Runs of one benchmark side by side; one run without baselines gives its own table."""
    if not folders:
        raise UsageError("no run was named", remedy="for example: nova-eval table results/runs/vbench/<run>")
    summaries = [look(folder, view) for folder in folders]
    if as_json:
        objects = [
            {**to_json(summary), "folder": str(folder)} for summary, folder in zip(summaries, folders, strict=True)
        ]
        return json.dumps(objects, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return pages(comparison_pages(summaries, baselines=baselines, columns=columns, latency=latency), format)


def pages(tables: Sequence[Table], format: str) -> str:
    """Tables in one of the formats of ``table``, one below the other."""
    if format == "html":
        return to_html(*tables)
    return "\n".join(_on_terminal(table) if format == "terminal" else render(table, format) for table in tables)


def preset(name: str, folders: Sequence[Path], *, view: View, format: str, as_json: bool) -> str:
    """A table of a paper with runs of its benchmarks joined to it; without a run the published rows alone."""
    page = paper_page(name, [look(folder, view) for folder in folders])
    if as_json:
        return json.dumps(plain_rows(page), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return pages([page], format)


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
