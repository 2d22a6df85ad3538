"""VBench's judges called as its official code calls them: so many frames at a time, all pairs, on a clip decoded anew.

The networks are ours: what the official ones compute twice, or draw and throw away, is not done here either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nova_eval.adapters.rule import Rule
from nova_eval.protocols import Frames

FRAMES_AT_ONCE: Mapping[str, int | None] = {"background_consistency": None, "aesthetic_quality": 32, "scene": 16}
"""Of a clip, by dimension (None: all of them); the others take one frame, or one pair, after the other."""

_ONE_BY_ONE: Mapping[str, int] = {
    "encode_images": 1,
    "image_text_similarity": 1,
    "aesthetic": 1,
    "quality": 1,
    "detect": 1,
    "describe": 1,
    "caption": 1,
    "flow": 2,
    "interpolate": 2,
}
"""Questions with an answer a frame, or a pair of frames: how many of their arguments are frames."""


@dataclass(frozen=True)
class Called:
    """A judge that is asked about at most ``together`` frames or pairs in one call."""

    judge: Any
    together: int

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.judge, name)
        return partial(self._in_parts, found, _ONE_BY_ONE[name]) if name in _ONE_BY_ONE else found

    def _in_parts(self, method: Callable[..., Any], count: int, *arguments: Any) -> Any:
        frames: tuple[Frames, ...] = arguments[:count]
        answers: list[Any] = []
        for start in range(0, len(frames[0]), self.together):
            part = (some[start : start + self.together] for some in frames)
            answers.append(method(*part, *arguments[count:]))
        arrays = isinstance(answers[0], np.ndarray)
        return np.concatenate(answers) if arrays else [one for some in answers for one in some]


def rule_as_called(rule: Rule) -> Rule:
    """The rule without what it leaves out since the answer is known: the official one looks at all pairs of frames."""
    return rule.with_settings(every_pair=True) if rule.name in ("dynamic_degree", "static_filter") else rule
