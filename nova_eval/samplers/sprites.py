"""Samplers of the embedded world: the oracle draws what the prompt says, optionally spoiled; noise draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from nova_eval.errors import UsageError, unknown
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt
from nova_eval.sprites.corruptions import CORRUPTIONS, corrupted
from nova_eval.sprites.grammar import Scene, parse
from nova_eval.sprites.renderer import render
from nova_eval.sprites.vocabulary import WORLD_VERSION


@dataclass(frozen=True)
class OracleSampler:
    """Renders prompts of the sprites language.

    Raises UsageError for an unknown corruption, and on sampling for a prompt outside the language.
    """

    frames: int = 17
    "Frames of a clip; 1 is an image."
    height: int = 64
    "Pixels."
    width: int = 64
    "Pixels."
    fps: float = 8.0
    "The rate at which clips are shown."
    corruption: str = "none"
    "What spoils the clip: a name of sprites/corruptions.py, or none."
    strength: float = 1.0
    "How far it is spoiled: 0 not at all, 1 fully."
    info: SamplerInfo = field(init=False)
    light: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.corruption not in CORRUPTIONS:
            raise unknown("corruption", self.corruption, CORRUPTIONS)
        if not 0.0 <= self.strength <= 1.0:
            raise UsageError(f"strength {self.strength} is not in 0 … 1", remedy="1 spoils fully, 0 not at all")
        settings = {"corruption": self.corruption, "strength": self.strength}
        object.__setattr__(self, "info", _info("oracle", self, settings))

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        """One clip per prompt; each depends on its own prompt and seed only."""
        return [self._sample(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def _sample(self, prompt: Prompt, seed: int) -> Frames:
        def draw(scene: Scene) -> Frames:
            return render(scene, seed, frames=self.frames, height=self.height, width=self.width, fps=self.fps)

        scene = parse(prompt.sampling_text)
        if self.corruption == "none":
            return draw(scene)
        rng = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, 0xC0221])
        return corrupted(self.corruption, scene, rng, self.strength, draw)


@dataclass(frozen=True)
class NoiseSampler:
    """Uniform noise, whatever the prompt: the floor that every judge must tell from content."""

    frames: int = 17
    "Frames of a clip; 1 is an image."
    height: int = 64
    "Pixels."
    width: int = 64
    "Pixels."
    fps: float = 8.0
    "The rate at which clips are shown."
    info: SamplerInfo = field(init=False)
    light: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "info", _info("noise", self, {}))

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        """One clip per seed."""
        shape = (self.frames, self.height, self.width, 3)
        rngs = (np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, 0x015E]) for seed in seeds)
        return [rng.integers(0, 256, shape, dtype=np.uint8) for rng in rngs]


def _info(name: str, sampler: OracleSampler | NoiseSampler, settings: dict[str, object]) -> SamplerInfo:
    frames, height, width, fps = sampler.frames, sampler.height, sampler.width, sampler.fps
    if frames < 1 or height < 16 or width < 16:
        raise UsageError(
            f"{name}: {frames} frames of {height}×{width} pixels cannot show a sprite",
            remedy="give at least 1 frame of 16×16 pixels",
        )
    modality = "image" if frames == 1 else "video"
    size = {"frames": frames, "height": height, "width": width, "fps": fps}
    return SamplerInfo(name, modality, WORLD_VERSION, 0.0 if modality == "image" else fps, size | settings)
