"""Recorded decisions of the three image benchmarks' official code against this package's scorers and reducers.

``rules.json`` maps a benchmark to its sections, and a section to its cases. Judges are replaced by recorded answers;
everything else is what a run uses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey

TOLERANCE = 1e-6  # of scores that the official code computed in single precision; names, texts and decisions are exact

Section: TypeAlias = Callable[[Any], Iterator[tuple[str, Any, Callable[[], Any]]]]
"""From a section's content to its cases: a name, what was expected, and what to call for an answer."""

_RUNNERS = {
    "geneval": "nova_eval.checks.parity.rules.geneval",
    "t2i_compbench": "nova_eval.checks.parity.rules.t2i_compbench",
    "dpg": "nova_eval.checks.parity.rules.dpg_bench",
}


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether ``content`` is such a recording."""
    return not _RUNNERS.keys().isdisjoint(content)


def not_covered(content: Mapping[str, Any]) -> list[str]:
    """The parts of a recording that have no runner here, as ``benchmark`` or ``benchmark.section``."""
    unknown = [name for name in content if name not in _RUNNERS]
    for name in content.keys() & _RUNNERS.keys():
        sections = content[name] if isinstance(content[name], Mapping) else {}
        unknown += [f"{name}.{section}" for section in sections if section not in _sections(name)]
    return sorted(unknown)


def cases(folder: Path) -> Iterator[ParityResult]:
    """Every case of ``folder/rules.json``; the note of a failed one says what differs."""
    path = folder / "rules.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for benchmark in _RUNNERS:
        recorded = content.get(benchmark, {})
        for name, section in _sections(benchmark).items() if isinstance(recorded, Mapping) else ():
            if name in recorded:
                yield from _section(f"{benchmark} rules/{name}", section, recorded[name], path)


def _sections(benchmark: str) -> Mapping[str, Section]:
    sections: Mapping[str, Section] = import_module(_RUNNERS[benchmark]).SECTIONS
    return sections


def _section(title: str, section: Section, content: Any, path: Path) -> Iterator[ParityResult]:
    try:
        for number, (name, expected, answer) in enumerate(section(content)):
            yield compared(f"{title}/{number:03d} {name}".strip(), expected, answer)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(f"{path}: a case of {title!r} has another form: {error!r}") from error


def compared(title: str, expected: Any, answer: Callable[[], Any]) -> ParityResult:
    """Where the official code raised, an answer without a score is right; elsewhere only equal figures are."""
    try:
        actual = answer()
    except Exception as error:  # an answer too: the official code may have raised as well
        actual = {"error": f"{type(error).__name__}: {error}"}
    refused = isinstance(actual, Mapping) and ("error" in actual or actual.get("answer", ...) is None)
    if isinstance(expected, Mapping) and "error" in expected:
        wrong = 0.0 if refused else math.inf
        note = f"a score where the official code raises {expected['error']}"
    elif isinstance(actual, Mapping) and "error" in actual:
        wrong, note = math.inf, str(actual["error"])
    else:
        wrong, note = _difference(expected, actual, "")
    return ParityResult(title, wrong, TOLERANCE, note=note if wrong > TOLERANCE else "")


def _difference(expected: Any, actual: Any, where: str) -> tuple[float, str]:
    """The largest absolute deviation and the place of it; infinite where the two are not of one kind or length."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping) and expected.keys() == actual.keys():
        parts = [(f"{where}.{key}".lstrip("."), expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, (list, tuple)) and len(expected) == len(actual):
        parts = [(f"{where}[{k}]", e, a) for k, (e, a) in enumerate(zip(expected, actual, strict=True))]
    elif type(expected) in {int, float} and type(actual) in {int, float}:
        wrong = abs(expected - actual)
        return math.inf if math.isnan(wrong) else wrong, f"{where}: expected {expected!r}, found {actual!r}"
    else:
        equal = type(expected) is type(actual) and expected == actual
        return (0.0, "") if equal else (math.inf, f"{where}: expected {expected!r}, found {actual!r}")
    return max((_difference(e, a, place) for place, e, a in parts), default=(0.0, ""), key=lambda pair: pair[0])


def figures(text: str) -> list[str | float]:
    """A printed summary as words and numbers, so that numbers are compared as such."""
    parts = re.split(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]


def image_item(prompt: Prompt, index: int = 0, number: int = 0, height: int = 1, width: int = 1) -> Item:
    """An image whose first pixel says which recorded answer it stands for."""
    frames = np.zeros((1, height, width, 3), np.uint8)
    frames[0, 0, 0] = number >> 16, number >> 8 & 255, number & 255
    sample = Sample(SampleKey(prompt.id, index), 0, "", "", 0, width, height, 1, 0.0, 0.0)
    return Item(prompt, sample, Clip(frames, 0.0))


def number_of(frame: np.ndarray) -> int:
    """The number that ``image_item`` wrote into an (H, W, 3) frame."""
    red, green, blue = (int(value) for value in frame[0, 0])
    return red << 16 | green << 8 | blue


def named(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each entry with its name, "" where it has none."""
    for entry in entries:
        yield str(entry.get("name", "")), entry
