"""A checkpoint sampled on a GPU that is not there: text, sampling and decoding lie on one device, in one format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError

from nova_eval import environment
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import build_vae, to_uint8
from nova_eval.protocols import Frames

from fake_cuda import MIXED, fake_cuda  # isort: skip
from nova_checkpoints import IMAGE_VAE, VIDEO, VIDEO_VAE, write_checkpoint  # isort: skip

CALLS: dict[str, dict[str, Any]] = {
    "image": {},
    "no guidance": {"guidance_scale": 1.0},
    "video": {"latent_frames": 2, "motion_flow": 5.0},
    "renormalised": {"latent_frames": 2, "guidance_renorm": 0.5},
    "from an image": {"latent_frames": 2, "image": np.zeros((32, 64, 3), np.uint8)},
    "extrapolated": {"latent_frames": 2, "total_latent_frames": 3, "overlap": 1},
}


def generate(pipe: NovaPipeline, **settings: Any) -> Any:
    asked = {"ar_steps": 2, "diffusion_steps": 2, "guidance_scale": 3.0, "batch_size": 1, **settings}
    return pipe.to("cuda").generate(["a red fox"], [1], **asked)


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        pytest.param("renormalised", "float16"),
        *(pytest.param(call, "float32", marks=pytest.mark.slow) for call in CALLS),
    ],
)
def test_a_checkpoint_samples_on_its_device(
    call: str, dtype: str, video_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tf32: list[tuple[bool, bool]] = []
    own = NovaPipeline._pixels

    def pixels(pipe: NovaPipeline, latents: torch.Tensor) -> Frames:
        tf32.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return own(pipe, latents)

    monkeypatch.setattr(NovaPipeline, "_pixels", pixels)
    pipe = NovaPipeline.from_pretrained(video_checkpoint, device="cpu", dtype=dtype)
    with fake_cuda(), environment.arithmetic(tf32=False):
        clips = generate(pipe, **CALLS[call])
    assert [clip.dtype for clip in clips] == [np.uint8]
    assert tf32 == [(True, False)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loading", "threads"),
    [({"draw_on_device": True}, 1), ({"compile": True}, 1), ({}, 2)],
    ids=["noise drawn there", "recorded", "noise drawn by threads"],
)
def test_other_ways_of_sampling_compute_on_the_device(
    loading: dict[str, bool], threads: int, video_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[str] = set()
    own = SeededDraws.normal

    def normal(draws: SeededDraws, times: int, shape: Sequence[int]) -> torch.Tensor:
        found = own(draws, times, shape)
        drawn.add(found.device.type)
        return found

    monkeypatch.setattr(SeededDraws, "normal", normal)
    monkeypatch.setattr("os.cpu_count", lambda: threads)
    pipe = NovaPipeline.from_pretrained(video_checkpoint, device="cpu", dtype="float16", **loading)
    with fake_cuda():
        asked = {"ar_steps": 2, "diffusion_steps": 2, "guidance_scale": 3.0, "latent_frames": 2}
        clips = pipe.to("cuda").generate(["a red fox", "a cat"], [1, 2], batch_size=2, **asked)
    assert len(clips) == 2
    assert drawn == {"cuda" if pipe.draw_on_device else "cpu"}


@pytest.mark.slow
def test_rotary_positions_lie_on_the_device(tmp_path: Path) -> None:
    rotary = write_checkpoint(tmp_path / "rotary", replace(VIDEO, rotary_pos_embed=True), VIDEO_VAE)
    pipe = NovaPipeline.from_pretrained(rotary, device="cpu", dtype="float16")
    with fake_cuda():
        [clip] = generate(pipe, latent_frames=2)
    assert len(clip) == 5


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("config", [IMAGE_VAE, VIDEO_VAE], ids=["frames", "video"])
def test_an_autoencoder_computes_on_its_device(config: dict[str, Any], dtype: torch.dtype) -> None:
    vae = build_vae(config, seed=0)
    with fake_cuda():
        there = vae.to(device="cuda", dtype=dtype)
        pixels = torch.zeros(2, 3, 5, 16, 16, device="cuda")
        latents = there.encode(pixels, [torch.Generator() for _ in range(2)])
        assert there.encode_mode(pixels).device == latents.device == torch.device("cuda:0")
        assert to_uint8(there.decode(latents)).device.type == "cuda"


def test_a_table_left_on_the_cpu_is_noticed(video_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = NovaTransformer.spatial_positions
    monkeypatch.setattr(NovaTransformer, "spatial_positions", lambda model, grid: own(model, grid).cpu())
    pipe = NovaPipeline.from_pretrained(video_checkpoint, device="cpu")
    with fake_cuda(), pytest.raises(FakeTensorDeviceMismatchError, match=MIXED):
        generate(pipe)


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        (lambda: torch.zeros(3)[torch.zeros(2, dtype=torch.long, device="cuda")], MIXED),
        (lambda: torch.zeros(2, 2, device="cuda") @ torch.zeros(2, 2), MIXED),
        (lambda: torch.zeros(2, 2).half() @ torch.zeros(2, 2), "expected one format"),
        (lambda: torch.zeros(2, 2, device="cuda").numpy(), "device type tensor to numpy"),
    ],
)
def test_what_a_gpu_would_refuse_raises(mixture: Callable[[], Any], said: str) -> None:
    with fake_cuda(), pytest.raises((RuntimeError, TypeError), match=said):
        mixture()
