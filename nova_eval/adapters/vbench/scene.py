"""scene: do the frames' captions hold every word of the scene's name?"""

from __future__ import annotations

import re

import numpy as np

from nova_eval.adapters.rule import ask, unscored
from nova_eval.adapters.vbench.detection import share_of_frames
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames
from nova_eval.protocols import Asking, Item, SceneCaptioner
from nova_eval.records import Score

OFFICIAL_CAPTION_ROWS_PER_FRAME = 3
"""The caption of frame f describes frame f // 3: Tag2Text repeats its image features once per beam, transformers 4.33.2
repeats them again, and the attention keeps the first rows, so of 16 frames only the first 6 are ever seen
(vbench/scene.py, third_party/tag2Text). The rule asks for the captions of those rows. Corrected: each frame its own."""

OFFICIAL_SCENE_WORDS_ARE_SUBSTRINGS = True
"""``"bar"`` is found in ``"barn"`` (vbench/scene.py ``check_generate``). Corrected: whole words, in any case."""


def scene(
    item: Item,
    *,
    frames: int | None = 16,
    caption_rows_per_frame: int = OFFICIAL_CAPTION_ROWS_PER_FRAME,
    words_are_substrings: bool = OFFICIAL_SCENE_WORDS_ARE_SUBSTRINGS,
) -> Asking[Score]:
    """The share of captions that hold every word of the scene, in any order. A judge may answer equal rows once."""
    wanted = auxiliary(item.prompt, "scene")
    if not isinstance(wanted, str):
        return unscored(item, "scene", "the prompt names no scene")
    looked_at = middle_frames(item.clip, frames, item.size)
    rows = looked_at[np.arange(len(looked_at)) // caption_rows_per_frame]
    captions = (yield from ask(SceneCaptioner.caption, rows)) if len(rows) else []
    if words_are_substrings:
        hits = [all(word in caption for word in wanted.split(" ")) for caption in captions]
    else:
        words = set(_words(wanted))
        hits = [words <= set(_words(caption)) for caption in captions]
    return share_of_frames(item, "scene", hits)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
