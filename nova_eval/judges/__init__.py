"""Judges: frozen networks and measuring devices that scorers consult, under the names that ``benchmark.toml`` uses."""

from __future__ import annotations

from nova_eval.protocols import Judge
from nova_eval.registry import Registry

JUDGES: Registry[type[Judge]] = Registry(
    "judge",
    {
        "sprites": "nova_eval.sprites.judges:SpritesJudge",
        "sprites_background": "nova_eval.sprites.judges:SpritesBackgroundEncoder",
        "umt_l16": "nova_eval.judges.umt:UMT",
        "viclip_l14": "nova_eval.judges.viclip:ViCLIP",
    },
)
