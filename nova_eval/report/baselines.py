"""Published rows: numbers as printed, where they were printed, and whether they follow from their own dimensions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.report.spec import ReportSpec, compose, compose_groups

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


def load_baselines(path: Path, spec: ReportSpec) -> tuple[BaselineRow, ...]:
    """The rows of a ``baselines.csv`` in their order: a column for each name of ``spec``, beside those of ``FACTS``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except OSError as error:
        raise PrerequisiteError(f"cannot read {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a UTF-8 CSV file: {error}") from error
    if not lines:
        raise UsageError(f"{path} is empty", remedy="the first line names the columns")
    header = lines[0][1]
    _check_header(header, spec, path)
    rows: list[BaselineRow] = []
    for line, cells in lines[1:]:
        where = f"{path} line {line}"
        if len(cells) != len(header):
            raise UsageError(f"{where} has {len(cells)} cells", remedy=f"the header has {len(header)} columns")
        row = _row(dict(zip(header, (c.strip() for c in cells), strict=True)), spec, where)
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


def recompute(row: BaselineRow, spec: ReportSpec) -> dict[str, float]:
    """Composites that the row's dimensions give, in the reporting unit; only those whose dimensions are all printed."""
    scale = 100.0 if spec.unit == "percent" else 1.0
    raw: dict[str, float | None] = {name: float(value) / scale for name, value in row.values.items()}
    return {name: score * scale for name, score in compose(raw, spec).items() if score is not None}


def contradictions(row: BaselineRow, spec: ReportSpec) -> tuple[Contradiction, ...]:
    """Printed composites that lie more than ``PRINTED_TOLERANCE`` from the benchmark's formula.

    Each is checked against the row's dimensions, and the total against the printed group scores too.
    """
    found: list[Contradiction] = []
    printed_groups: dict[str, float | None] = {g: float(row.values[g]) for g in spec.groups if g in row.values}
    checks = [("dimensions", recompute(row, spec))]
    total = compose_groups(printed_groups, spec)
    if total is not None:
        checks.append((f"printed {' and '.join(spec.groups)}", {"total": total}))
    tolerance = max(float(PRINTED_TOLERANCE) * (100.0 if spec.unit == "percent" else 1.0), _rounding(row, spec))
    for basis, scores in checks:
        for name, score in scores.items():
            printed = row.values.get(name)
            if printed is not None and abs(score - float(printed)) > tolerance:
                found.append(Contradiction(row.model, name, printed, score, basis))
    return tuple(found)


def _rounding(row: BaselineRow, spec: ReportSpec) -> float:
    """What rounding explains at most: half a unit of a composite's last digit, and as much of its dimensions' mean.

    Only for rows that print dimensions without normalisation; elsewhere ``PRINTED_TOLERANCE`` stands alone.
    """
    if any((dimension.minimum, dimension.maximum) != (0.0, 1.0) for dimension in spec.dimensions):
        return 0.0
    halves = {name: 0.5 * 10.0 ** int(value.as_tuple().exponent) for name, value in row.values.items()}
    return max((halves[n] for n in spec.composites if n in halves), default=0.0) + max(
        (halves[d.name] for d in spec.dimensions if d.name in halves), default=0.0
    )


def _check_header(header: Sequence[str], spec: ReportSpec, path: Path) -> None:
    known = (*FACTS, *spec.names)
    for name in header:
        if name not in known:
            raise unknown(f"column of {path}:", name, known)
    missing = [name for name in ("model", "source", "verified") if name not in header]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]!r}", remedy="a row has model, source and verified")
    if len(set(header)) != len(header):
        raise UsageError(f"{path} names a column twice", remedy="keep one of them")


def _row(cells: Mapping[str, str], spec: ReportSpec, where: str) -> BaselineRow:
    for name in ("model", "source"):
        if not cells[name]:
            raise UsageError(f"{where}: {name} is empty", remedy="say which model, and where it was printed")
    ceiling = Decimal(100 if spec.unit == "percent" else 1)
    values = {}
    for name in spec.names:
        value = _decimal(cells.get(name, ""), f"{where}: {name}")
        if value is not None and value > ceiling:
            raise UsageError(f"{where}: {name} is {value}", remedy=f"this file is in {spec.unit}, at most {ceiling}")
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
