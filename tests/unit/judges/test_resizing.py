"""Frames are shrunk as torchvision and Pillow shrink them, overshoot and rounding included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from PIL import Image
from torchvision.transforms import InterpolationMode

from nova_eval.errors import UsageError
from nova_eval.judges import clip, dino, musiq
from nova_eval.judges.resizing import as_floats, centre_crop, inside, replicate_pad, short_side_to, shrink

from networks import clip_of, largest  # isort: skip

NOISE = np.random.default_rng(0).integers(0, 256, (2, 90, 131, 3), dtype=np.uint8)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SHAPES = [(90, 131), (131, 90), (224, 300), (300, 224), (100, 100), (480, 768)]


@pytest.mark.parametrize(("height", "width"), SHAPES)
class TestAgainstTorchvision:
    def test_floats_for_dino(self, height: int, width: int) -> None:
        frames = clip_of(1, height, width)
        resize = T.Resize(224, InterpolationMode.BILINEAR, antialias=False)
        wanted = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(resize(as_floats(frames)) / 255.0)
        found = dino.preprocess(frames)
        assert found.shape == wanted.shape
        assert largest(found, wanted) < 1e-6

    def test_floats_for_clip(self, height: int, width: int) -> None:
        frames = clip_of(1, height, width)
        resize = T.Compose([T.Resize(224, InterpolationMode.BICUBIC, antialias=False), T.CenterCrop(224)])
        wanted = T.Normalize(MEAN, STD)(resize(as_floats(frames)) / 255.0)
        assert largest(clip.preprocess(frames), wanted) < 1e-6

    def test_pictures_for_clip(self, height: int, width: int) -> None:
        frames = clip_of(1, height, width)
        resize = T.Compose([T.Resize(224, InterpolationMode.BICUBIC), T.CenterCrop(224), T.ToTensor()])
        wanted = T.Normalize(MEAN, STD)(resize(Image.fromarray(frames[0])))
        assert largest(clip.preprocess(frames, "pil")[0], wanted) < 1e-6

    def test_floats_for_musiq(self, height: int, width: int) -> None:
        frames = clip_of(1, height, width)
        wanted = as_floats(frames)
        if max(height, width) > 512:
            scale = 512.0 / max(height, width)
            wanted = T.Resize((int(scale * height), int(scale * width)), antialias=False)(wanted)
        assert largest(musiq.preprocess(frames), wanted / 255.0) < 1e-6


class TestThreeWaysGiveThreeResults:
    def test_floats_overshoot_pictures_do_not(self) -> None:
        loose, rounded = (shrink(NOISE, 64, "bicubic", kind) for kind in ("tensor", "pil"))
        assert loose.min() < 0
        assert loose.max() > 255
        assert rounded.min() >= 0
        assert torch.equal(rounded, rounded.round())

    def test_an_unknown_way_is_refused(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'pil'"):
            shrink(NOISE, 64, "bicubic", "pill")  # type: ignore[arg-type]


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "wanted"),
        [((480, 720), (224, 336)), ((480, 848), (224, 395)), ((768, 1360), (224, 396)), ((768, 480), (358, 224))],
    )
    def test_the_longer_side_is_truncated(self, size: tuple[int, int], wanted: tuple[int, int]) -> None:
        assert short_side_to(*size, 224) == wanted

    def test_crops_round_half_to_even(self) -> None:
        columns = torch.arange(229.0).expand(1, 3, 224, 229)
        assert centre_crop(columns, 224)[0, 0, 0, 0] == 2
        assert centre_crop(torch.arange(227.0).expand(1, 3, 224, 227), 224)[0, 0, 0, 0] == 2

    @pytest.mark.parametrize("height", [127, 128, 133])
    def test_padding_repeats_the_border_around_the_image(self, height: int) -> None:
        images = as_floats(clip_of(1, height, 171))
        padded = replicate_pad(images, 8)
        rows, columns = inside(height, 171, 8)
        assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0
        assert torch.equal(padded[..., rows, columns], images)
        assert torch.equal(padded[..., 0, columns], images[..., 0, :])
        assert columns.start == 2
        assert padded.shape[-1] - columns.stop == 3
