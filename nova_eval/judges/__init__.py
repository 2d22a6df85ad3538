"""Judges: frozen networks and measuring devices that scorers consult, under the names that ``benchmark.toml`` uses."""

from __future__ import annotations

from nova_eval.protocols import Judge
from nova_eval.registry import Registry

JUDGES: Registry[type[Judge]] = Registry(
    "judge",
    {
        "sprites": "nova_eval.sprites.judges:SpritesJudge",
        "sprites_background": "nova_eval.sprites.judges:SpritesBackgroundEncoder",
    },
)
