"""``run --until-decided`` for Python: no more samples than it takes to say whether a dimension is worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from nova_eval.api.opened import OpenRun, of_run
from nova_eval.api.running import RunArguments, asked
from nova_eval.compare import decided, early, gates
from nova_eval.compare.deciding import worse
from nova_eval.compare.early import Decided
from nova_eval.compare.reference import open_side
from nova_eval.compare.stopping import ANYTIME, GROUPS
from nova_eval.errors import OK
from nova_eval.progress import talk
from nova_eval.report.dataframes import records_frame
from nova_eval.report.formats import to_markdown
from nova_eval.report.html import tables_of
from nova_eval.runs.run import Say
from nova_eval.runs.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

_FINDING = {
    **dict.fromkeys(("name", "verdict"), "string"),
    **dict.fromkeys(("look", "prompts", "planned"), "Int64"),
    **dict.fromkeys(("reference", "run", "difference", "standard_error", "gate"), "Float64"),
    "incomplete": "boolean",
    "reason": "string",
}


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided of a run against its reference, and by how many samples; ``run`` holds those that were made."""

    run: OpenRun
    _found: Decided = field(repr=False)

    def findings(self) -> pd.DataFrame:
        """A row a metric, in raw units: verdict, at which look, of how many prompts, both values and the difference."""
        told = decided.to_json(self._found, strict=False)["metrics"]
        rows = [{**row, "reason": row["reason"] or None} for row in told]
        return records_frame(rows, _FINDING).rename(columns={"name": "metric"})

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics that are established to be worse than their gates allow."""
        return tuple(one.metric for one in worse(self._found.state.settled))

    @property
    def saved(self) -> int:
        """The samples that were not needed, of those that the comparison takes with all prompts."""
        return self._found.saving.saved

    def passes(self, *, strict: bool = False) -> bool:
        """Whether ``nova-eval run --until-decided`` would end with exit code 0.

        ``strict``: nothing either of which it cannot be told.
        """
        return early.exit_code(self._found.state.settled, strict=strict) == OK

    def __str__(self) -> str:
        return f"{to_markdown(decided.decided_table(self._found))}\n{decided.said(self._found, strict=False)}"

    def _repr_html_(self) -> str:
        return tables_of(decided.decided_table(self._found))


def run_until_decided(
    benchmark: str,
    against: OpenRun | str | Path,
    *,
    anytime: bool = False,
    every: bool = False,
    gate: Mapping[str, float] = MappingProxyType({}),
    allow: Sequence[str] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
    config: str | Path | None = None,
    say: Say = talk,
    **given: Unpack[RunArguments],
) -> Decision:
    """As ``run``, look by look, until something is worse than in ``against`` or all dimensions are decided.

    ``against`` is open, or what ``open_run`` takes. ``anytime`` looks more often, by a confidence sequence; ``every``
    goes on after something is worse. ``gate`` replaces some of the benchmark's, in raw units; ``allow`` as of
    ``nova-eval compare``. Called again it goes on at the look where it was.
    """
    opened, live = asked(benchmark, given, settings, config, say)
    name = against.where if isinstance(against, OpenRun) else against
    reference = open_side(str(name), opened.options.results)
    limits = gates.limits_of(opened.config, gate, composites=False)
    rule = ANYTIME if anytime else GROUPS
    found = early.run_until_decided(opened, reference, limits, rule, every=every, allow=allow, live=live)
    return Decision(of_run(found.run, summarise(found.run)), found)
