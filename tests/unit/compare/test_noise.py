"""What an unchanged checkpoint does, and what gates that makes."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from made_sides import side

from nova_eval.compare import noise
from nova_eval.compare.pairing import paired
from nova_eval.errors import UsageError


def drawn(seed: int, samples: int = 4, **manifest: Any) -> Any:
    chance = random.Random(seed)
    common = random.Random(0)
    shares: dict[tuple[str, int], float] = {}

    def value(task: str, number: int, index: int) -> float:
        share = shares.setdefault((task, number), common.random())
        return float(chance.random() < share)

    return side(f"seed{seed}", value, prompts=40, samples=samples, seed=1000 * seed, **manifest)


def by_name(found: list[noise.Noise]) -> dict[str, noise.Noise]:
    return {one.metric: one for one in found}


def test_noise_is_that_of_the_difference_of_two_seeds() -> None:
    first, second = drawn(1), drawn(2)
    found = by_name(noise.calibrated([first, second], {"overall": 0.05}))
    [pair] = [pair for pair in paired(first, second).metrics if pair[1].name == "overall"]
    pulls = {name: pair[1].influence[name] - pair[0].influence[name] for name in pair[0].influence}
    assert found["overall"].error == pytest.approx(sum(pull**2 for pull in pulls.values()) ** 0.5)
    assert found["overall"].prompts == 240
    assert found["overall"].proposed == pytest.approx(3 * found["overall"].error, rel=0.1)
    assert found["overall"].clears is not None
    assert found["colors"].clears is None


def test_one_run_foretells_what_two_seeds_show() -> None:
    two = by_name(noise.calibrated([drawn(seed) for seed in range(1, 5)], {}))
    one = by_name(noise.of_one_run(drawn(1), {}))
    assert one["overall"].error == pytest.approx(two["overall"].error, rel=0.25)


def test_a_gate_of_three_standard_errors_is_kept_by_nine_of_ten() -> None:
    assert noise.clearing(0.01, 1e9, 0.03) == pytest.approx(0.912, abs=0.001)


def test_proposals_are_a_table_of_toml() -> None:
    found = noise.calibrated([drawn(1), drawn(2)], {})
    lines = noise.as_toml(found).splitlines()
    assert lines[0] == "[gates]"
    assert [line.split(" = ")[0] for line in lines[1:]] == [one.metric for one in found]


def test_what_is_no_noise_is_refused() -> None:
    first = drawn(1)
    with pytest.raises(UsageError, match="one run says nothing"):
        noise.calibrated([first], {})
    with pytest.raises(UsageError, match="samples of the same seed"):
        noise.calibrated([first, dataclasses.replace(first, name="again")], {})
    with pytest.raises(UsageError, match="differ in more than the seed"):
        noise.calibrated([first, drawn(2, sampler={"checkpoint": "b"})], {})
    with pytest.raises(UsageError, match="one sample a prompt"):
        noise.of_one_run(drawn(1, samples=1), {})
