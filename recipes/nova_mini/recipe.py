"""The facts of nova-mini's recipe: its parts in order, its autoencoder's phases, and how much is done of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from nova_eval.nova.training.config import TrainConfig, load_config
from recipes.nova_mini.autoencoder import AutoencoderRecipe, MotionRecipe

PARTS = (
    "t2i", "t2i_long", "simple", "t2i_context", "t2i_last",
    "t2v", "t2i_pairs", "t2i_more", "t2v_long", "t2v_motion", "t2v_flow", "t2v_mode", "t2v_calm",
)  # fmt: skip
"""Each starts with the weights of the one before."""
EARLY_PARTS = ("early", "early_pairs", "early_calm")
"""The first starts with weights of the first part, ``Effort.early_image_steps`` old."""
SHARED_BATCHES = frozenset(
    {
        "t2i_last", "t2v", "t2i_pairs", "t2i_more", "t2v_long", "t2v_motion", "t2v_flow", "t2v_calm",
        "early_pairs", "early_calm",
    }
)  # fmt: skip
"""Parts of the packaged model of which two processes shared each batch."""


def training_file(part: str) -> Path:
    """The file that `train` takes."""
    return Path(__file__).with_name("parts") / f"{part}.toml"


AUTOENCODER: dict[str, Any] = {
    "_class_name": "AutoencoderKLOpenSora",
    "act_fn": "silu",
    "block_out_channels": [8, 16, 32, 64],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 12,
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock3D", "DownEncoderBlock3D"],
    "up_block_types": ["UpDecoderBlock3D", "UpDecoderBlock3D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    "sample_size": 64,
    "force_upcast": False,
}
VAE_SEED, TEXT_SEED = 21, 22


class MotionPhase(NamedTuple):
    """A stretch of ``train_motion`` on clips from the index ``first`` on; with these shares of sprites material."""

    recipe: MotionRecipe
    first: int = 0
    shares: Mapping[str, float] = MappingProxyType({})


_BALANCED = ("long", "images", "long", "short")
MOTION_PHASES = (
    MotionPhase(MotionRecipe(seed=21)),
    MotionPhase(
        MotionRecipe(
            seed=23, steps=3000, learning_rate=0.01, other_rate=5e-4, moving_weight=5.0, still=0.4, pool=2400,
            images=(16, 1), order=_BALANCED,
        ),
        first=100_000_000,
    ),
    MotionPhase(
        MotionRecipe(
            seed=24, steps=2800, learning_rate=0.012, other_rate=6e-4, moving_weight=5.0, still=0.3, pool=2400,
            images=(16, 1), order=_BALANCED,
        ),
        first=200_000_000,
        shares=MappingProxyType({"persons": 0.5}),
    ),
    MotionPhase(
        MotionRecipe(
            seed=25, steps=2400, learning_rate=0.012, other_rate=6e-4, moving_weight=5.0, still=0.15, pool=2400,
            images=(16, 1), order=("long", "long", "long", "images"), mixed_precision=False, encoder=False,
            latent_noise=0.1,
        ),
        first=300_000_000,
        shares=MappingProxyType({"moving": 0.9, "persons": 0.8, "named": 0.3, "lively": 0.5}),
    ),
)  # fmt: skip


class Effort(NamedTuple):
    """How much of every part is done. ``early_image_steps``: where the early checkpoint leaves the first part."""

    autoencoder: AutoencoderRecipe
    motion: tuple[MotionPhase, ...]
    text_steps: int
    early_image_steps: int
    stage: Mapping[str, Any] = MappingProxyType({})  # what replaces a stage's own
    data: Mapping[str, Any] = MappingProxyType({})
    run: Mapping[str, Any] = MappingProxyType({})

    def config(self, part: str, **overrides: Any) -> TrainConfig:
        """``part`` with as much effort; ``overrides`` as for ``load_config``."""
        whole = load_config(training_file(part), **self.run, **overrides)
        stages = tuple(stage.model_copy(update=dict(self.stage)) for stage in whole.stages)
        data = {name: material.model_copy(update=dict(self.data)) for name, material in whole.data.items()}
        return whole.model_copy(update={"stages": stages, "data": data})


FULL = Effort(AutoencoderRecipe(seed=VAE_SEED), MOTION_PHASES, text_steps=2000, early_image_steps=1500)
REHEARSAL = Effort(
    AutoencoderRecipe(seed=VAE_SEED, steps=4, images_until=2, pool=4, mixed_precision=False),
    tuple(
        phase._replace(recipe=replace(phase.recipe, steps=2, pool=4, mixed_precision=False)) for phase in MOTION_PHASES
    ),
    text_steps=4,
    early_image_steps=2,
    stage=MappingProxyType({"steps": 4, "stop": None, "batch": 4, "warmup": 1}),
    data=MappingProxyType({"items": 8, "shard": 8}),
    run=MappingProxyType({"checkpoint_every": 2, "sample_every": None, "mixed_precision": "no"}),
)
"""Every part for a few steps, to see the whole through in a minute or two. What it makes is noise."""
