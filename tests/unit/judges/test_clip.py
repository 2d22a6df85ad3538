"""CLIP's similarity is logit / 100, and its towers are those of open_clip's own OpenAI loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nova_eval import weights
from nova_eval.errors import PrerequisiteError
from nova_eval.judges.aesthetic import LaionAesthetic
from nova_eval.judges.clip import CLIPViTB32, preprocess, tokenize

from networks import clip_of, largest, tiny_clip, write_torchscript  # isort: skip


class TestTowers:
    def test_both_towers_equal_open_clips_reading_of_the_file(self, clip_file: Path) -> None:
        from open_clip.model import build_model_from_openai_state_dict

        state = weights.load_state_dict(clip_file, "torchscript")
        reference = build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32).float().eval()
        judge, frames = CLIPViTB32(clip_file), clip_of(2)
        with torch.inference_mode():
            assert largest(judge.encode_images(frames), reference.encode_image(preprocess(frames))) < 1e-5
            words = reference.encode_text(tokenize("oil painting"))[0]
        assert largest(judge.encode_text("oil painting"), words) < 1e-5

    def test_a_missing_entry_is_named(self, tmp_path: Path) -> None:
        state = tiny_clip()
        del state["visual.ln_post.bias"]
        judge = CLIPViTB32(write_torchscript(state, tmp_path / "x.pt"))
        with pytest.raises(PrerequisiteError, match=r"x\.pt do not fit VisionTransformer: 1 missing: ln_post\.bias"):
            judge.encode_images(clip_of(1))


class TestSimilarity:
    def test_it_is_the_cosine_at_the_published_scale(self, clip_file: Path) -> None:
        judge, frames = CLIPViTB32(clip_file), clip_of(3)
        similarity = judge.image_text_similarity(frames, "pixel art")
        images, words = judge.encode_images(frames, "pil"), judge.encode_text("pixel art")
        cosine = images @ words / np.linalg.norm(images, axis=1) / np.linalg.norm(words)
        assert largest(similarity, cosine) < 1e-5

    def test_another_scale_is_carried_along(self, clip_file: Path, tmp_path: Path) -> None:
        state = tiny_clip()
        state["logit_scale"] = torch.tensor(1.0)
        other = CLIPViTB32(write_torchscript(state, tmp_path / "x.pt"))
        one = CLIPViTB32(clip_file).image_text_similarity(clip_of(2), "pixel art")
        assert largest(other.image_text_similarity(clip_of(2), "pixel art"), one * np.exp(1.0) / 100) < 1e-6

    def test_a_text_is_read_once(self, clip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        judge = CLIPViTB32(clip_file)
        first = judge.encode_text("a style")
        monkeypatch.setattr("nova_eval.judges.clip.tokenize", lambda text: pytest.fail("read again"))
        assert np.array_equal(judge.encode_text("a style"), first)

    def test_a_long_text_is_cut(self) -> None:
        tokens = tokenize("word " * 200)
        assert tokens.shape == (1, 77)
        assert tokens[0, -1] == 49407


def test_ratings_are_the_head_on_unit_features(aesthetic_files: dict[str, Path]) -> None:
    judge, frames = LaionAesthetic(**aesthetic_files), clip_of(3)
    head = torch.load(aesthetic_files["head"], weights_only=True)
    features = judge.encode_images(frames)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    wanted = unit @ head["weight"][0].numpy() + head["bias"].item()
    assert largest(judge.aesthetic(frames), wanted) < 1e-5
