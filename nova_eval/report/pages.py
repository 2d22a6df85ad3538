"""Which tables a reader gets: a run's own, runs side by side with published rows, or a paper's with runs joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.records import RunSummary
from nova_eval.report.baselines import load_published
from nova_eval.report.comparison import comparison_table
from nova_eval.report.grid import Table
from nova_eval.report.options import USUAL, TableOptions
from nova_eval.report.presets import load_preset, preset_table
from nova_eval.report.sheet import Established, closed_note, unpaired
from nova_eval.report.tables import latency_table, run_table


def pages(
    summaries: Sequence[RunSummary], options: TableOptions = USUAL, established: Established = unpaired
) -> list[Table]:
    """Runs of one benchmark side by side; one run without published rows gives its own table."""
    benchmarks = {summary.benchmark for summary in summaries}
    if len(benchmarks) > 1:
        raise UsageError(
            f"runs of different benchmarks do not share a table: {', '.join(sorted(benchmarks))}",
            remedy="make one of each, or join image benchmarks with --preset paper-t2i",
        )
    summaries = labelled(summaries, options)
    first = summaries[0]
    published = load_published(first.benchmark).beside(first.variant, options.baselines)
    if len(summaries) == 1 and not published.rows:
        page = run_table(first, published.config, options)
    else:
        page = comparison_table(summaries, published, options, established)
    if options.baselines != "none" and not published.config.with_baselines(first.variant):
        page = replace(page, footnotes=(*page.footnotes, closed_note(first.variant)))
    return [page, *([latency_table(summaries, published.rows)] if options.latency else [])]


def paper_page(
    name: str, summaries: Sequence[RunSummary], options: TableOptions = USUAL, established: Established = unpaired
) -> Table:
    """The table of a paper with runs of its benchmarks joined to it; without a run the published rows alone."""
    from nova_eval.config import data_folder

    preset = load_preset(reading.toml_file(data_folder("benchmarks") / "presets.toml", dict[str, Any]), name)
    published = {part.benchmark: load_published(part.benchmark) for part in preset.parts}
    return preset_table(preset, published, labelled(summaries, options), options, established)


def labelled(summaries: Sequence[RunSummary], options: TableOptions) -> list[RunSummary]:
    """The runs under the labels given, one for each. UsageError for another number of labels."""
    if not options.label:
        return list(summaries)
    if len(options.label) != len(summaries):
        raise UsageError(
            f"{len(options.label)} labels for {len(summaries)} runs", remedy="give each run one, in their order"
        )
    return [replace(summary, label=label) for summary, label in zip(summaries, options.label, strict=True)]
