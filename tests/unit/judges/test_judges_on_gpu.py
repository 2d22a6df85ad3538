"""Every judge asked on a GPU that is not there: all that it computes with lies on one device, in one format.

The networks are the judges' own, at full size and without values; weight files are not read. See ``fake_cuda`` for what
is stepped around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.questions import IN_FLOAT32_ONLY, QUESTIONS
from nova_eval.judges import JUDGES, mplug, tag2text
from nova_eval.judges.mplug_settings import Settings

from fake_cuda import fake_cuda  # isort: skip

FRAMES = np.zeros((2, 128, 160, 3), np.uint8)
FRAMES[1] = 1
ASKED = [(name, dtype) for dtype in ("float32", "float16") for name in sorted(QUESTIONS)]
ASKED = [(name, dtype) for name, dtype in ASKED if dtype == "float32" or name not in IN_FLOAT32_ONLY]


@pytest.mark.parametrize(("name", "dtype"), ASKED)
def test_a_judge_computes_on_its_device(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag2text, "MAX_LENGTH", 6)
    monkeypatch.setattr(mplug.MPlugLarge, "settings", Settings(max_length=2))
    with drawn_weights(lambda name, tensor: None), fake_cuda():
        made: Any = JUDGES.get(name)
        QUESTIONS[name](made(dtype=dtype).to("cuda"), FRAMES)
