"""A batch that fails is made again one by one, each prompt with its own seed; bad settings end it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nova_eval.engines.sampling import frames_of
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError
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


def raising(error: Exception, text: str) -> Callable[[list[str]], None]:
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
