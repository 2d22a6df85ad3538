"""What a NOVA transformer is: the values of ``transformer/config.json`` and the shapes that follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from nova_eval import reading
from nova_eval.errors import UsageError, unknown

CLASS_NAME = "NOVATransformer3DModel"
TEXT_TABLE_ROWS = 512

_ARCH = re.compile(r"(vit|mlp)_d([0-9]{1,3})w([0-9]{1,5})")
_LARGEST = 1 << 16
_HEADS = {768: 12, 1024: 16, 1536: 16}


class Stack(NamedTuple):
    """One stack of blocks, written ``vit_d{depth}w{width}`` or ``mlp_d{depth}w{width}``."""

    kind: str
    depth: int
    width: int

    @classmethod
    def parse(cls, name: str, kind: str) -> Stack:
        match = _ARCH.fullmatch(name)
        if match is None or match[1] != kind or not int(match[2]) or not int(match[3]):
            raise UsageError(f"arch {name[:80]!r} is not a {kind} stack", remedy=f"write {kind}_d<depth>w<width>")
        return cls(kind, int(match[2]), int(match[3]))

    @property
    def heads(self) -> int:
        """Attention heads; 64 channels each except at width 1536 (96)."""
        return _HEADS.get(self.width, self.width // 64)


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes are (height, width): ``image_size`` in pixels, the base sizes in tokens.

    ``image_base_size`` is the grid of the spatial stack, ``video_base_size`` (latent frames, rows, columns) that of the
    temporal encoder; both are derived from ``image_size`` when absent. ``video_mixer_rank`` is the rank of the
    scaling-and-shift layer: None for no layer, positive for low rank, negative for full rank.
    """

    arch: tuple[str, str, str]
    image_dim: int = 4
    image_size: tuple[int, int] = (512, 512)
    image_stride: int = 8
    text_token_dim: int = 2560
    text_token_len: int = 256
    image_base_size: tuple[int, int] = (0, 0)
    video_base_size: tuple[int, int, int] = (1, 0, 0)
    video_mixer_rank: int | None = None
    rotary_pos_embed: bool = False

    def __post_init__(self) -> None:
        for name in ("image_dim", "image_stride", "text_token_dim", "text_token_len"):
            if not 0 < getattr(self, name) <= _LARGEST:
                raise UsageError(f"{name} {getattr(self, name)} is not within 1 … {_LARGEST}")
        if max(*self.image_size, *self.image_base_size, *self.video_base_size) > _LARGEST:
            raise UsageError(f"a size of more than {_LARGEST}", remedy="sizes are in pixels and tokens")
        if min(*self.image_base_size, *self.video_base_size) < 0 or not self.video_base_size[0]:
            raise UsageError("a base size below 0", remedy="sizes are in tokens")
        if abs(self.video_mixer_rank or 0) > _LARGEST:
            raise UsageError(f"video_mixer_rank {self.video_mixer_rank} is not within ±{_LARGEST}")
        rows, columns = self.grid(*self.image_size)
        if not any(self.image_base_size):
            object.__setattr__(self, "image_base_size", (rows, columns))
        if not any(self.video_base_size[1:]):
            object.__setattr__(self, "video_base_size", (self.video_base_size[0], rows // 2, columns // 2))
        for stack in (self.temporal, self.spatial):
            if stack.width % (4 * max(stack.heads, 1)) or not stack.heads:
                raise UsageError(f"width {stack.width} of {self.arch} cannot be split into heads", remedy="use 64·n")
        if self.temporal.width != self.spatial.width:
            raise UsageError(
                f"temporal width {self.temporal.width} differs from spatial width {self.spatial.width}",
                remedy="both stacks share one width",
            )
        if self.spatial.depth % 2:
            raise UsageError(
                f"spatial depth {self.spatial.depth} is odd", remedy="encoder and decoder share it equally"
            )
        if self.text_token_len > TEXT_TABLE_ROWS:
            raise UsageError(f"text_token_len {self.text_token_len} exceeds the table's {TEXT_TABLE_ROWS} rows")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TransformerConfig:
        """From the mapping in ``config.json``; keys that start with ``_`` are notes of the writing library."""
        known = set(cls.__dataclass_fields__)
        given: dict[str, Any] = {}
        for key, value in values.items():
            if key.startswith("_"):
                continue
            if key not in known:
                raise unknown("transformer config key", key, known)
            if value is None and key != "video_mixer_rank":
                continue
            given[key] = tuple(value) if isinstance(value, list) else value
        if isinstance(given.get("image_size"), int):
            given["image_size"] = (given["image_size"],) * 2
        if values.get("text_token_dim", 0) is None:
            raise UsageError(
                "this transformer is class-conditional (text_token_dim is null)", remedy="use a text model"
            )
        if not isinstance(given.get("arch"), tuple) or len(given["arch"]) != 3:
            raise UsageError(
                f"arch {given.get('arch')!r} does not name three stacks", remedy="temporal, spatial, denoiser"
            )
        return reading.typed(given, "transformer/config.json", cls)

    def to_json(self) -> dict[str, Any]:
        """The mapping that ``from_json`` reads."""
        lists = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"_class_name": CLASS_NAME, **lists}

    @property
    def temporal(self) -> Stack:
        return Stack.parse(self.arch[0], "vit")

    @property
    def spatial(self) -> Stack:
        """Encoder (first half) and decoder (second half) in one stack."""
        return Stack.parse(self.arch[1], "vit")

    @property
    def denoiser(self) -> Stack:
        return Stack.parse(self.arch[2], "mlp")

    @property
    def patch(self) -> int:
        """Side of a spatial token in latent pixels; the temporal encoder's is twice that."""
        return 15 // self.image_stride + 1

    @property
    def token_dim(self) -> int:
        """Latent values in one spatial token."""
        return self.patch * self.patch * self.image_dim

    @property
    def has_motion(self) -> bool:
        """Whether (flow, fps) tokens follow the text: in models trained on video."""
        return self.video_base_size[0] > 1

    def latent_size(self, height: int, width: int) -> tuple[int, int]:
        """Latent rows and columns of an image of ``height`` × ``width`` pixels."""
        return height // self.image_stride, width // self.image_stride

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Spatial tokens (rows, columns) of an image of ``height`` × ``width`` pixels, or UsageError."""
        step = self.image_stride * self.patch * 2
        if height <= 0 or width <= 0 or height % step or width % step:
            near = tuple(max(step, round(side / step) * step) for side in (height, width))
            raise UsageError(
                f"size {height}x{width} is no multiple of {step}: stride {self.image_stride} × patch {2 * self.patch}",
                remedy=f"the nearest size is {near[0]}x{near[1]}",
            )
        return height // (self.image_stride * self.patch), width // (self.image_stride * self.patch)


def _image(width: int, side: int) -> TransformerConfig:
    vit = f"vit_d16w{width}", f"vit_d32w{width}"
    return TransformerConfig(arch=(*vit, f"mlp_d6w{width}"), image_size=(side, side))


# Shapes of the released family, for building without a checkpoint; a checkpoint's own config always wins.
RELEASED: dict[str, TransformerConfig] = {
    "nova-d48w768-sdxl1024": _image(768, 1024),
    "nova-d48w1024-sdxl1024": _image(1024, 1024),
    "nova-d48w1536-sdxl1024": _image(1536, 1024),
    "nova-d48w1024-sd512": _image(1024, 512),
    "nova-d48w1024-osp480": TransformerConfig(
        arch=("vit_d16w1024", "vit_d32w1024", "mlp_d3w1280"),
        image_size=(480, 768),
        video_base_size=(16, 15, 24),
    ),
}
