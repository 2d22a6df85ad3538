"""UMT and ViCLIP: pixels, positions, tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.judges import umt, viclip


def noise(frames: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)


# --- UMT ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(240, 320), (320, 240), (480, 853), (256, 256), (100, 300)])
def test_umt_sees_the_centre_of_a_frame_whose_short_side_is_256(height: int, width: int) -> None:
    assert umt.preprocess(noise(2, height, width)).shape == (3, 2, 224, 224)


def test_umt_does_not_touch_frames_that_have_the_size() -> None:
    frames = noise(1, 256, 301)
    left = round((301 - 224) / 2)
    expected = (frames[0, 16:240, left : left + 224] / 255 - umt.IMAGENET_MEAN) / np.array(umt.IMAGENET_STD)
    np.testing.assert_allclose(umt.preprocess(frames)[:, 0].permute(1, 2, 0), expected, atol=1e-6)


def test_umt_positions_are_a_sinusoid_stretched_in_time() -> None:
    own = umt.sinusoid_positions(8, 14, 1024)
    assert own.shape == (1, 8 * 196, 1024)
    assert own[0, 13, :2].tolist() == pytest.approx([np.sin(13), np.cos(13)], abs=1e-6)
    stretched = umt.sinusoid_positions(16, 14, 1024)
    mixed = 0.75 * own[0, 5] + 0.25 * own[0, 196 + 5]
    assert stretched.shape == (1, 3136, 1024)
    torch.testing.assert_close(stretched[0, 196 + 5], mixed, atol=1e-6, rtol=0)


def test_umt_names_are_the_400_of_kinetics() -> None:
    names = umt.kinetics_400()
    assert len(names) == len(set(names)) == 400
    assert names[114] == "sneezing"


# --- ViCLIP ---------------------------------------------------------------------------------------------------------


def test_viclip_resizes_without_antialias_and_rounds() -> None:
    frames = noise(1, 448, 672)
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(x, size=(224, 336), mode="bicubic").clamp(0, 255).round()
    expected = (resized[..., 56:280] / 255 - torch.tensor(viclip.CLIP_MEAN).view(3, 1, 1)) / torch.tensor(
        viclip.CLIP_STD
    ).view(3, 1, 1)
    torch.testing.assert_close(viclip.preprocess(frames), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(768, 480), (225, 224), (300, 1000)])
def test_viclip_sees_squares(height: int, width: int) -> None:
    assert viclip.preprocess(noise(2, height, width)).shape == (2, 3, 224, 224)


def test_viclip_cuts_a_text_to_32_ids_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "unread").write_bytes(b"")
    judge = viclip.ViCLIP(tmp_path / "unread")
    start, end = 49406, 49407
    short, long = judge.token_ids("A  Cat &amp; dog").tolist(), judge.token_ids("cat " * 40).tolist()
    assert short == judge.token_ids("a cat & dog").tolist()
    assert short[0] == start
    assert short[5:] == [end, *[0] * 26]
    assert len(long) == 32
    assert (long[0], long[-1]) == (start, end)
    assert judge.token_ids("cat " * 40 + "red").tolist() == long


def test_viclip_orders_frames_by_their_temporal_positions_only() -> None:
    torch.manual_seed(0)
    encoder = viclip.VideoEncoder(width=64, depth=2, heads=4, patch=56, out=16).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    clip = torch.linspace(-1, 1, 8).view(1, 1, 8, 1, 1).expand(1, 3, 8, 224, 224)  # darker to brighter
    with torch.inference_mode():
        encoder.temporal_positional_embedding.mul_(20)
        assert not torch.allclose(encoder(clip), encoder(clip.flip(2)), atol=1e-3, rtol=0)
        encoder.temporal_positional_embedding.zero_()
        torch.testing.assert_close(encoder(clip), encoder(clip.flip(2)), atol=1e-4, rtol=1e-4)


def test_viclip_reads_a_text_up_to_its_end() -> None:
    torch.manual_seed(0)
    tower = viclip.TextTower(width=32, depth=2, heads=4, words=64).eval()
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ids = torch.zeros(1, 32, dtype=torch.long)
    ids[0, :4] = torch.tensor([62, 7, 8, 63])
    behind = ids.clone()
    behind[0, 4:] = 9
    before = ids.clone()
    before[0, 2] = 9
    with torch.inference_mode():
        torch.testing.assert_close(tower(behind), tower(ids))
        assert not torch.allclose(tower(before), tower(ids), atol=1e-4)
