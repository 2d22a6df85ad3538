"""MUSIQ cuts what the published code cuts, and leaves out the padding that reaches no answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nova_eval.judges.musiq import MusiqSPAQ, hashed_positions, patches_of, preprocess, same_pad, scaled

from networks import clip_of, largest  # isort: skip


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "mode", "wanted"),
        [
            ((480, 768), "longer", (320, 512)),
            ((448, 784), "longer", (292, 511)),
            ((540, 960), "shorter", (512, 910)),
            ((540, 960), "shorter_centercrop", (512, 512)),
            ((400, 960), "shorter_centercrop", (400, 960)),
            ((768, 480), "None", (768, 480)),
            ((512, 300), "longer", (512, 300)),
        ],
    )
    def test_truncated_products(self, size: tuple[int, int], mode: str, wanted: tuple[int, int]) -> None:
        assert preprocess(clip_of(1, *size), mode).shape[-2:] == wanted  # type: ignore[arg-type]

    def test_a_truncated_side_is_padded_by_the_crop(self) -> None:
        images = preprocess(clip_of(1, 784, 900), "shorter_centercrop")  # shrinks to 511 rows
        assert images.shape[-2:] == (512, 512)
        assert images[..., -1, :].abs().max() == 0
        assert images[..., 0, :].abs().max() > 0

    def test_small_images_are_enlarged_for_the_smaller_versions(self) -> None:
        sizes = [version.shape[-2:] for version in scaled(torch.zeros(1, 3, 120, 160))]
        assert sizes == [(168, 224), (288, 384), (120, 160)]


class TestPatches:
    def test_rows_then_columns_zeros_around(self) -> None:
        image = torch.arange(1.0, 41 * 70 + 1).reshape(1, 1, 41, 70).expand(1, 3, 41, 70)
        patches, grid = patches_of(image)
        assert grid == (2, 3)
        assert patches.shape == (1, 6, 3, 32, 32)
        padded = same_pad(image, 32, 32)
        assert torch.equal(patches[0, 4], padded[0, :, 32:64, 32:64])

    def test_the_larger_half_of_the_padding_comes_last(self) -> None:
        padded = same_pad(torch.ones(1, 1, 32, 32), 7, 2)
        assert padded.shape == (1, 1, 37, 37)
        assert padded[0, 0, :, 5].tolist() == [0.0] * 2 + [1.0] * 32 + [0.0] * 3

    def test_places_are_the_nearest_of_a_ten_by_ten_grid(self) -> None:
        assert hashed_positions(2, 4).tolist() == [0, 2, 5, 7, 50, 52, 55, 57]
        assert hashed_positions(20, 1)[:4].tolist() == [0, 0, 10, 10]


def test_masked_padding_would_not_change_the_answer(musiq_file: Path) -> None:
    """The published form, filled up to 49 and 144 patches with a mask, gives the same class token."""
    network = MusiqSPAQ(musiq_file)._hosted.network
    images = preprocess(clip_of(1, 120, 160))
    patches, places, scales, seen = [], [], [], []
    for scale, (version, length) in enumerate(zip(scaled((images - 0.5) * 2), (49, 144, None), strict=True)):
        cut, grid = patches_of(version)
        count = cut.shape[1]
        fill = (length or count) - count
        patches.append(F.pad(cut, (0, 0, 0, 0, 0, 0, 0, fill)))
        places.append(F.pad(hashed_positions(*grid), (0, fill)))
        scales.append(torch.full((count + fill,), scale))
        seen.append(torch.arange(count + fill) < count)
    mask = torch.cat([torch.tensor([True]), *seen]).float()
    allowed = mask[:, None] * mask[None, :]
    encoder = network.transformer_encoder
    with torch.inference_mode():
        tokens = network.stem(torch.cat(patches, dim=1)[0])
        x = tokens + encoder.posembed_input.position_emb[0, torch.cat(places)]
        x = torch.cat([encoder.cls, (x + encoder.scaleembed_input.scale_emb[torch.cat(scales)])[None]], dim=1)
        for block in encoder.transformer.values():
            y, attention = block.norm1(x), block.attention
            q, k, v = (
                layer(y).reshape(1, -1, 6, 64).transpose(1, 2)
                for layer in (attention.query, attention.key, attention.value)
            )
            logits = (q @ k.transpose(-2, -1) / 8).masked_fill(allowed == 0, -1e3)
            x = x + attention.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
            x = x + block.mlp(block.norm2(x))
        published = encoder.encoder_norm(x[:, 0])
        assert largest(network(images), published) < 1e-5
