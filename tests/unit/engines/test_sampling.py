"""A batch that fails is made again one by one, each prompt with its own seed; bad settings end it all."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nova_eval.engines.sampling import frames_of, info_of
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError, UsageError
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt

PROMPTS = [Prompt(f"test/{n}", text) for n, text in enumerate(("first", "second", "third"))]
SEEDS = [10, 20, 30]


class Maker:
    """Frames whose every byte is the seed, made by the batch; ``spoil`` looks at each batch before."""

    def __init__(self, spoil: Callable[[list[str]], Any] = lambda texts: None) -> None:
        self.info = SamplerInfo("maker", "image")
        self.asked: list[list[str]] = []
        self._spoil = spoil

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Any:
        self.asked.append([prompt.text for prompt in prompts])
        spoiled = self._spoil(self.asked[-1])
        return [np.full((1, 4, 4, 3), seed, np.uint8) for seed in seeds] if spoiled is None else spoiled


def shades(made: Sequence[Any]) -> list[Any]:
    return [one if isinstance(one, str) else int(one.flat[0]) for one in made]


def raising(error: BaseException, text: str) -> Callable[[list[str]], None]:
    def spoil(texts: list[str]) -> None:
        if text in texts:
            raise error

    return spoil


def test_a_good_batch_is_made_once() -> None:
    maker = Maker()
    assert shades(frames_of(maker, PROMPTS, SEEDS)) == SEEDS
    assert maker.asked == [["first", "second", "third"]]


def test_one_array_for_all_prompts_is_one_array_a_prompt() -> None:
    maker = Maker(lambda texts: np.zeros((len(texts), 1, 4, 4, 3), np.uint8))
    assert shades(frames_of(maker, PROMPTS, SEEDS)) == [0, 0, 0]


SHADE = np.full((4, 6, 3), 7, np.uint8)


@pytest.mark.parametrize(
    ("made", "modality", "shape"),
    [
        (SHADE, "image", (1, 4, 6, 3)),
        (Image.fromarray(SHADE), "image", (1, 4, 6, 3)),
        (Image.new("L", (6, 4), 7), "image", (1, 4, 6, 3)),
        ([SHADE], "image", (1, 4, 6, 3)),
        ([Image.fromarray(SHADE), SHADE], "video", (2, 4, 6, 3)),
        (SHADE[None], "video", (1, 4, 6, 3)),
    ],
)
def test_pictures_are_taken_as_arrays_and_of_pil(made: Any, modality: str, shape: tuple[int, ...]) -> None:
    maker = Maker(lambda texts: [made])
    maker.info = SamplerInfo("maker", modality)
    (found,) = frames_of(maker, PROMPTS[:1], SEEDS[:1])
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype, int(found.max()), int(found.min())) == (shape, np.uint8, 7, 7)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (SHADE, r"one picture, uint8 \(4, 6, 3\), where a clip is wanted"),
        (Image.fromarray(SHADE), "one picture, Image, where a clip is wanted"),
        ([], r"list, not uint8 \(T, H, W, 3\)"),
        ([SHADE, SHADE[:2]], r"list, not uint8 \(T, H, W, 3\)"),
        (SHADE[None] / 255, r"float64 \(1, 4, 6, 3\), not uint8"),
    ],
)
def test_what_is_no_clip_says_what_it_is(made: Any, reason: str) -> None:
    maker = Maker(lambda texts: [made])
    maker.info = SamplerInfo("maker", "video")
    (found,) = frames_of(maker, PROMPTS[:1], SEEDS[:1])
    assert isinstance(found, str)
    assert re.search(reason, found)


def test_one_picture_for_two_prompts_is_no_answer() -> None:
    picture = Image.fromarray(SHADE)
    found = frames_of(Maker(lambda texts: [picture for _ in texts]), PROMPTS[:2], SEEDS[:2])
    assert [isinstance(one, np.ndarray) for one in found] == [True, True]  # made again, one by one


@pytest.mark.parametrize("error", [RuntimeError("no such thought"), MediaError("no such thought")])
def test_who_fails_is_found_one_by_one_and_every_prompt_keeps_its_seed(error: Exception) -> None:
    maker = Maker(raising(error, "second"))
    first, second, third = shades(frames_of(maker, PROMPTS, SEEDS))
    assert (first, third) == (10, 30)
    assert second.startswith("sampler failed: ")
    assert second.endswith("no such thought")
    assert maker.asked == [["first", "second", "third"], ["first"], ["second"], ["third"]]


def test_an_error_that_concerns_all_samples_ends_it_at_once() -> None:
    maker = Maker(raising(PrerequisiteError("no weights"), "second"))
    with pytest.raises(NovaEvalError, match="no weights"):
        frames_of(maker, PROMPTS, SEEDS)
    assert len(maker.asked) == 1


def test_a_reason_is_one_line_of_bounded_length() -> None:
    (reason,) = frames_of(Maker(raising(RuntimeError("word\n" * 1000), "first")), PROMPTS[:1], SEEDS[:1])
    assert isinstance(reason, str)
    assert "\n" not in reason
    assert len(reason) < 350


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "sampler failed: SystemExit: 0"),
        (SystemExit("bye"), "sampler failed: SystemExit: bye"),
        (GeneratorExit(), "sampler failed: GeneratorExit"),
        (MemoryError("no room"), "sampler failed: MemoryError: no room"),
        (RecursionError(), "sampler failed: RecursionError"),
        (RuntimeError("boom\x1b[31m red\x07\nsecond \u202eline"), "RuntimeError: boom?[31m red? second ?line"),
        (RuntimeError("caf\udce9"), "sampler failed: RuntimeError: caf?"),
        (RuntimeError("x" * 5_000_000), f"sampler failed: RuntimeError: {'x' * 286}"),
    ],
)
def test_whatever_is_raised_is_a_reason_that_a_row_can_hold(error: BaseException, reason: str) -> None:
    (found,) = frames_of(Maker(raising(error, "first")), PROMPTS[:1], SEEDS[:1])
    assert isinstance(found, str)
    assert found.endswith(reason)
    assert found.encode().isascii()


def test_an_error_that_cannot_say_what_it_is_is_a_reason_too() -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise ValueError

    (found,) = frames_of(Maker(raising(Speechless(), "first")), PROMPTS[:1], SEEDS[:1])
    assert found == "sampler failed: Speechless"


def test_ctrl_c_ends_it_where_it_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Maker(raising(KeyboardInterrupt(), "second"))
    with pytest.raises(KeyboardInterrupt):
        frames_of(maker, PROMPTS, SEEDS)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)  # as in a worker
    first, second, third = shades(frames_of(maker, PROMPTS, SEEDS))
    assert (first, second, third) == (10, "sampler failed: KeyboardInterrupt", 30)


def test_one_buffer_for_all_prompts_shows_each_prompt_its_own() -> None:
    buffer = np.zeros((1, 4, 4, 3), np.uint8)

    class Frugal(Maker):
        def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Any:
            made = []
            for seed in seeds:
                buffer[:] = seed
                made.append(buffer)
            return made

    made = [frames_of(Frugal(), PROMPTS[at : at + 1], SEEDS[at : at + 1])[0].copy() for at in range(3)]
    assert shades(made) == SEEDS
    assert all(isinstance(one, str) or (one == one.flat[0]).all() for one in frames_of(Frugal(), PROMPTS, SEEDS))


def test_a_sampler_that_goes_elsewhere_does_not_take_the_process_along(tmp_path: Path) -> None:
    here = Path.cwd()
    frames_of(Maker(lambda texts: os.chdir(tmp_path)), PROMPTS, SEEDS)
    assert Path.cwd() == here


@pytest.mark.parametrize("fps", [0.0, -3.0, float("nan"), float("inf"), 1e9, None, "8"])
def test_a_frame_rate_that_cannot_be_is_said_before_anything_is_made(fps: Any) -> None:
    maker = Maker()
    maker.info = SamplerInfo("maker", "video", fps=fps)
    with pytest.raises(UsageError, match=r"frames a second|JSON"):
        info_of(maker, "maker")


@pytest.mark.parametrize("settings", [{"x": object()}, {"x": float("nan")}, {"x": np.zeros(3)}, {"x": "\udce9"}])
def test_an_info_that_no_run_can_be_named_after_is_said(settings: dict[str, Any]) -> None:
    maker = Maker()
    maker.info = SamplerInfo("maker", "image", settings=settings)
    with pytest.raises(UsageError, match=r"the info of sampler .* is nothing that JSON can hold"):
        info_of(maker, "mine.py:Mine")


def test_a_sampler_without_an_info_is_none() -> None:
    with pytest.raises(UsageError, match="has no info"):
        info_of(object(), "mine.py:Mine")
