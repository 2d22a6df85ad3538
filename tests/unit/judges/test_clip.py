"""CLIP's similarity is logit / 100, and its towers are those of open_clip's own OpenAI loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nova_eval import weights
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.judges.aesthetic import LaionAesthetic
from nova_eval.judges.clip import CLIPViTB32, byte_pairs, preprocess, text_ids, tokenize

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
        monkeypatch.setattr("nova_eval.judges.clip.text_ids", lambda text: pytest.fail("read again"))
        assert np.array_equal(judge.encode_text("a style"), first)

    def test_a_text_that_does_not_fit_has_no_score(self, clip_file: Path) -> None:
        """OpenAI's tokenizer raises there."""
        assert text_ids("dog " * 75)[0, -1] == 49407
        with pytest.raises(UsageError, match="more than CLIP's 77 tokens") as error:
            CLIPViTB32(clip_file).image_text_similarity(clip_of(1), "dog " * 76)
        assert "\n" not in str(error.value)
        assert tokenize("dog " * 76)[0, -1] == 49407  # open_clip cuts


OFFICIAL_IDS = {
    "it's “curly” — ½ İstanbul": [585, 568, 257, 20795, 257, 2005, 33613, 328, 16384, 11231],
    "naïve 😀&amp;lt;\u00a0ﬁne": [1097, 35689, 563, 12832, 283, 3797],
    "中文 1984": [19759, 255, 29032, 485, 272, 280, 279, 275],
    "<|endoftext|> after": [49407, 953],
    "<start_of_text>": [283, 1572, 318, 539, 318, 4160, 285],
}  # recorded from openai-clip 1.0.1, without start and end


@pytest.mark.parametrize("text", OFFICIAL_IDS)
def test_odd_texts_are_read_as_by_openais_tokenizer(text: str) -> None:
    assert byte_pairs().encode(text) == OFFICIAL_IDS[text]


def test_ratings_are_the_head_on_unit_features(aesthetic_files: dict[str, Path]) -> None:
    judge, frames = LaionAesthetic(**aesthetic_files), clip_of(3)
    head = torch.load(aesthetic_files["head"], weights_only=True)
    features = judge.encode_images(frames)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    wanted = unit @ head["weight"][0].numpy() + head["bias"].item()
    assert largest(judge.aesthetic(frames), wanted) < 1e-5
