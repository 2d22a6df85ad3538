"""CLIPScore: the bare cosine, whatever else the file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from nova_eval.errors import UsageError
from nova_eval.judges.clip import CLIPScoreViTB32, CLIPViTB32

from networks import clip_of, largest, tiny_clip, write_torchscript  # isort: skip


def test_the_score_is_the_cosine_of_the_features(clip_file: Path) -> None:
    judge, frames = CLIPScoreViTB32(clip_file), clip_of()
    text = judge.encode_text("a dog")
    images = judge.encode_images(frames, "pil")
    expected = images @ text / (np.linalg.norm(images, axis=1) * np.linalg.norm(text))
    assert largest(judge.image_text_similarity(frames, "a dog"), expected) < 1e-6


def test_it_is_not_scaled(tmp_path: Path) -> None:
    """VBench's judge divides by the published scale, which other files do not have."""
    import torch

    path = write_torchscript({**tiny_clip(), "logit_scale": torch.tensor(1.0)}, tmp_path / "ViT-B-32.pt")
    frames = clip_of()
    own, scaled = CLIPScoreViTB32(path), CLIPViTB32(path)
    ratio = scaled.image_text_similarity(frames, "a dog") / own.image_text_similarity(frames, "a dog")
    assert ratio.tolist() == pytest.approx([np.e / 100] * len(frames), rel=1e-3)


def test_scores_do_not_depend_on_the_batch(clip_file: Path) -> None:
    frames = clip_of()
    together = CLIPScoreViTB32(clip_file, batch=4).image_text_similarity(frames, "a dog")
    judge = CLIPScoreViTB32(clip_file)
    assert largest(together, [judge.image_text_similarity(frame[None], "a dog")[0] for frame in frames]) < 1e-6


def test_a_text_that_clip_would_cut_is_refused(clip_file: Path) -> None:
    with pytest.raises(UsageError, match="more than CLIP's 77 tokens") as error:
        CLIPScoreViTB32(clip_file).image_text_similarity(clip_of(1), "dog " * 76)
    assert "\n" not in str(error.value)


def test_half_precision_is_close_and_another_judge(clip_file: Path) -> None:
    whole, half = CLIPScoreViTB32(clip_file), CLIPScoreViTB32(clip_file, dtype="bfloat16").to("cpu")
    assert whole.digest != half.digest
    frames = clip_of()
    difference = largest(whole.image_text_similarity(frames, "a dog"), half.image_text_similarity(frames, "a dog"))
    assert 0 < difference < 0.05
