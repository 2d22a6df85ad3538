"""Every judge asked on a GPU that is not there: all that it computes with lies on one device, in one format.

The networks are the judges' own, at full size and without values; weight files are not read. See ``fake_cuda`` for what
is stepped around.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from torch import Tensor

from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.questions import IN_FLOAT32_ONLY, QUESTIONS
from nova_eval.judges import JUDGES, mask2former_mmdet, mplug, tag2text
from nova_eval.judges.dino import DinoViTB16
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.mplug_settings import Settings

from fake_cuda import fake_cuda  # isort: skip

FRAMES = np.zeros((2, 128, 160, 3), np.uint8)
FRAMES[1] = 1
HALF = sorted(QUESTIONS.keys() - IN_FLOAT32_ONLY)
ASKED = [*((name, "float32") for name in sorted(QUESTIONS)), *((name, "float16") for name in HALF)]
IN_MMDET = {"geneval_objects_mmdet"}
QUICK = {("dino_vitb16", "float16")}


@pytest.mark.parametrize(
    ("name", "dtype"), [pytest.param(*one, marks=[] if one in QUICK else pytest.mark.slow) for one in ASKED]
)
def test_a_judge_computes_on_its_device(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag2text, "MAX_LENGTH", 6)
    monkeypatch.setattr(mplug.MPlugLarge, "settings", Settings(max_length=2))
    if name in IN_MMDET:
        _answer_for_deformable_attention(monkeypatch)
    known: Any = nullcontext()
    if name in IN_MMDET:  # past its pixel decoder, mmdet cuts at sizes that are a tensor's values
        known = pytest.raises(RuntimeError, match="split_sizes")
    with drawn_weights(lambda name, tensor: None), fake_cuda(), known:
        made: Any = JUDGES.get(name)
        QUESTIONS[name](made(dtype=dtype).to("cuda"), FRAMES)


def _answer_for_deformable_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmcv's cuts maps apart at sizes that it reads out of a tensor; in its place its answer's shape is given."""
    pytest.importorskip("mmdet")
    mask2former_mmdet.provide_operators()
    from mmcv.ops import multi_scale_deform_attn

    def answer(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        assert {tensor.device.type for tensor in (value, shapes, locations, weights)} == {"cuda"}
        return value.new_zeros(len(value), locations.shape[1], value.shape[2] * value.shape[3])

    monkeypatch.setattr(multi_scale_deform_attn, "multi_scale_deformable_attn_pytorch", answer)


def test_pixels_in_another_format_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hosted, "place", lambda hosted, tensor: tensor.to(hosted.device))
    with (
        drawn_weights(lambda name, tensor: None),
        fake_cuda(),
        pytest.raises(RuntimeError, match="should be the same"),
    ):
        DinoViTB16(dtype="float16").to("cuda").encode_images(FRAMES)
