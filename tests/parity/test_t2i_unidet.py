"""UniDet on both trunks and DPT-hybrid give the figures that the official code gave on procedural weights.

The quick cases compare entries, what the networks are given, and their first stages; every case of the recordings is
slow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nova_eval.adapters.t2i_compbench.frames import official_frame
from nova_eval.checks.parity.compare import facts as sampled
from nova_eval.checks.parity.items import frames as image
from nova_eval.checks.parity.recordings import replay
from nova_eval.checks.parity.weight_files import filled, read_entries
from nova_eval.judges import dpt, unidet
from nova_eval.judges.hosting import unfilled
from nova_eval.judges.resnest import Trunk

HERE = Path(__file__).parent / "t2i_unidet"
DETECTORS = {
    "unidet_r50": (unidet.unidet_r50, unidet.build_r50, (unidet.R50_MEAN, unidet.R50_STD)),
    "unidet_rs200": (unidet.unidet_rs200, unidet.build_rs200, (unidet.RS200_MEAN, unidet.RS200_STD)),
}
NUMBERS = {"unidet_r50": 71_954_034, "unidet_rs200": 120_710_131, "dpt_hybrid": 123_146_985}


def read(judge: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / judge / "golden.json").read_text())
    return content


def entries(judge: str) -> list[dict[str, Any]]:
    return read_entries(HERE / judge / "keys.json.gz")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("judge", ["unidet_r50", "unidet_rs200", "dpt_hybrid"])
def test_every_published_entry_has_its_place_and_no_place_is_left(judge: str) -> None:
    build = dpt.build if judge == "dpt_hybrid" else DETECTORS[judge][1]
    state = {row["name"]: torch.zeros(row["shape"]) for row in entries(judge)}
    assert sum(tensor.numel() for tensor in state.values()) == NUMBERS[judge]
    network = build(state, Path("published"))
    unused = 1000 * 769 if judge == "dpt_hybrid" else 0  # the ViT's classifier
    counters = sum(name.endswith("num_batches_tracked") for name in state)
    held = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    assert sum(tensor.numel() for tensor in held.values()) == NUMBERS[judge] - unused - counters
    assert not any(tensor.any() for tensor in held.values())


@pytest.mark.parametrize("judge", DETECTORS)
def test_detectors_see_the_official_pixels(judge: str) -> None:
    for case in read(judge)["cases"]:
        frame = official_frame(image(case["image"])[0])[None]
        assert list(frame.shape[1:3]) == case["resized"]
        assert sampled(case["network_input"], unidet.preprocess(frame, *DETECTORS[judge][2])) <= 1e-6


def test_depth_is_read_of_the_official_pixels() -> None:
    for case in read("dpt_hybrid")["cases"]:
        assert sampled(case["input"], dpt.preprocess(image(case["image"]))) <= 1e-6


@pytest.mark.parametrize("judge", ["unidet_r50", pytest.param("unidet_rs200", marks=pytest.mark.slow)])
def test_first_two_stages_of_a_trunk(judge: str) -> None:
    recorded, prefix = read(judge), "backbone.bottom_up."
    rows = [row for row in entries(judge) if row["name"].startswith(prefix) and ".res4" not in row["name"]]
    rows = [row for row in rows if ".res5" not in row["name"]]
    state = {name.removeprefix(prefix): t for name, t in filled(rows, recorded["weights_seed"]).items()}
    trunk: Trunk = unfilled(DETECTORS[judge][0]).backbone.bottom_up.eval()  # type: ignore[assignment, union-attr]
    assert not trunk.load_state_dict(state, strict=False).unexpected_keys
    case = recorded["cases"][0]
    pixels = unidet.preprocess(official_frame(image(case["image"])[0])[None], *DETECTORS[judge][2])
    with torch.inference_mode():
        res3 = trunk.get_submodule("res3")(trunk.get_submodule("res2")(trunk.stem(pixels)))
    assert sampled(case["bottom_up"]["res3"], res3) <= 5e-5


def test_first_stage_of_the_depth_network() -> None:
    recorded = read("dpt_hybrid")
    first = ("pretrained.model.patch_embed.backbone.stem.", "pretrained.model.patch_embed.backbone.stages.0.")
    state = filled([row for row in entries("dpt_hybrid") if row["name"].startswith(first)], recorded["weights_seed"])
    host: Any = unfilled(dpt.network).eval()
    renamed = {dpt.renamed(name): tensor for name, tensor in state.items()}
    assert not host.load_state_dict(renamed, strict=False).unexpected_keys
    trunk = host.dpt.embeddings.backbone.bit
    case = recorded["cases"][0]
    with torch.inference_mode():
        found = trunk.encoder.stages[0](trunk.embedder(dpt.preprocess(image(case["image"]))))
    assert sampled(case["layers"]["1"], found) <= 5e-6


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["unidet_r50", "unidet_rs200", "dpt_hybrid"])
def test_every_recorded_case(judge: str, parity: Path) -> None:
    results = list(replay(parity / "t2i" / judge))
    assert len(results) >= 16
    assert [result for result in results if not result.passed] == []
