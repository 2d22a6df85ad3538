"""Two runs held against each other, as Python and a notebook see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nova_eval.compare import comparing, export, gates, tables
from nova_eval.compare.changes import changed_most
from nova_eval.compare.comparing import Series
from nova_eval.compare.sides import Side
from nova_eval.errors import OK
from nova_eval.report.dataframes import records_frame
from nova_eval.report.formats import to_markdown
from nova_eval.report.html import tables_of

if TYPE_CHECKING:
    import pandas as pd

_FINDING = {
    **dict.fromkeys(("name", "verdict"), "string"),
    **dict.fromkeys(("reference", "run", "difference", "low", "high", "gate", "p_worse", "p_better"), "Float64"),
    **dict.fromkeys(("detectable",), "Float64"),
    **dict.fromkeys(("prompts", "unscored", "needed"), "Int64"),
    "within_gate": "boolean",
    "reason": "string",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run beside its reference: in a notebook, or as text, the page that ``nova-eval compare`` prints."""

    reference: str
    run: str
    _series: Series = field(repr=False)

    def findings(self) -> pd.DataFrame:
        """A row a metric, in raw units: both values, their difference with its interval, p-values, gate, verdict."""
        [told] = export.to_json(self._series, 0)["runs"]
        rows = []
        for row in told["metrics"]:
            low, high = row["interval"] or (None, None)
            rows.append({**row, "low": low, "high": high, "reason": row["reason"] or None})
        return records_frame(rows, _FINDING).rename(columns={"name": "metric"})

    def changes(self, most: int = 20) -> pd.DataFrame:
        """The samples that changed most: prompt_id, index, prompt, metric, the scores of both sides in raw units."""
        [one] = self._series.comparisons
        kinds = {"prompt_id": "string", "index": "Int64", "prompt": "string", "metric": "string"}
        rows = [
            {
                "prompt_id": change.key.prompt_id,
                "index": change.key.index,
                "prompt": change.prompt,
                "metric": change.metric,
                "reference": change.reference,
                "run": change.run,
            }
            for change in changed_most(one, most)
        ]
        return records_frame(rows, kinds | dict.fromkeys(("reference", "run"), "Float64"))

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics that are established to be worse than their gates allow."""
        return tuple(finding.metric for one in self._series.comparisons for finding in one.regressed)

    def passes(self, *, strict: bool = False) -> bool:
        """Whether ``nova-eval compare --gate`` would end with exit code 0: nothing worse, and nothing unscored.

        ``strict``: nothing either of which it cannot be told.
        """
        return gates.exit_code(self._series.comparisons, strict=strict) == OK

    def __str__(self) -> str:
        return "\n".join(to_markdown(page) for page in tables.pages(self._series, 0))

    def _repr_html_(self) -> str:
        return tables_of(*tables.pages(self._series, 5))


def compared(reference: Side, run: Side, overrides: Mapping[str, float], allow: Sequence[str]) -> Comparison:
    """UsageError where runs are unlike and it is not allowed, and for a gate that cannot be."""
    limits = gates.limits_of(reference.benchmark.config, overrides)
    return Comparison(reference.name, run.name, comparing.compare(reference, [run], limits, allow))
