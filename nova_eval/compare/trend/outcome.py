"""What a series comes to: an exit code, a line a checkpoint, one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_eval.compare.trend.points import Point, in_order
from nova_eval.compare.trend.tables import told
from nova_eval.compare.verdicts import Verdict
from nova_eval.errors import GATE_FAILED, INCOMPLETE, OK
from nova_eval.identity import plain

if TYPE_CHECKING:
    from nova_eval.compare.trend.trend import Trend


def newest(trend: Trend) -> list[Point]:
    """Of each kind the checkpoint that the training wrote last."""
    return list({point.kind: point for point in in_order(trend.points)}.values())


def exit_code(trend: Trend, *, strict: bool = False) -> int:
    """Of the newest checkpoint of each kind: 1 where one is worse, or if ``strict`` cannot be told; 3 where one is not
    whole, and where there is none.
    """
    points = newest(trend)
    verdicts = {claim.verdict for point in points for claim in point.against.values()}
    if Verdict.WORSE in verdicts:
        return GATE_FAILED
    if not points or not all(point.complete for point in points):
        return INCOMPLETE
    return GATE_FAILED if strict and Verdict.CANNOT_TELL in verdicts else OK


def line(trend: Trend, point: Point) -> str:
    """What was found of a checkpoint."""
    if point.problem:
        return f"passed over: {point.problem}"
    config = trend.config
    parts = [told(config, point.against) or "nothing to compare"]
    if point.best:
        parts.append(f"beside {point.best}: {told(config, point.against_best)}")
    return "; ".join(parts) if point.complete else f"not all is scored; {'; '.join(parts)}"


def to_json(trend: Trend) -> dict[str, Any]:
    """All that is known of a series, in raw units."""
    reference = trend.rules.reference
    return {
        "benchmark": trend.config.name,
        "reference": reference.name if reference else None,
        "folder": str(trend.folder),
        "checkpoints": [plain(point) for point in in_order(trend.points)],
    }
