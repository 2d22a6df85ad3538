"""The two autoencoders behind one face: moments of a clip, and pixels of unscaled latents, tile by tile in time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.errors import UsageError, brief, unknown
from nova_eval.nova.vae_blocks import CONVOLUTIONS, CausalConv3d, Decoder, Downsample, Encoder, Upsample, per_frame

IMAGE, VIDEO = "AutoencoderKL", "AutoencoderKLOpenSora"
PIXEL_TILE, LATENT_TILE = 17, 5  # frames of one temporal tile; neighbours share one

# Names of attention layers in files older than diffusers 0.18.
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class Window(NamedTuple):
    """Frames ``start`` to ``stop`` of a clip. Beyond the clip's end stand copies of its last frame."""

    start: int
    stop: int


def encoder_windows(frames: int, stride: int) -> list[Window]:
    """Temporal tiles of a clip of ``frames`` pixel frames. Every tile but the first gives up its first latent frame.

    Full tiles are the reference's. It loses what follows the last full tile, and up to ``stride − 1`` frames at the end
    of a single tile; here one more tile, filled up to a whole latent frame, covers them.
    """
    windows = _full_windows(frames, PIXEL_TILE)
    covered = windows[-1].start + (windows[-1].stop - 1 - windows[-1].start) // stride * stride
    if covered < frames - 1:
        windows.append(Window(covered, covered + 1 + -(-(frames - 1 - covered) // stride) * stride))
    return windows


def decoder_windows(frames: int) -> list[Window]:
    """Temporal tiles of ``frames`` latent frames; every tile but the first gives up its first pixel frame.

    The reference loses latent frames beyond the last full tile; here a shorter tile decodes them.
    """
    windows = _full_windows(frames, LATENT_TILE)
    covered = windows[-1].stop - 1
    return windows if covered == frames - 1 else [*windows, Window(covered, frames)]


def _full_windows(frames: int, tile: int) -> list[Window]:
    if frames <= tile:
        return [Window(0, frames)]
    return [Window(start, start + tile) for start in range(0, frames - tile + 1, tile - 1)]


_Channels = Annotated[int, Field(gt=0, le=1 << 16)]


class _Config(TypedDict, total=False):
    """What is read of a ``vae/config.json``."""

    _class_name: str
    act_fn: str
    block_out_channels: Annotated[list[_Channels], Field(min_length=1, max_length=16)]
    down_block_types: list[str]
    up_block_types: list[str]
    layers_per_block: Annotated[int, Field(gt=0, le=100)]
    norm_num_groups: _Channels
    latent_channels: _Channels
    in_channels: _Channels
    out_channels: _Channels


class Network(Protocol):
    """What differs between the autoencoders. ``module`` holds the weights under their published names."""

    module: nn.Module
    latent_channels: int
    encoder_stride: int
    decoder_stride: int
    spatial_stride: int

    def moments(self, clip: Tensor) -> Tensor:
        """(1, 3, T, H, W) → (1, 2C, t, h, w) mean and log-variance, or (1, C, t, h, w) where there is no variance."""
        ...

    def pixels(self, latents: Tensor) -> Iterator[Tensor]:
        """Unscaled (1, C, t, h, w) → the clip (1, 3, T, H, W) in pieces along time."""
        ...


class CausalNetwork:
    """``AutoencoderKLOpenSora``: its config decides which blocks are 3D, and with them the temporal strides."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        widths: Sequence[int] = config.get("block_out_channels", (128, 256, 512, 512))
        depth, groups = int(config.get("layers_per_block", 2)), int(config.get("norm_num_groups", 32))
        down, up = (_kinds(config, key, default, len(widths)) for key, default in _DEFAULT_KINDS.items())
        _require_silu(config)
        if uneven := [width for width in widths if width % groups]:
            raise UsageError(f"vae: {uneven[0]} channels cannot be normalised in {groups} groups")
        self.latent_channels = channels = int(config.get("latent_channels", 16))
        self.spatial_stride = 2 ** (len(widths) - 1)
        shape: dict[str, Any] = {"widths": widths, "depth": depth, "groups": groups}
        decoder = Decoder(channels, int(config.get("out_channels", 3)), kinds=up, **shape)
        encoder = Encoder(int(config.get("in_channels", 3)), 2 * channels, kinds=down, **shape)
        module = nn.Module()
        module.encoder, module.decoder = encoder, decoder
        for name, width in (("quant_conv", 2 * channels), ("post_quant_conv", channels)):
            pointwise = decoder.conv(width, width, 1) if config.get(f"use_{name}", True) else nn.Identity()
            setattr(module, name, pointwise)
        self.module, self._encoder, self._decoder = module, encoder, decoder
        self._each_frame = decoder.conv is nn.Conv2d
        halvings = sum(isinstance(m, Downsample) and isinstance(m.conv, CausalConv3d) for m in encoder.modules())
        doublings = sum(isinstance(m, Upsample) and m.in_time for m in decoder.modules())
        self.encoder_stride, self.decoder_stride = 2**halvings, 2**doublings

    def _pointwise(self, name: str, x: Tensor) -> Tensor:
        layer: nn.Module = getattr(self.module, name)
        return per_frame(layer, x) if self._each_frame else layer(x)

    def moments(self, clip: Tensor) -> Tensor:
        parts: list[Tensor] = []
        for start, stop in encoder_windows(clip.shape[2], self.encoder_stride):
            tile = clip[:, :, start:stop]
            if (lacking := stop - start - tile.shape[2]) > 0:
                tile = torch.cat([tile, tile[:, :, -1:].expand(-1, -1, lacking, -1, -1)], dim=2)
            part = self._pointwise("quant_conv", self._encoder(tile))
            parts.append(part[:, :, 1:] if parts else part)
        return torch.cat(parts, dim=2)

    def pixels(self, latents: Tensor) -> Iterator[Tensor]:
        for start, stop in decoder_windows(latents.shape[2]):
            part = self._decoder(self._pointwise("post_quant_conv", latents[:, :, start:stop]))
            yield part[:, :, 1:] if start else part


class FrameNetwork:
    """``AutoencoderKL`` hosted by diffusers, every frame alone. ``double_z: false``: an encoder without variance."""

    encoder_stride = decoder_stride = 1

    def __init__(self, config: Mapping[str, Any]) -> None:
        from diffusers import AutoencoderKL

        accepted = inspect.signature(AutoencoderKL.__init__).parameters.keys() - {"self"}
        known = {key: value for key, value in config.items() if key in accepted}
        _require_silu(config)
        try:
            host = AutoencoderKL(**known)
        except Exception as error:  # the host takes what it is given as it comes
            raise UsageError(f"vae: diffusers builds no AutoencoderKL from this config.json: {brief(error)}") from error
        self.latent_channels = channels = host.config.latent_channels
        self.spatial_stride = 2 ** (len(host.config.block_out_channels) - 1)
        if not config.get("double_z", True):
            host.encoder.conv_out = nn.Conv2d(host.encoder.conv_out.in_channels, channels, 3, padding=1)
            if host.quant_conv is not None:
                host.quant_conv = nn.Conv2d(channels, channels, 1)
        self.module: nn.Module = host

    def moments(self, clip: Tensor) -> Tensor:
        host: Any = self.module
        frames = [host.encoder(frame) for frame in clip.unbind(dim=2)]
        return torch.stack(frames if host.quant_conv is None else [host.quant_conv(frame) for frame in frames], dim=2)

    def pixels(self, latents: Tensor) -> Iterator[Tensor]:
        host: Any = self.module
        for frame in latents.unbind(dim=2):
            yield host.decoder(frame if host.post_quant_conv is None else host.post_quant_conv(frame))[:, :, None]


_DEFAULT_KINDS = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}


def build_network(config: Mapping[str, Any]) -> Network:
    """The network that ``config`` (a ``vae/config.json``) describes, its weights on the meta device."""
    reading.typed(dict(config), "vae/config.json", _Config)
    name = str(config.get("_class_name", ""))
    if name not in (IMAGE, VIDEO):
        raise unknown("autoencoder class", name, (IMAGE, VIDEO))
    with torch.device("meta"):
        return FrameNetwork(config) if name == IMAGE else CausalNetwork(config)


def current_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under today's names; older files call the projections of attention ``query``, ``key`` … ."""
    renamed = {}
    for name, tensor in weights.items():
        *path, layer, leaf = name.split(".")
        if "attentions" in path and layer in _OLD_NAMES:
            matrix = tensor[:, :, 0, 0] if tensor.ndim == 4 else tensor  # some stored them as 1×1 convolutions
            renamed[".".join([*path, _OLD_NAMES[layer], leaf])] = matrix
        else:
            renamed[name] = tensor
    return renamed


def _kinds(config: Mapping[str, Any], key: str, default: str, count: int) -> list[str]:
    prefix = default.removesuffix("2D")
    kinds = list(config.get(key, [default] * count))
    for kind in kinds:
        if kind not in CONVOLUTIONS or not kind.startswith(prefix):
            raise unknown(f"block in {key} of the vae", kind, [k for k in CONVOLUTIONS if k.startswith(prefix)])
    if len(kinds) != count:
        raise UsageError(f"vae: {len(kinds)} {key} for {count} block_out_channels", remedy="give one block a width")
    return kinds


def _require_silu(config: Mapping[str, Any]) -> None:
    if config.get("act_fn", "silu") not in ("silu", "swish"):
        raise UsageError(
            f"vae: act_fn {config['act_fn']!r} is not built in", remedy="the published networks use 'silu'"
        )
