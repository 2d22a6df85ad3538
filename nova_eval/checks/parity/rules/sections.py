"""Recorded decisions of the benchmarks' official rules against this package's scorers and reducers.

A recording maps a benchmark to its sections, and a section to its cases; VBench's holds its sections alone. Judges are
replaced by recorded answers; everything else is what a run uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

from nova_eval.checks.parity.compare import compared
from nova_eval.errors import UsageError
from nova_eval.records import ParityResult
from nova_eval.registry import Registry

Case: TypeAlias = tuple[str, Any, Callable[[], Any]]
"""A name, what was expected, and what to call for an answer."""

Section: TypeAlias = Callable[[Any], Iterator[Case]]


class Decisions(Protocol):
    """A ``Recording``, as far as it matters here."""

    @property
    def file(self) -> Path: ...

    def content(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The sections of a benchmark, and how far figures may be apart; names, texts and decisions are exact.

    ``refused`` says of an answer that it holds no score, as is right where the official code raised. ``more`` is
    whether mappings may hold more than was recorded, ``digits`` those of a case's number.
    """

    sections: Mapping[str, Section]
    tolerance: float = 1e-6  # of scores that the official code computed in single precision
    refused: Callable[[Mapping[str, Any]], bool] = lambda found: found.get("answer", ...) is None
    more: bool = False
    digits: int = 3


BENCHMARKS: Registry[Rules] = Registry(
    "recorded benchmark",
    {
        name: f"nova_eval.checks.parity.rules.{module}:RULES"
        for name, module in (
            ("vbench", "vbench"),
            ("geneval", "geneval"),
            ("t2i_compbench", "t2i_compbench"),
            ("dpg", "dpg_bench"),
        )
    },
)


def family(content: Mapping[str, Any]) -> str | None:
    """Which family of recordings ``content`` is of, ``None`` where it is of none."""
    if any(name in BENCHMARKS for name in content):
        return "t2i_rules"
    return None if BENCHMARKS.get("vbench").sections.keys().isdisjoint(content) else "vbench"


def not_covered(content: Mapping[str, Any]) -> list[str]:
    """The parts of a recording that have no runner here: ``section``, ``benchmark`` or ``benchmark.section``."""
    unknown = []
    for name, recorded in _by_benchmark(content).items():
        if name not in BENCHMARKS:
            unknown.append(name)
            continue
        prefix = f"{name}." if name in content else ""
        listed = recorded if isinstance(recorded, Mapping) else {}
        unknown += [f"{prefix}{section}" for section in listed if section not in BENCHMARKS.get(name).sections]
    return sorted(unknown)


def cases(recording: Decisions, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording; the note of a failed one says what differs."""
    content = _by_benchmark(recording.content())
    for benchmark in BENCHMARKS:
        recorded = content.get(benchmark, {})
        rules = BENCHMARKS.get(benchmark) if recorded and isinstance(recorded, Mapping) else Rules({})
        for name, section in rules.sections.items():
            if name not in recorded:
                continue
            number = 0
            try:
                for case, expected, answer in section(recorded[name]):
                    title = f"{benchmark} rules/{name}/{number:0{rules.digits}d} {case}".strip()
                    yield _compared(title, expected, answer, rules)
                    number += 1
            except (KeyError, TypeError, AttributeError, IndexError) as error:
                raise UsageError(f"{recording.file}: case {number} of {name!r} has another form: {error!r}") from error


def _by_benchmark(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return content if any(name in BENCHMARKS for name in content) else {"vbench": content}


def _compared(title: str, expected: Any, answer: Callable[[], Any], rules: Rules) -> ParityResult:
    """Where the official code raised, an answer without a score is right; elsewhere only equal figures are."""
    try:
        found = answer()
    except Exception as error:  # an answer too: the official code may have raised as well
        found = {"error": f"{type(error).__name__}: {error}"}
    raised = isinstance(found, Mapping) and "error" in found
    if isinstance(expected, Mapping) and "error" in expected:
        refused = raised or (isinstance(found, Mapping) and rules.refused(found))
        expected, found = (expected, expected) if refused else (f"no score: {expected['error']}", found)
    elif raised:
        found = str(found["error"])
    return compared(title, "", expected, found, rules.tolerance, more=rules.more, unit="absolute")


# --- what the benchmarks' sections are made of ----------------------------------------------------------------------


def recorded_judge(**answers: Any) -> Any:
    """A judge whose methods are ``answers``."""
    judge = SimpleNamespace(name="recorded", digest="recorded", input_size=None, **answers)
    judge.to = lambda device: judge
    return judge


def remembering(answer: Callable[..., Any]) -> Callable[..., Any]:
    """``answer``, asked once for the same frames: one recorded clip serves several decisions."""
    known: dict[tuple[Any, ...], Any] = {}

    def remembered(frames: Any, *further: Any) -> Any:
        key = (frames.shape, frames.tobytes(), further)
        if key not in known:
            known[key] = answer(frames, *further)
        return known[key]

    return remembered


def figures(text: str) -> list[str | float]:
    """A printed summary as words and numbers, so that numbers are compared as such."""
    parts = re.split(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]


def named(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each entry with its name, "" where it has none."""
    for entry in entries:
        yield str(entry.get("name", "")), entry
