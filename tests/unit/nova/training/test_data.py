"""Material is read, filtered, cut and cached; the same items give the same shards."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nova_eval.errors import UsageError
from nova_eval.media import encode_image, encode_video
from nova_eval.nova.motion import motion_score
from nova_eval.nova.parts import Parts
from nova_eval.nova.text import TextEncoder
from nova_eval.nova.training.cache import CachedSet, fill_cache
from nova_eval.nova.training.config import DataConfig, FilterConfig
from nova_eval.nova.training.data import (
    SOURCES,
    FolderSource,
    SpritesSource,
    TarSource,
    TrainingItem,
    at_least,
    beautiful,
    cut,
    first_objection,
    text_within,
)
from nova_eval.nova.training.material import build_filters, open_source
from nova_eval.nova.vae import load_vae


def make_item(
    frames: int = 9, height: int = 64, width: int = 64, text: str = "a circle", fps: float = 8.0
) -> TrainingItem:
    return TrainingItem("x", text, np.zeros((frames, height, width, 3), np.uint8), fps)


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


class TestSources:
    def test_folder_reads_captions_from_the_list_and_from_text_files(self, tmp_path: Path) -> None:
        picture = encode_image(np.full((8, 8, 3), 200, np.uint8))
        (tmp_path / "b").mkdir()
        for name in ("a.png", "b/c.png", "d.png"):
            (tmp_path / name).write_bytes(picture)
        (tmp_path / "a.txt").write_text("first \n")
        (tmp_path / "captions.jsonl").write_text(json.dumps({"file": "b/c.png", "caption": "second"}))
        source = FolderSource(tmp_path)
        assert [(source.item(i).name, source.item(i).text) for i in range(source.count)] == [
            ("a.png", "first"),
            ("b/c.png", "second"),
        ]

    def test_bad_caption_line_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "captions.jsonl").write_text('{"file": "a.png"}\n')
        with pytest.raises(UsageError, match=r"captions\.jsonl, line 1"):
            FolderSource(tmp_path)

    def test_folder_without_captions(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no captioned images or clips"):
            FolderSource(tmp_path)

    def test_tar_holds_images_and_clips(self, tmp_path: Path) -> None:
        picture = np.full((16, 16, 3), 90, np.uint8)
        clip = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
        file = write_tar(
            tmp_path / "shard.tar",
            {
                "000.png": encode_image(picture),
                "000.txt": b"one",
                "001.mp4": encode_video(clip, 8, codec="h264-lossless"),
                "001.json": json.dumps({"caption": "two"}).encode(),
                "002.png": encode_image(picture),
            },
        )
        source = TarSource(str(file))
        assert source.count == 2
        assert (source.item(0).text, source.item(0).frames.shape, source.item(0).fps) == ("one", (1, 16, 16, 3), 0.0)
        assert (source.item(1).text, source.item(1).fps) == ("two", 8.0)
        assert np.array_equal(source.item(1).frames, clip)

    def test_settings_that_a_source_does_not_know(self) -> None:
        with pytest.raises(UsageError, match=r"source 'sprites'.*colour"):
            open_source(DataConfig(source="sprites", settings={"colour": "red"}))

    def test_sprites_are_determined_by_seed_and_index(self) -> None:
        source = SOURCES.get("sprites")(seed=3)
        assert source.count is None
        once, again, other = source.item(5), SpritesSource(seed=3).item(5), SpritesSource(seed=4).item(5)
        assert once.text == again.text
        assert np.array_equal(once.frames, again.frames)
        assert once.frames.shape == (17, 64, 64, 3)
        assert not np.array_equal(once.frames, other.frames)


class TestFilters:
    def test_size_and_length(self) -> None:
        check = at_least(height=64, width=64, frames=9)
        assert check(make_item()) is None
        assert check(make_item(height=63)) == "too small"
        assert check(make_item(frames=8)) == "too short"

    def test_text_length_counts_tokens(self) -> None:
        check = text_within(str.split, 3)
        assert check(make_item(text="a b c")) is None
        assert check(make_item(text="a b c d")) == "caption too long"
        assert check(make_item(text="")) == "no caption"

    def test_aesthetic_rating(self) -> None:
        class Judge:
            name = digest = "constant"

            def __init__(self, rating: float) -> None:
                self.rating = rating

            def to(self, device: str) -> Judge:
                return self

            def aesthetic(self, frames: np.ndarray) -> np.ndarray:
                assert len(frames) == 3
                return np.full(len(frames), self.rating, np.float32)

        assert beautiful(Judge(5.0))(make_item()) is None
        assert beautiful(Judge(4.9))(make_item()) == "not aesthetic"

    def test_the_first_objection_is_given(self) -> None:
        checks = [at_least(frames=99), text_within(str.split, 1)]
        assert first_objection(make_item(), checks) == "too short"
        assert first_objection(make_item(frames=99, text="a"), checks) is None

    def test_aesthetic_filter_needs_a_judge(self, root: Path) -> None:
        text = TextEncoder.load(Parts.within(root / "parts"), dtype=torch.float32, device="cpu", max_length=8)
        with pytest.raises(UsageError, match="needs a judge"):
            build_filters(FilterConfig(min_aesthetic=5.0), text)
        judge = "nova_eval.sprites.judges:SpritesJudge"
        filters = build_filters(FilterConfig(min_aesthetic=5.0, aesthetic_model=judge), text)
        assert first_objection(make_item(), filters) == "not aesthetic"


class TestCut:
    def test_covers_and_crops_the_centre(self) -> None:
        frames = np.zeros((3, 40, 80, 3), np.uint8)
        frames[:, :, 38:42] = 255
        out = cut(TrainingItem("x", "", frames, 8.0), frames=2, height=20, width=20)
        assert out is not None
        assert out.shape == (2, 20, 20, 3)
        assert out[0, 10, 9:11].min() > 200
        assert out[0, 10, :7].max() < 30

    def test_thins_to_the_rate(self) -> None:
        frames = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
        out = cut(TrainingItem("x", "", frames, 24.0), frames=4, height=8, width=8, fps=8.0)
        assert out is not None
        assert out[:, 0, 0, 0].tolist() == [0, 3, 6, 9]
        assert cut(TrainingItem("x", "", frames, 24.0), frames=5, height=8, width=8, fps=8.0) is None


class TestCache:
    def fill(self, root: Path, folder: Path, **changes: object) -> CachedSet:
        data = DataConfig(source="folder", frames=9, shard=4, **changes)  # type: ignore[arg-type]
        text = TextEncoder.load(Parts.within(root / "parts"), dtype=torch.float32, device="cpu", max_length=8)
        vae = load_vae(root / "parts" / "vae", dtype=torch.float32, device="cpu")
        source = FolderSource(root / "material")
        return fill_cache(folder, data, source, vae=vae, text=text, size=(64, 64), say=lambda _: None)

    def test_clips_come_back_with_text_and_motion(self, root: Path, tmp_path: Path) -> None:
        cached = self.fill(root, tmp_path)
        assert len(cached) == 6  # the images beside the clips are too short
        batch = cached.batch([4, 0], latent_frames=2)
        assert batch.latents.shape == (2, 4, 2, 8, 8)
        frames = FolderSource(root / "material").item(0).frames
        assert batch.flow[1] == pytest.approx(motion_score(frames))
        encoder = TextEncoder.load(Parts.within(root / "parts"), dtype=torch.float32, device="cpu", max_length=8)
        assert torch.allclose(batch.texts[1], encoder.encode(["a circle 0"])[0])

    def test_a_clip_whose_sentence_leaves_out_its_speed_is_marked(self, root: Path, tmp_path: Path) -> None:
        assert self.fill(root, tmp_path / "folder").batch([0, 1], latent_frames=1).usual == [True, True]
        settings = {"frames": 5, "slow": 0.5}
        data = DataConfig(source="sprites", frames=5, items=6, settings=settings)
        parts = {
            "vae": load_vae(root / "parts" / "vae", dtype=torch.float32, device="cpu"),
            "text": TextEncoder.load(Parts.within(root / "parts"), dtype=torch.float32, device="cpu", max_length=8),
        }
        source = SpritesSource(**settings)
        cached = fill_cache(tmp_path / "sprites", data, source, **parts, size=(64, 64), say=lambda _: None)
        usual = cached.batch(range(6), latent_frames=1).usual
        assert usual == [source.item(i).usual for i in range(6)]
        assert set(usual) == {True, False}

    def test_latents_may_be_the_posteriors_mean(self, root: Path, tmp_path: Path) -> None:
        drawn, mean = (self.fill(root, tmp_path / name, latents=name) for name in ("sample", "mode"))
        vae = load_vae(root / "parts" / "vae", dtype=torch.float32, device="cpu")
        frames = cut(FolderSource(root / "material").item(0), frames=9, height=64, width=64, fps=None)
        assert frames is not None
        pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float().div(127.5).sub(1)
        wanted = vae.encode_mode(pixels).half().float()
        assert torch.equal(mean.batch([0], latent_frames=3).latents, wanted)
        assert not torch.allclose(drawn.batch([0], latent_frames=3).latents, wanted, atol=1e-2)

    def test_a_lost_shard_is_made_again_and_equal(self, root: Path, tmp_path: Path) -> None:
        self.fill(root, tmp_path)
        shard = tmp_path / "shard-000001.safetensors"
        before = shard.read_bytes()
        shard.unlink()
        self.fill(root, tmp_path)
        assert shard.read_bytes() == before

    def test_another_seed_does_not_mix_in(self, root: Path, tmp_path: Path) -> None:
        self.fill(root, tmp_path)
        with pytest.raises(UsageError, match="filled from other data"):
            self.fill(root, tmp_path, seed=1)

    def test_nothing_usable(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no item of the source can be used"):
            self.fill(root, tmp_path, items=1, fps=1.0)


def test_a_share_without_a_meaning_is_refused() -> None:
    with pytest.raises(UsageError, match="no share 'triples'"):
        SpritesSource(seed=1, triples=0.5)
