"""What the files beside mPLUG's weights say of the network and of how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval import reading
from nova_eval.errors import PrerequisiteError


@dataclass(frozen=True, slots=True)
class Settings:
    """The first four are ``config.yaml``'s (defaults: modelscope's), the others ``config_bert.json``'s.

    ``fusion_layers`` are the last of ``stored_fusion_layers``. Of those used, number 0, 1, …, every ``stride``-th but
    the first looks at image and text as one sequence.
    """

    image_size: int = 504
    beams: int = 5
    min_length: int = 1
    max_length: int = 10
    text_layers: int = 6
    fusion_layers: int = 6
    stored_fusion_layers: int = 12
    decoder_layers: int = 12
    stride: int = 6


_YAML = {"image_res": "image_size", "beam_size": "beams", "min_length": "min_length", "max_length": "max_length"}
_JSON = {
    "text_encoder_layers": "text_layers",
    "fusion_layers": "fusion_layers",
    "num_hidden_layers": "stored_fusion_layers",
    "text_decode_layers": "decoder_layers",
    "stride_layer": "stride",
}
_FIXED = {
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def read_settings(config: Path, bert_config: Path) -> Settings:
    """Both files together. PrerequisiteError, one line, for a file of another form or another network."""
    how: reading.How = {"error": PrerequisiteError, "remedy": "python -m nova_eval weights fetch mplug_large"}
    plain: Mapping[str, Any] = reading.yaml_file(config, dict[str, Any], **how)
    bert: Mapping[str, Any] = reading.json_file(bert_config, dict[str, Any], **how)
    for key, value in _FIXED.items():
        if bert.get(key, value) != value:
            raise PrerequisiteError(
                f"{bert_config} says {key} {bert[key]!r}, the judge's network has {value!r}",
                remedy="it is not the published file",
            )
    absent = [key for key in _JSON if key not in bert]
    if absent:
        raise PrerequisiteError(
            f"{bert_config} does not say {', '.join(absent)}", remedy="it is not the published file"
        )
    found = {ours: _count(config, key, plain[key]) for key, ours in _YAML.items() if key in plain}
    found |= {ours: _count(bert_config, key, bert[key]) for key, ours in _JSON.items()}
    settings = Settings(**found)
    if not 0 < settings.fusion_layers <= settings.stored_fusion_layers or not settings.stride or not settings.beams:
        raise PrerequisiteError(
            f"{bert_config} describes no network: {settings}", remedy="it is not the published file"
        )
    return settings


def _count(path: Path, key: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise PrerequisiteError(f"{path} says {key} {value!r}, not a number", remedy="it is not the published file")
    return value
