"""Which tables a reader gets: a run's own, runs side by side with published rows, or a paper's with runs joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.records import RunSummary
from nova_eval.report.baselines import load_published
from nova_eval.report.comparison import comparison_table
from nova_eval.report.grid import Table
from nova_eval.report.presets import load_preset, preset_table
from nova_eval.report.tables import latency_table, run_table


def run_pages(summary: RunSummary) -> list[Table]:
    """The run's own table, what its sampling cost, and published rows beside it where its prompts allow it."""
    published = load_published(summary.benchmark).beside(summary.variant, "some")
    return [
        run_table(summary, published.config),
        *([latency_table([summary])] if summary.latency is not None else []),
        *([comparison_table([summary], published)] if published.rows else []),
    ]


def comparison_pages(
    summaries: Sequence[RunSummary],
    *,
    baselines: Literal["some", "all", "none"],
    columns: Sequence[str] | None = None,
    latency: bool = False,
) -> list[Table]:
    """Runs of one benchmark side by side; one run without baselines gives its own table."""
    benchmarks = {summary.benchmark for summary in summaries}
    if len(benchmarks) > 1:
        raise UsageError(
            f"runs of different benchmarks do not share a table: {', '.join(sorted(benchmarks))}",
            remedy="make one of each, or join image benchmarks with --preset paper-t2i",
        )
    first = summaries[0]
    published = load_published(first.benchmark).beside(first.variant, baselines)
    if len(summaries) == 1 and not published.rows and columns is None:
        page = run_table(first, published.config)
    else:
        page = comparison_table(summaries, published, columns=columns)
    return [page, *([latency_table(summaries, published.rows)] if latency else [])]


def paper_page(name: str, summaries: Sequence[RunSummary]) -> Table:
    """The table of a paper with runs of its benchmarks joined to it; without a run the published rows alone."""
    from nova_eval.config import data_folder

    preset = load_preset(reading.toml_file(data_folder("benchmarks") / "presets.toml", dict[str, Any]), name)
    return preset_table(preset, {part.benchmark: load_published(part.benchmark) for part in preset.parts}, summaries)
