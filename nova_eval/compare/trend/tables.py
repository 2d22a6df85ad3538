"""A series as a table, and as curves over the steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nova_eval import files
from nova_eval.adapters.reduce import reduced
from nova_eval.compare.trend.points import Claim, Point, best, in_order
from nova_eval.compare.verdicts import Verdict
from nova_eval.packages import missing
from nova_eval.report.curves import Curve, Panel, draw
from nova_eval.report.formats import render
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, count, gathered, in_unit, rounded, words

if TYPE_CHECKING:
    from nova_eval.compare.trend.trend import Trend
    from nova_eval.config import BenchmarkConfig

_SHOWN = 6  # metrics beside each other on a page


def write(trend: Trend, say: Callable[[str], None]) -> None:
    """``trend.md`` and ``trend.csv``, and ``trend.svg``; where that cannot be drawn it is said."""
    table = trend_table(trend)
    for format in ("md", "csv"):
        files.write(trend.folder / f"trend.{format}", render(table, format))
    if find_spec("matplotlib") is None:
        say(f"{trend.folder / 'trend.svg'} is left out: {missing('matplotlib', 'a figure')}")
    elif any(not point.problem for point in trend.points):
        draw(trend.folder / "trend.svg", _panels(trend), _ticks(_tested(trend)), "step", salt=trend.folder.name)


def trend_table(trend: Trend) -> Table:
    """A row a checkpoint, in the order of the training."""
    config = trend.config
    points = in_order(trend.points)
    names = _metrics(trend.points, config)
    shown = _headlines(names, config)
    leader = best([point for point in points if not point.problem], config)
    fields: list[tuple[Column, Callable[[Point], Cell]]] = [
        (Column("checkpoint", "Checkpoint"), lambda p: Cell(p.name, p.name, strong=p is leader)),
        (Column("kind", "Kind", place="data"), lambda p: words(p.kind)),
        (Column("step", "Step", "right", place="data"), lambda p: count(p.step)),
    ]
    for name in names:
        place = Column(name, config.label(name), "right", "both" if name in shown else "data")
        fields.append((place, partial(_value, config, name)))
    fields += [
        (Column("against", "Beside the reference"), lambda p: words(p.problem or told(config, p.against))),
        (Column("best", "Best before", place="data"), lambda p: words(p.best)),
        (Column("against_best", "Beside the best before"), lambda p: words(told(config, p.against_best))),
        (Column("look", "Look", "right", "data"), lambda p: count(p.look or None)),
        (Column("run", "Run", place="data"), lambda p: words(p.run)),
        (Column("unit", "Unit", place="data"), lambda _: words(config.report.unit)),
    ]
    reference = trend.rules.reference
    title = f"{config.name}: {trend.folder.name}" + (f" against {reference.name}" if reference else "")
    return build(title, fields, points, footnotes=_notes(trend), strong_means="highest score" if leader else "")


def told(config: BenchmarkConfig, claims: Mapping[str, Claim]) -> str:
    """What is established of a checkpoint, in a few words."""
    by = gathered((claim.verdict, config.label(name)) for name, claim in claims.items())
    parts = [f"{verdict}: {', '.join(by[verdict])}" for verdict in (Verdict.WORSE, Verdict.BETTER) if verdict in by]
    open_, kept = len(by.get(Verdict.CANNOT_TELL, ())), len(by.get(Verdict.NO_WORSE, ()))
    parts += [f"{kept} no worse"] if kept else []
    parts += [f"{open_} cannot tell"] if open_ else []
    return "; ".join(parts)


def _notes(trend: Trend) -> list[str]:
    found = []
    if any(point.against or point.against_best for point in trend.points):
        planned = f", {trend.rules.planned} of them planned" if trend.rules.planned else ""
        found.append(
            "Verdicts hold together: of all metrics and checkpoints beside one reference any is falsely called worse "
            f"in at most 5 of 100 series{planned}. Later checkpoints have less to spend."
        )
    references = list(dict.fromkeys(point.reference for point in trend.points if not point.problem))
    if len(references) > 1:
        found.append(f"The reference was replaced {len(references) - 1} times; each time the looks begin anew.")
    lacking = [point.name for point in trend.points if not point.problem and not point.complete]
    return [*found, *([f"Not all is scored: {', '.join(lacking)}."] if lacking else [])]


def _metrics(points: Sequence[Point], config: BenchmarkConfig) -> list[str]:
    there = {name for point in points for name in point.values}
    return [name for name in config.metrics if name in there]


def _headlines(names: Sequence[str], config: BenchmarkConfig) -> list[str]:
    return [name for name in names if name in config.composites] or list(names[:_SHOWN])


def _value(config: BenchmarkConfig, name: str, point: Point) -> Cell:
    found = point.values.get(name)
    if found is None or found.value is None:
        return Cell(MISSING)
    exact = in_unit(found.value, config.report.unit)
    return Cell(rounded(exact, config.report.decimals), exact)


def _tested(trend: Trend) -> list[Point]:
    return in_order([point for point in trend.points if not point.problem])


def _places(points: Sequence[Point]) -> list[tuple[str, int | None]]:
    return list(dict.fromkeys((point.stage, point.step) for point in points))


def _ticks(points: Sequence[Point]) -> list[str]:
    several = len({point.stage for point in points}) > 1
    return [stage if step is None else f"{stage} {step}" if several else f"{step}" for stage, step in _places(points)]


def _panels(trend: Trend) -> list[Panel]:
    points, config = _tested(trend), trend.config
    places = _places(points)
    scale = config.report.scale
    reference = trend.rules.reference
    levels: dict[str, float | None] = {}
    if reference is not None:
        metrics = reduced(reference.benchmark, reference.prompts, reference.wanted, reference.rows, reference.scoring)
        levels = {metric.name: metric.value for metric in metrics}

    def curve(kind: str, name: str) -> Curve:
        at = {(p.stage, p.step): p.values[name] for p in points if p.kind == kind and name in p.values}
        found = [at.get(place) for place in places]
        ends = ("value", "low", "high")
        rows = [[None if one is None else _scaled(getattr(one, end), scale) for one in found] for end in ends]
        return Curve(kind, rows[0], rows[1], rows[2])

    kinds = list(dict.fromkeys(point.kind for point in points))
    return [
        Panel(config.label(name), [curve(kind, name) for kind in kinds], _scaled(levels.get(name), scale), "reference")
        for name in _headlines(_metrics(points, config), config)
    ]


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
