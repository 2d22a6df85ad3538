"""BLIP, mPLUG and CLIPScore give the figures that the official code gave on procedural weights.

The quick cases compare what the networks are given and the search alone; every case of the recordings is slow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nova_eval.checks.parity.compare import facts as sampled
from nova_eval.checks.parity.compare import largest
from nova_eval.checks.parity.items import frames as image
from nova_eval.checks.parity.networks.mplug import searched
from nova_eval.checks.parity.recordings import replay
from nova_eval.judges import blip, clip, mplug

HERE = Path(__file__).parent / "t2i_vqa"


def read(judge: str, name: str = "golden") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / judge / f"{name}.json").read_text())
    return content


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("judge", ["blip_vqa", "mplug_large", "clip_vit_b32"])
def test_networks_see_the_official_pixels(judge: str) -> None:
    recorded = read(judge)
    preprocess = {
        "blip_vqa": blip.preprocess,
        "mplug_large": lambda frames: mplug.preprocess(frames, recorded["image_res"]),
        "clip_vit_b32": lambda frames: clip.preprocess(frames, "pil"),
    }[judge]
    for case in recorded["cases"]:
        assert sampled(case["input"], preprocess(image(case["image"]))) <= 1e-6


def test_clipscore_reads_the_official_ids() -> None:
    recorded = read("clip_vit_b32")
    for prompt, ids in zip(recorded["prompts"], recorded["token_ids_first_20"], strict=True):
        assert clip.text_ids(prompt)[0, :20].tolist() == ids


@pytest.mark.parametrize("case", read("mplug_large", "beam")["cases"], ids=lambda case: str(case["seed"]))
def test_mplug_searches_as_the_official_code_does(case: dict[str, Any]) -> None:
    found = searched(read("mplug_large", "beam"), case)
    for ids, scores, answers in zip(case["expected"]["ids"], case["expected"]["scores"], found, strict=True):
        best = answers[: case["beam_size"]]
        assert [list(answer.ids) for answer in best] == ids
        assert largest(scores, [answer.score for answer in best]) <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["clip_vit_b32", "blip_vqa", "mplug_large"])
def test_every_recorded_case(judge: str) -> None:
    results = list(replay(HERE / judge))
    assert len(results) > 10
    assert [result for result in results if not result.passed] == []
    assert np.isfinite([result.difference for result in results]).all()


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["clip_vit_b32", "blip_vqa", "mplug_large"])
def test_every_case_of_the_shared_recordings(judge: str, parity: Path) -> None:
    assert [result for result in replay(parity / "t2i" / judge) if not result.passed] == []
