"""DINO keeps the aspect ratio and resamples its positions in its own way."""

from __future__ import annotations

from pathlib import Path

import torch

from nova_eval.judges.dino import DinoViTB16, class_tokens, positions, preprocess

from networks import clip_of, largest  # isort: skip


class TestPositions:
    TABLE = torch.arange(197.0).reshape(1, 197, 1)

    def test_a_square_of_224_keeps_the_table(self) -> None:
        assert positions(self.TABLE, 224, 224) is self.TABLE

    def test_other_sizes_are_sampled_by_the_published_factor(self) -> None:
        found = positions(self.TABLE, 224, 358)
        assert found.shape == (1, 1 + 14 * 22, 1)
        assert found[0, 0] == 0
        grid = self.TABLE[:, 1:].reshape(1, 1, 14, 14)
        by_size = torch.nn.functional.interpolate(grid, (14, 22), mode="bicubic").flatten()
        assert 1e-3 < largest(found[0, 1:, 0], by_size) < 2.0  # the added 0.1 shifts every place

    def test_the_same_count_of_patches_in_another_shape_is_resampled(self) -> None:
        assert not torch.equal(positions(self.TABLE, 112, 448), self.TABLE)


class TestFrames:
    def test_nothing_is_cropped(self) -> None:
        assert preprocess(clip_of(1, 480, 768)).shape == (1, 3, 224, 358)
        assert preprocess(clip_of(1, 320, 256)).shape == (1, 3, 280, 224)

    def test_pixels_beyond_whole_patches_are_not_seen(self, dino_file: Path) -> None:
        network = DinoViTB16(dino_file)._hosted.network
        images = torch.randn(1, 3, 64, 92, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert largest(class_tokens(network, images), class_tokens(network, images[..., :80])) == 0
