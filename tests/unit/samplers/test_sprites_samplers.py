"""A sample depends on its prompt and seed alone; what a sampler is, is written down; mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest

from nova_eval.errors import UsageError
from nova_eval.protocols import Sampler
from nova_eval.records import Prompt
from nova_eval.samplers.sprites import NoiseSampler, OracleSampler
from nova_eval.sprites.corruptions import CORRUPTIONS

PROMPTS = [
    Prompt(f"vbench/{i:04d}", text) for i, text in enumerate(["a red circle", "beach", "a star rising in a city"])
]


@pytest.mark.parametrize(
    "sampler", [OracleSampler(), NoiseSampler(), *(OracleSampler(corruption=c) for c in CORRUPTIONS)]
)
def test_a_sample_does_not_depend_on_its_batch(sampler):
    assert isinstance(sampler, Sampler)
    together = sampler.sample(PROMPTS, [1, 2, 3])
    alone = [sampler.sample([prompt], [seed])[0] for prompt, seed in zip(PROMPTS, [1, 2, 3], strict=True)]
    backwards = sampler.sample(PROMPTS[::-1], [3, 2, 1])[::-1]
    for a, b, c in zip(together, alone, backwards, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        assert a.shape == (17, 64, 64, 3)


def test_the_rewritten_text_is_drawn():
    asked = Prompt("vbench/0001", "a cat", rewritten="a red circle")
    expected = OracleSampler().sample([PROMPTS[0]], [7])[0]
    np.testing.assert_array_equal(OracleSampler().sample([asked], [7])[0], expected)


def test_settings_tell_samplers_apart():
    infos = [
        OracleSampler().info,
        OracleSampler(corruption="blur").info,
        OracleSampler(height=96).info,
        NoiseSampler().info,
    ]
    assert len({str(info) for info in infos}) == 4
    assert infos[1].settings == {
        "frames": 17,
        "height": 64,
        "width": 64,
        "fps": 8.0,
        "corruption": "blur",
        "strength": 1.0,
    }
    assert infos[0].checkpoint
    assert (infos[0].modality, infos[0].fps) == ("video", 8.0)
    assert OracleSampler(frames=1).info.modality == "image"


def test_strength_zero_spoils_nothing():
    clean = OracleSampler().sample(PROMPTS, [1, 2, 3])
    for name in CORRUPTIONS:
        for a, b in zip(clean, OracleSampler(corruption=name, strength=0.0).sample(PROMPTS, [1, 2, 3]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_mistakes_are_named():
    with pytest.raises(UsageError, match=r"unknown corruption 'blurr'.*did you mean 'blur'"):
        OracleSampler(corruption="blurr")
    with pytest.raises(UsageError, match="strength"):
        OracleSampler(strength=2.0)
    with pytest.raises(UsageError, match="cannot show a sprite"):
        NoiseSampler(height=4)
    with pytest.raises(UsageError, match=r"cannot read .*--variant sprites"):
        OracleSampler().sample([Prompt("x/1", "a dog on the moon")], [1])
