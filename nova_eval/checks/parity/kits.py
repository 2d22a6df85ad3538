"""Recorded outputs of reference code against this install: finds the recordings in a folder and replays them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nova_eval.checks.parity.rules import common as replay
from nova_eval.errors import UsageError
from nova_eval.records import ParityResult
from nova_eval.registry import Registry

Cases: TypeAlias = Callable[[Path], Iterator[ParityResult]]

FAMILIES: Registry[Cases] = Registry(
    "parity family",
    {
        "vbench": "nova_eval.checks.parity.rules.vbench:cases",
        "vbench_judges": "nova_eval.checks.parity.networks.vbench:cases",
        "vbench_text_judges": "nova_eval.checks.parity.networks.vbench_text:cases",
        "t2i_rules": "nova_eval.checks.parity.rules.common:cases",
        "t2i_vqa": "nova_eval.checks.parity.networks.t2i_vqa:cases",
        "geneval": "nova_eval.checks.parity.networks.geneval:cases",
        "unidet": "nova_eval.checks.parity.networks.unidet:cases",
        "dpt": "nova_eval.checks.parity.networks.dpt:cases",
        "t2i_compbench": "nova_eval.checks.parity.networks.compbench:cases",
        "nova": "nova_eval.checks.parity.generator:cases",
    },
)

_RECORDINGS = ("rules.json", "index.json", "expected.json", "golden.json")
_WORTH_A_LINE = 1.0  # seconds
_DEPTH = 2  # the root of all recordings, a benchmark's folder, a judge's folder
_VBENCH_SECTIONS = frozenset(
    {"object_class", "multiple_objects", "color", "spatial_relationship", "scene"}
    | {"human_action", "final_score", "frame_sampling", "position_score"}
)
_TEXT_JUDGES = frozenset({"viclip", "umt", "tag2text", "grit"})  # a recording lies in the folder of its judge
_IMAGE_JUDGES: Mapping[str, str] = {  # the same: folder → family
    **dict.fromkeys(("blip_vqa", "mplug_large", "clip_vit_b32"), "t2i_vqa"),
    **dict.fromkeys(("mask2former", "clip_vit_l14", "geneval_end_to_end"), "geneval"),
    **dict.fromkeys(("unidet_rs200", "unidet_r50"), "unidet"),
    "dpt_hybrid": "dpt",
    "t2i_compbench_end_to_end": "t2i_compbench",
}


@dataclass(frozen=True, slots=True)
class Kit:
    """A folder of recordings and the family of cases that can replay it."""

    family: str
    folder: Path
    cases: Cases


def find_kits(folder: Path) -> tuple[list[Kit], list[str]]:
    """The kits at or below ``folder``, and the recordings (or sections of them) for which this version has no runner.

    Raises UsageError for a folder without recordings and for a recording that is not JSON.
    """
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}", remedy="give a folder of recorded reference outputs")
    kits, not_covered = [], []
    for path in _recordings(folder):
        name = str(path.relative_to(folder))
        family, uncovered = _recognise(path)
        try:
            if family is None:
                not_covered.append(name)
                continue
            kits.append(Kit(family, path.parent, FAMILIES.get(family)))
            not_covered += [f"{name} {section!r}" for section in uncovered]
        except ModuleNotFoundError:  # Registry reports packages that are missing; this is a part of nova_eval
            not_covered.append(name)
    if not kits and not not_covered:
        names = ", ".join(_RECORDINGS)
        raise UsageError(f"{folder} holds no recorded reference outputs", remedy=f"expected one of {names}")
    return kits, not_covered


def run_parity(folder: Path, say: Callable[[str], None] = lambda text: None) -> Iterator[ParityResult]:
    """Replays every recording that this version can, kit by kit; ``say`` hears which kit and what took its time.

    What it cannot is logged in one line as not covered and never counts as passed; UsageError when nothing is left.
    """
    kits, not_covered = find_kits(folder)
    line = f"not covered by this version: {', '.join(not_covered)}"
    if not kits:
        raise UsageError(f"nothing in {folder} can be replayed; {line}")
    if not_covered:
        logging.getLogger(__name__).warning(line)
    return _replay(kits, say)


def _replay(kits: Sequence[Kit], say: Callable[[str], None]) -> Iterator[ParityResult]:
    for number, kit in enumerate(kits, start=1):
        say(f"{number} of {len(kits)}: {kit.family} in {kit.folder}")
        asked = started = time.monotonic()
        for result in kit.cases(kit.folder):
            seconds = time.monotonic() - asked
            if seconds >= _WORTH_A_LINE or not result.passed:  # a case's first quantity carries the time of the case
                say(f"{seconds:7.1f} s  {'pass' if result.passed else 'FAIL'}  {result.case}")
            yield result
            asked = time.monotonic()
        say(f"{asked - started:7.1f} s  in all")


def _recordings(folder: Path) -> list[Path]:
    levels = ["/".join(["*"] * depth + [name]) for depth in range(_DEPTH + 1) for name in _RECORDINGS]
    return sorted(path for level in levels for path in folder.glob(level) if path.is_file())


def _recognise(path: Path) -> tuple[str | None, list[str]]:
    """The family of a recording by its content, and the sections of it that the family does not know."""
    content = _read(path)
    if not isinstance(content, Mapping) or not content:
        return None, []
    if path.name in {"expected.json", "golden.json"}:
        return _of_judges(path, content), []
    if path.name == "rules.json" and not _VBENCH_SECTIONS.isdisjoint(content):
        return "vbench", sorted(set(content) - _VBENCH_SECTIONS)
    if path.name == "rules.json" and replay.recognises(content):
        return "t2i_rules", replay.not_covered(content)
    if path.name == "index.json" and all((path.parent / str(name)).is_dir() for name in content):
        return "nova", []
    return None, []


def _of_judges(path: Path, content: Mapping[str, Any]) -> str | None:
    if path.name == "golden.json":
        return _IMAGE_JUDGES.get(path.parent.name)
    if {"cases", "tolerance_abs"} <= content.keys():
        return "vbench_judges"
    return "vbench_text_judges" if path.parent.name in _TEXT_JUDGES and "weights_check" in content else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy="restore the recording") from error
