"""What recordings were made on is built again, as it lay in its files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nova_eval.checks.parity.items import frames, item, number_of, numbered
from nova_eval.records import Prompt

PROMPT = Prompt("case/0000", "a dog", ("object_class",))
PICTURE = {"seed": 3, "height": 24, "width": 32}


def test_frames_of_several_seeds_take_turns() -> None:
    both = frames({**PICTURE, "seed": [1, 2], "frames": 4})
    alone = [frames({**PICTURE, "seed": seed, "frames": 4}) for seed in (1, 2)]
    assert all(np.array_equal(both[t], alone[t % 2][t]) for t in range(4))
    assert np.array_equal(frames({**PICTURE, "frames": 4, "indices": [2, 0]}), frames({**PICTURE, "frames": 4})[[2, 0]])


@pytest.mark.parametrize("mode", ["P", "L", "RGBA", "RGB"])
def test_pictures_are_those_of_their_files(mode: str, tmp_path: object) -> None:
    (plain,) = frames(PICTURE)
    path = f"{tmp_path}/picture.png"
    Image.fromarray(plain).convert(mode).save(path)
    (read,) = frames({**PICTURE, "mode": mode})
    assert np.array_equal(read, np.asarray(Image.open(path).convert("RGB")))
    assert np.array_equal(read, plain) == (mode in {"RGB", "RGBA"})


def test_numbers_are_read_back() -> None:
    clip = numbered(PROMPT, 2, 70_000, 3, fps=8.0).clip
    assert [number_of(frame[0, 0]) for frame in clip.frames] == [70_000] * 3
    assert [number_of(frame[0, -1]) for frame in clip.frames] == [0, 1, 2]
    assert number_of(numbered(PROMPT, number=5).clip.frames[0, 0, 0]) == 5


def test_an_item_says_its_size() -> None:
    made = item(PROMPT, frames({**PICTURE, "frames": 2}), 1, 8.0)
    assert (made.sample.width, made.sample.height, made.sample.frames, made.sample.fps) == (32, 24, 2, 8.0)
    assert made.sample.key.index == 1
