"""Variational autoencoders of NOVA: pixels in [−1, 1] ↔ scaled latents, images and videos alike.

``AutoencoderKL`` is hosted by diffusers and works frame by frame; ``AutoencoderKLOpenSora`` is the causal video
autoencoder of ``vae_blocks``, which goes through long clips in overlapping temporal tiles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.vae_networks import Network, build_network, current_names
from nova_eval.nova.weight_files import fill, read_weights

_WEIGHTS = "diffusion_pytorch_model.safetensors"

Generators = torch.Generator | Sequence[torch.Generator]


class VideoVAE(Protocol):
    """An autoencoder of clips. Nothing in it records gradients, and no sample depends on its neighbours in the batch.

    Latents are scaled: ``(z − shift_factor) · scaling_factor``. ``temporal_stride`` is 1 (frames alone) or 4.
    """

    latent_channels: int
    temporal_stride: int
    spatial_stride: int
    scaling_factor: float
    shift_factor: float

    @property
    def config(self) -> Mapping[str, Any]:
        """What ``vae/config.json`` says."""
        ...

    def encode(self, pixels: Tensor, generator: Generators) -> Tensor:
        """(B, 3, T, H, W) in [−1, 1] → (B, C, t, h, w), sampled from the posterior.

        One normal draw in float32, of the whole latent shape from one generator, or of (C, t, h, w) from each
        sample's own in a sequence. Nothing is drawn where the network has no variance (``double_z: false``).
        """
        ...

    def encode_mode(self, pixels: Tensor) -> Tensor:
        """(B, 3, T, H, W) in [−1, 1] → (B, C, t, h, w), the posterior's mean."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, t, h, w) → (B, 3, ``pixel_frames(t)``, H, W), about [−1, 1] but not clamped."""
        ...

    def decode_tiles(self, latents: Tensor) -> Iterator[Tensor]:
        """The clip of one sample (1, C, t, h, w), piece after piece in time."""
        ...

    def latent_frames(self, frames: int) -> int:
        """Latent frames of a clip of ``frames`` pixel frames."""
        ...

    def pixel_frames(self, frames: int) -> int:
        """Pixel frames of ``frames`` latent frames."""
        ...

    def to(self, *, device: str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Moves the weights and returns itself."""
        ...


def load_vae(folder: Path, *, dtype: torch.dtype, device: str) -> VideoVAE:
    """The autoencoder in a checkpoint's ``vae/``.

    PrerequisiteError when files are missing or unreadable, UsageError when weights and ``config.json`` disagree.
    """
    file = folder / "config.json"
    config = reading.json_file(file, dict[str, Any], error=PrerequisiteError, remedy="point at a checkpoint's vae/")
    network = build_network(config)
    fill(network.module, current_names(read_weights(folder)), folder, dtype)
    return _Autoencoder(network, config).to(device=device)


def build_vae(config: Mapping[str, Any], seed: int) -> VideoVAE:
    """The autoencoder that ``config`` describes, in float32 on the CPU, its random weights fixed by ``seed``."""
    network = build_network(config)
    generator = torch.Generator().manual_seed(seed)
    network.module.to_empty(device="cpu")
    with torch.no_grad():
        for module in network.module.modules():
            if isinstance(module, nn.GroupNorm):
                module.weight.fill_(1)
                module.bias.fill_(0)
            elif isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
                assert module.bias is not None
                module.bias.fill_(0)
    return _Autoencoder(network, config)


def save_vae(vae: VideoVAE, folder: Path) -> None:
    """Writes ``config.json`` and the weights in the official form; ``load_vae`` reads them back bit for bit."""
    from safetensors.torch import save_file

    assert isinstance(vae, _Autoencoder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.cpu().contiguous() for name, tensor in vae.network.module.state_dict().items()}
    save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})
    files.write(folder / "config.json", json.dumps(dict(vae.config), indent=2, sort_keys=True) + "\n")


def to_uint8(pixels: Tensor) -> Tensor:
    """(B, 3, T, H, W) in [−1, 1] → uint8 (B, T, H, W, 3): 127.5·x + 127.5, clamped, truncated.

    UsageError where a pixel is NaN: the network overflowed.
    """
    if torch.isnan(pixels).any():
        raise UsageError(f"the autoencoder overflowed in {pixels.dtype}", remedy="decode in bfloat16 or float32")
    return pixels.permute(0, 2, 3, 4, 1).float().mul(127.5).add_(127.5).clamp_(0, 255).to(torch.uint8)


class _Scale(TypedDict, total=False):
    scaling_factor: float | None
    shift_factor: float | None


class _Autoencoder:
    """A VideoVAE around one of the networks."""

    def __init__(self, network: Network, config: Mapping[str, Any]) -> None:
        self.network = network
        self.config: Mapping[str, Any] = dict(config)
        self.latent_channels = network.latent_channels
        self.temporal_stride, self.spatial_stride = network.decoder_stride, network.spatial_stride
        told = reading.typed(dict(config), "vae/config.json", _Scale)
        self.scaling_factor = told.get("scaling_factor") or 0.18215
        self.shift_factor = told.get("shift_factor") or 0.0
        network.module.requires_grad_(False).eval()

    def to(self, *, device: str | None = None, dtype: torch.dtype | None = None) -> Self:
        nn.Module.to(self.network.module, device=device, dtype=dtype)  # diffusers' own version talks
        return self

    @property
    def _weight(self) -> Tensor:
        return next(self.network.module.parameters())

    @torch.no_grad()
    def _posterior(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and standard deviation in float32; None where the encoder gives the mean only."""
        if pixels.ndim != 5 or pixels.shape[3] % self.spatial_stride or pixels.shape[4] % self.spatial_stride:
            raise UsageError(
                f"cannot encode pixels of shape {tuple(pixels.shape)}",
                remedy=f"give (B, 3, T, H, W) with H and W multiples of {self.spatial_stride}",
            )
        moments = torch.cat([self.network.moments(clip) for clip in pixels.to(self._weight).chunk(len(pixels))]).float()
        if moments.shape[1] == self.latent_channels:
            return moments, None
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20).mul(0.5).exp()

    def _scaled(self, z: Tensor) -> Tensor:
        z = z.to(self._weight.dtype)
        return (z - self.shift_factor) * self.scaling_factor if self.shift_factor else z * self.scaling_factor

    def encode(self, pixels: Tensor, generator: Generators) -> Tensor:
        mean, deviation = self._posterior(pixels)
        if deviation is None:
            return self._scaled(mean)
        if isinstance(generator, torch.Generator):
            noise = torch.randn(mean.shape, generator=generator, device=generator.device)
        else:
            if len(generator) != len(mean):
                raise UsageError(f"{len(generator)} generators for {len(mean)} clips", remedy="give one a clip")
            noise = torch.stack([torch.randn(mean.shape[1:], generator=own, device=own.device) for own in generator])
        return self._scaled(noise.to(mean.device).mul_(deviation).add_(mean))

    def encode_mode(self, pixels: Tensor) -> Tensor:
        return self._scaled(self._posterior(pixels)[0])

    def decode(self, latents: Tensor) -> Tensor:
        return torch.cat([torch.cat(list(self.decode_tiles(clip)), dim=2) for clip in latents.chunk(len(latents))])

    @torch.no_grad()
    def decode_tiles(self, latents: Tensor) -> Iterator[Tensor]:
        if latents.ndim != 5 or latents.shape[:2] != (1, self.latent_channels):
            raise UsageError(
                f"cannot decode latents of shape {tuple(latents.shape)}",
                remedy=f"give (1, {self.latent_channels}, t, h, w)",
            )
        z = latents.to(self._weight) * (1 / self.scaling_factor)
        yield from self.network.pixels(z + self.shift_factor if self.shift_factor else z)

    def latent_frames(self, frames: int) -> int:
        return -(-(frames - 1) // self.network.encoder_stride) + 1

    def pixel_frames(self, frames: int) -> int:
        return self.temporal_stride * (frames - 1) + 1
