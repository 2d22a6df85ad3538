from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval.nova.pipeline import NovaPipeline


@pytest.fixture(scope="session")
def pipe(video_checkpoint: Path) -> NovaPipeline:
    return NovaPipeline.from_pretrained(video_checkpoint, device="cpu")
