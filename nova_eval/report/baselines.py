"""Published rows: numbers as printed, where they were printed, and whether they follow from their own dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nova_eval import reading
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.compose import TOTAL, compose, total_of_groups
from nova_eval.errors import UsageError, unknown

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig

PRINTED_TOLERANCE = Decimal("0.0005")
"""How far, as a fraction, a printed composite may lie from its recomputation at least: thrice what rounding explains
where percentages have two decimals. Coarser print may be off by all that the rounding of its numbers explains."""

FACTS = (
    "model",
    "params_b",
    "rewriter",
    "samples_per_prompt",
    "protocol",
    "latency",
    "source",
    "verified",
    "note",
)


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """One published row. ``values`` holds what the source prints, digit for digit, in the benchmark's reporting unit.

    ``params_b`` counts parameters in billions. ``rewritten`` says whether prompts were rewritten, ``None`` when the
    source does not say. ``samples_per_prompt`` is empty when the source follows, or does not state, the benchmark's own
    rule. ``protocol`` lists what else differs from it. ``verified`` is false for numbers seen in no source.
    """

    model: str
    values: Mapping[str, Decimal]
    source: str
    params_b: Decimal | None = None
    rewritten: bool | None = None
    samples_per_prompt: str = ""
    protocol: tuple[str, ...] = ()
    latency: str = ""
    verified: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A printed composite that does not follow from what is printed beside it. Numbers are in the reporting unit."""

    model: str
    name: str
    printed: Decimal
    recomputed: float
    basis: str = field(default="dimensions")


@dataclass(frozen=True, slots=True)
class Published:
    """A benchmark and the rows published of it: all that its tables need beside runs."""

    config: BenchmarkConfig
    rows: tuple[BaselineRow, ...] = ()

    def row(self, model: str) -> BaselineRow:
        """The row of one model; unknown names get a did-you-mean."""
        return select_baselines(self.rows, [model])[0]

    def beside(self, variant: str, which: Literal["some", "all", "none"] = "all") -> Published:
        """The rows that stand beside runs over these prompts: the benchmark's choice, all that may, or none."""
        if which == "none" or not self.config.with_baselines(variant):
            return replace(self, rows=())
        chosen = self.config.report.beside
        return replace(self, rows=select_baselines(self.rows, chosen)) if which == "some" and chosen else self


def load_published(benchmark: str) -> Published:
    """The benchmark with the rows of its ``baselines.csv``, none where it has no such file."""
    adapter = load_benchmark(benchmark)
    path = adapter.facts.benchmark / "baselines.csv"
    return Published(adapter.config, load_baselines(path, adapter.config) if path.exists() else ())


def load_baselines(path: Path, config: BenchmarkConfig) -> tuple[BaselineRow, ...]:
    """The rows of a ``baselines.csv`` in their order: a column for each metric, beside those of ``FACTS``."""
    text = reading.text(path)
    header = reading.csv_columns(text, str(path))
    if not header:
        raise UsageError(f"{path} is empty", remedy="the first line names the columns")
    _check_header(header, config, path)
    rows: list[BaselineRow] = []
    for where, cells in reading.csv_table(text, str(path)):
        row = _row({name: cell.strip() for name, cell in cells.items()}, config, where)
        if any(row.model == earlier.model for earlier in rows):
            raise UsageError(f"{where} repeats the model {row.model!r}", remedy="give each row a name of its own")
        rows.append(row)
    return tuple(rows)


def select_baselines(rows: Sequence[BaselineRow], models: Iterable[str]) -> tuple[BaselineRow, ...]:
    """The rows named, in the order asked for."""
    by_name = {row.model: row for row in rows}
    chosen = []
    for model in models:
        if model not in by_name:
            raise unknown("baseline", model, by_name)
        chosen.append(by_name[model])
    return tuple(chosen)


def recompute(row: BaselineRow, config: BenchmarkConfig) -> dict[str, float]:
    """Composites that the row's dimensions give, in the reporting unit; only those whose dimensions are all printed."""
    scale = config.report.scale
    raw: dict[str, float | None] = {name: float(value) / scale for name, value in row.values.items()}
    return {name: score * scale for name, score in compose(config, raw).items() if score is not None}


def contradictions(row: BaselineRow, config: BenchmarkConfig) -> tuple[Contradiction, ...]:
    """Printed composites that lie more than ``PRINTED_TOLERANCE`` from the benchmark's formula.

    Each is checked against the row's dimensions, and the total against the printed group scores too.
    """
    checks = [("dimensions", recompute(row, config))]
    total = total_of_groups(config)({group: float(row.values[group]) for group in config.groups if group in row.values})
    if total is not None:
        checks.append((f"printed {' and '.join(config.groups)}", {TOTAL: total}))
    tolerance = max(float(PRINTED_TOLERANCE) * config.report.scale, _rounding(row, config))
    return tuple(
        Contradiction(row.model, name, printed, score, basis)
        for basis, scores in checks
        for name, score in scores.items()
        if (printed := row.values.get(name)) is not None and abs(score - float(printed)) > tolerance
    )


def _rounding(row: BaselineRow, config: BenchmarkConfig) -> float:
    """What rounding explains at most: half a unit of a composite's last digit, and as much of its dimensions' mean.

    Only for rows that print dimensions without normalisation; elsewhere ``PRINTED_TOLERANCE`` stands alone.
    """
    if any((dimension.minimum, dimension.maximum) != (0.0, 1.0) for dimension in config.dimensions.values()):
        return 0.0
    halves = {name: 0.5 * 10.0 ** int(value.as_tuple().exponent) for name, value in row.values.items()}
    return max((halves[n] for n in config.composites if n in halves), default=0.0) + max(
        (halves[n] for n in config.dimensions if n in halves), default=0.0
    )


def _check_header(header: Sequence[str], config: BenchmarkConfig, path: Path) -> None:
    known = (*FACTS, *config.metrics)
    for name in header:
        if name not in known:
            raise unknown(f"column of {path}:", name, known)
    missing = [name for name in ("model", "source", "verified") if name not in header]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]!r}", remedy="a row has model, source and verified")


def _row(cells: Mapping[str, str], config: BenchmarkConfig, where: str) -> BaselineRow:
    for name in ("model", "source"):
        if not cells[name]:
            raise UsageError(f"{where}: {name} is empty", remedy="say which model, and where it was printed")
    ceiling = Decimal(int(config.report.scale))
    values = {}
    for name in config.metrics:
        value = _decimal(cells.get(name, ""), f"{where}: {name}")
        if value is not None and value > ceiling:
            raise UsageError(
                f"{where}: {name} is {value}", remedy=f"this file is in {config.report.unit}, at most {ceiling}"
            )
        if value is not None:
            values[name] = value
    return BaselineRow(
        model=cells["model"],
        values=values,
        source=cells["source"],
        params_b=_decimal(cells.get("params_b", ""), f"{where}: params_b"),
        rewritten=_yes_no(cells.get("rewriter", ""), f"{where}: rewriter"),
        samples_per_prompt=cells.get("samples_per_prompt", ""),
        protocol=tuple(part.strip() for part in cells.get("protocol", "").split(";") if part.strip()),
        latency=cells.get("latency", ""),
        verified=_yes_no(cells["verified"], f"{where}: verified") is True,
        note=cells.get("note", ""),
    )


def _decimal(text: str, where: str) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise UsageError(f"{where} is {text!r}", remedy="write a number, or leave the cell empty")
    return value


def _yes_no(text: str, where: str) -> bool | None:
    if text not in ("", "yes", "no"):
        raise UsageError(f"{where} is {text!r}", remedy="write yes, no, or leave the cell empty")
    return None if not text else text == "yes"
