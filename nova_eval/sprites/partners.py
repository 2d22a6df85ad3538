"""Which scene stands in for which when prompts are shuffled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from nova_eval import reading
from nova_eval.config import data_folder
from nova_eval.sprites.grammar import Scene, parse


@lru_cache(maxsize=1)
def partners() -> dict[Scene, Scene]:
    """Each scene of the suites → another of its group: the rotation of the group that leaves the least in common.

    A scene of several suites keeps its partner of the last one.
    """
    found: dict[Scene, Scene] = {}
    for path in sorted(data_folder("prompts").glob("*/sprites.json")):
        found |= _rotations(reading.json_file(path, list[dict[str, Any]]))
    return found


def _rotations(suite: Iterable[Mapping[str, Any]]) -> dict[Scene, Scene]:
    groups: dict[tuple[str, ...], list[Scene]] = {}
    for entry in suite:
        groups.setdefault(tuple(entry["dimension"]), []).append(parse(entry["prompt_en"]))
    found: dict[Scene, Scene] = {}
    for scenes in groups.values():
        size = len(scenes)
        common = [sum(_shared(scene, scenes[(i + k) % size]) for i, scene in enumerate(scenes)) for k in range(1, size)]
        step = 1 + int(np.argmin(common))
        found |= {scene: scenes[(i + step) % size] for i, scene in enumerate(scenes)}
    return found


def _shared(one: Scene, other: Scene) -> int:
    """How much two scenes have in common, in stated facts."""
    facts = [
        {
            *(f"shape {t.shape}" for t in s.things),
            *(f"color {t.color}" for t in s.things if t.color),
            s.place,
            s.camera,
            s.style,
        }
        | {s.motion, f"axis {s.relation in ('left', 'right')}" if s.relation else None}
        for s in (one, other)
    ]
    return len((facts[0] & facts[1]) - {None})
