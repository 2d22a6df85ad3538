"""What each sample of a run scored, for prompts of one's own: there the clip counts, and not only the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from nova_eval.adapters.own_names import FILES
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import quoted
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, in_unit, rounded, words

FEW = 20
"""The most samples whose own results are printed."""


def clip_table(
    config: BenchmarkConfig,
    prompts: Sequence[Prompt],
    wanted: Sequence[SampleKey],
    samples: Mapping[SampleKey, Sample],
    rows: Sequence[Score],
) -> Table:
    """A row a wanted sample, a column a dimension that any of them has. Data are fractions at full precision.

    ``rows`` are what the metrics are made of. A score that is not there says why in the last column of the data.
    """
    by_id = {prompt.id: prompt for prompt in prompts}
    scores: dict[SampleKey, dict[str, Score]] = {}
    for row in rows:
        scores.setdefault(row.key, {})[row.metric] = row
    names = {row.metric: None for row in rows}
    dimensions = [name for name in (*config.dimensions, *names) if name in names]
    dimensions = list(dict.fromkeys(dimensions))

    def value(name: str) -> Any:
        def cell(key: SampleKey) -> Cell:
            row = scores.get(key, {}).get(name)
            if row is None or row.value is None:
                return Cell(MISSING)
            exact = in_unit(row.value, config.report.unit)
            return Cell(rounded(exact, config.report.decimals), Decimal(repr(float(row.value))))

        return cell

    def reasons(key: SampleKey) -> str:
        undecided = {row.reason for row in scores.get(key, {}).values() if row.value is None}
        return "; ".join(sorted(undecided))

    fields = [
        (Column("file", "File"), lambda key: file_of(by_id[key.prompt_id], key, samples.get(key))),
        (Column("prompt_id", "Prompt", place="data"), lambda key: words(key.prompt_id)),
        (Column("index", "Index", "right", "data"), lambda key: Cell("", key.index)),
        (Column("prompt", "Text", place="data"), lambda key: words(by_id[key.prompt_id].text)),
        *((Column(name, config.label(name), "right"), value(name)) for name in dimensions),
        (Column("reason", "Why not", place="data"), lambda key: words(reasons(key))),
    ]
    unit = ", in percent" if config.report.unit == "percent" else ""
    return build(f"Each sample{unit}", fields, list(wanted))


def file_of(prompt: Prompt, key: SampleKey, sample: Sample | None) -> Cell:
    """What a user calls a sample: the name in his table, else that of his file.

    A sample of the run's own is known by its prompt, and in the data by its path in the run's folder.
    """
    files = prompt.reference.get(FILES, ())
    if key.index < len(files):
        return words(str(files[key.index]))
    if sample and PurePath(sample.path).is_absolute():
        return words(PurePath(sample.path).name)
    return Cell(f"{quoted(prompt.text)} [{key.index}]", sample.path if sample else None)
