"""Judges: frozen networks and measuring devices that scorers consult, under the names that ``benchmark.toml`` uses."""

from __future__ import annotations

from hashlib import sha256
from inspect import signature

from nova_eval.protocols import Judge
from nova_eval.registry import Registry

JUDGES: Registry[type[Judge]] = Registry(
    "judge",
    {
        "sprites": "nova_eval.sprites.judges:SpritesJudge",
        "sprites_background": "nova_eval.sprites.judges:SpritesBackgroundEncoder",
        "sprites_layers": "nova_eval.sprites.judges:SpritesLayersJudge",
        "sprites_text": "nova_eval.sprites.judges:SpritesTextJudge",
        "dino_vitb16": "nova_eval.judges.dino:DinoViTB16",
        "clip_vit_b32": "nova_eval.judges.clip:CLIPViTB32",
        "laion_aesthetic": "nova_eval.judges.aesthetic:LaionAesthetic",
        "musiq_spaq": "nova_eval.judges.musiq:MusiqSPAQ",
        "raft_things": "nova_eval.judges.raft:RaftThings",
        "amt_s": "nova_eval.judges.amt:AmtS",
        "grit_dense_cap": "nova_eval.judges.grit:GritDenseCaptioner",
        "grit_object_det": "nova_eval.judges.grit:GritObjectDetector",
        "tag2text": "nova_eval.judges.tag2text:Tag2Text",
        "umt_l16": "nova_eval.judges.umt:UMT",
        "geneval_objects": "nova_eval.judges.geneval_objects:GenEvalObjects",
        "geneval_objects_mmdet": "nova_eval.judges.geneval_objects:GenEvalObjectsMMDet",
        "viclip_l14": "nova_eval.judges.viclip:ViCLIP",
        "blip_vqa": "nova_eval.judges.blip:BLIPVQA",
        "mplug_large": "nova_eval.judges.mplug:MPlugLarge",
        "unidet_r50": "nova_eval.judges.unidet:UniDetR50",
        "unidet_rs200": "nova_eval.judges.unidet:UniDetRS200",
        "dpt_hybrid": "nova_eval.judges.dpt:DPTHybrid",
        "unidet_r50_dpt": "nova_eval.judges.unidet_dpt:UniDetR50DPT",
        "clipscore_vit_b32": "nova_eval.judges.clip:CLIPScoreViTB32",
    },
)


def batch_of(judge: str) -> int:
    """How many frames a judge looks at together, by what it is made with: 1 where it takes no ``batch``."""
    try:
        asked = signature(JUDGES.get(judge)).parameters.get("batch")
    except (TypeError, ValueError):  # nothing says how it is made
        return 1
    return asked.default if asked is not None and isinstance(asked.default, int) else 1


def filed_under(judge: str, digest: str) -> str:
    """The letters that name the folder of what a judge says: of its digest, and of its code where that is not ours."""
    code = JUDGES.code(judge)
    return sha256(f"{digest}\n{code}".encode()).hexdigest()[:8] if code else digest[:8]
