"""DPT-hybrid: its file, how depth becomes nearness, and that frames do not depend on each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.errors import PrerequisiteError
from nova_eval.judges import JUDGES, dpt
from nova_eval.judges.dpt import DPTHybrid, apart, nearness, renamed
from nova_eval.protocols import DepthModel

from networks import clip_of, largest  # isort: skip


class Brightness(torch.nn.Module):
    """Stands for the network: what is bright is near."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(10.0))

    def forward(self, pixels: torch.Tensor) -> Any:
        return type("Answer", (), {"predicted_depth": self.scale * (pixels.mean(1) + 1)})


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dpt, "build", lambda state, path: Brightness())
    torch.save({"pretrained.model.cls_token": torch.zeros(1, 1, 768)}, tmp_path / "dpt.pt")
    return tmp_path / "dpt.pt"


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_said_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)
    with pytest.raises(PrerequisiteError, match="weights fetch dpt_hybrid"):
        DPTHybrid()
    assert JUDGES.get("dpt_hybrid") is DPTHybrid  # type: ignore[comparison-overlap]


def test_another_networks_file_is_one_line(tmp_path: Path) -> None:
    """The host is built, but nothing is computed."""
    torch.save({"conv1.weight": torch.zeros(3), "scratch.layer1_rn.weight": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(PrerequisiteError, match=r"missing: .*unknown: conv1.weight.*of another shape") as error:
        DPTHybrid(tmp_path / "x.pt").depth(clip_of(1, 32, 32))
    assert "\n" not in str(error.value)
    assert "x.pt" in str(error.value)


def test_published_names_become_the_hosts() -> None:
    assert renamed("pretrained.model.head.weight") is None
    assert renamed("scratch.refinenet1.out_conv.bias") == "neck.fusion_stage.layers.3.projection.bias"
    assert (
        renamed("scratch.refinenet4.resConfUnit2.conv1.weight")
        == "neck.fusion_stage.layers.0.residual_layer2.convolution1.weight"
    )
    assert renamed("pretrained.act_postprocess3.0.project.0.bias") == "neck.reassemble_stage.readout_projects.2.0.bias"
    assert renamed("something.else") == "something.else"


def test_a_joint_projection_is_three_in_order() -> None:
    parts = apart({"pretrained.model.blocks.0.attn.qkv.bias": torch.arange(6.0)})
    names = [renamed(name) for name in parts]
    assert names == [f"dpt.encoder.layer.0.attention.attention.{part}.bias" for part in ("query", "key", "value")]
    assert [tensor.tolist() for tensor in parts.values()] == [[0, 1], [2, 3], [4, 5]]


# --- answers --------------------------------------------------------------------------------------------------------


def test_nearness_is_over_each_maps_own_range_with_corners_on_corners() -> None:
    raw = torch.tensor([[[2.0, 4.0], [6.0, 10.0]], [[7.0, 7.0], [7.0, 7.0]]])
    found = nearness(raw, (3, 5))
    assert found.shape == (2, 3, 5)
    assert found[0, [0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0.0, 0.25, 0.5, 1.0]
    assert found[0, 1, 2].item() == pytest.approx(1.75 / 4)
    assert found[1].eq(0).all()


def test_depth_has_the_frames_size_and_does_not_depend_on_the_batch(file: Path) -> None:
    frames = clip_of(3, 60, 100)
    judge = DPTHybrid(file, batch=8)
    together = judge.depth(frames)
    assert together.shape == (3, 60, 100)
    assert together.dtype == np.float32
    assert together.min() == 0
    assert together.max() == 1
    alone = np.concatenate([DPTHybrid(file, batch=1).depth(frame[None]) for frame in frames])
    assert largest(together, alone) <= 1e-6
    assert isinstance(judge, DepthModel)
    assert judge.to("cpu") is judge


def test_half_precision_and_digest(file: Path) -> None:
    frames = clip_of(1, 40, 40)
    whole, half = DPTHybrid(file), DPTHybrid(file, "bfloat16")
    assert whole.digest != half.digest
    assert largest(whole.depth(frames), half.depth(frames)) < 0.02


def test_frames_are_squeezed_to_a_square_in_rows_of_planes() -> None:
    pixels = dpt.preprocess(clip_of(2, 60, 100))
    assert pixels.shape == (2, 3, 480, 480)
    assert pixels.is_contiguous()
    assert pixels.abs().max() <= 1
