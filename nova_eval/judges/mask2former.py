"""Mask2Former Swin-S: 100 object queries, each with a class and a mask, for images of any size.

Network: Mask2Former (facebookresearch/Mask2Former, MIT) as OpenMMLab trained it on COCO instances
(open-mmlab/mmdetection, Apache-2.0), hosted by transformers' modules. ``build`` takes the names of the published file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError
from nova_eval.judges.mask2former_instances import Instances, instances

CLASSES, DEPTHS, HEADS, WIDTH, WINDOW = 80, (2, 2, 18, 2), (3, 6, 12, 24), 96, 7
ENCODER_LAYERS, DECODER_LAYERS, LEVELS = 6, 9, 3

TABLES = (r"backbone\.stages\.\d+\.blocks\.\d+\.attn\.w_msa\.relative_position_index",)
"""Constants that the published file holds beside the weights."""

HALF = (torch.float16, torch.bfloat16)
Q_K_V = ("q_proj", "k_proj", "v_proj")


class Outputs(NamedTuple):
    """``classes`` (B, 100, 81), the last class being "no object"; ``masks`` (B, 100, H/4, W/4). Both are logits."""

    classes: Tensor
    masks: Tensor


class Mask2FormerSwinS(nn.Module):
    """(B, 3, H, W), normalised, both sides multiples of 32 → the last decoder layer's ``Outputs``.

    In half precision the pixel decoder still computes in float32, as its authors have it: it samples feature maps at
    learned places, and half precision cannot tell neighbouring pixels apart.
    """

    def __init__(self) -> None:
        super().__init__()
        from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig
        from transformers.initialization import no_init_weights

        stages = [f"stage{place + 1}" for place in range(len(DEPTHS))]
        backbone = SwinConfig(
            embed_dim=WIDTH, depths=list(DEPTHS), num_heads=list(HEADS), window_size=WINDOW, out_features=stages
        )
        config = Mask2FormerConfig(
            backbone_config=backbone,
            num_labels=CLASSES,
            encoder_layers=ENCODER_LAYERS,
            decoder_layers=DECODER_LAYERS + 1,  # transformers counts the prediction before the first layer
        )
        with no_init_weights():  # the file fills it
            self.network: Any = Mask2FormerForUniversalSegmentation(config)
        self._pixel_decoder.register_forward_pre_hook(_in_decoders_format)
        self._pixel_decoder.register_forward_hook(self._in_own_format)

    def forward(self, images: Tensor) -> Outputs:
        found = self.network(pixel_values=images, output_auxiliary_logits=False)
        return Outputs(found.class_queries_logits, found.masks_queries_logits)

    @property
    def _pixel_decoder(self) -> nn.Module:
        return cast(nn.Module, self.network.model.pixel_level_module.decoder)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Mask2FormerSwinS:
        """What ``to`` and ``half`` do: the pixel decoder's weights are rounded like the others, and kept in float32."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.network.class_predictor.weight.dtype in HALF:
            self._pixel_decoder.float()
        return self

    def _in_own_format(self, decoder: nn.Module, arguments: Any, found: Any) -> Any:
        dtype = self.network.class_predictor.weight.dtype
        found.mask_features = found.mask_features.to(dtype)
        found.multi_scale_features = tuple(level.to(dtype) for level in found.multi_scale_features)
        return found

    def instances(self, images: Tensor, height: int, width: int) -> list[Instances]:
        """What is found in each of ``images``, which were ``height`` by ``width`` before they were resized."""
        answer = self(images)
        return [instances(*one, height, width) for one in zip(answer.classes, answer.masks, strict=True)]


def _in_decoders_format(decoder: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    levels, *others = arguments
    dtype = next(decoder.parameters()).dtype
    return [level.to(dtype) for level in levels], *others


def build(state: dict[str, Tensor], path: Path) -> Mask2FormerSwinS:
    """PrerequisiteError, in the names of mmdet 2.x, for a file that is not of this architecture."""
    network = make()
    hosted = network.network.state_dict()
    table = dict(places())
    if unknown := {name for names in table.values() for name in names} - hosted.keys():
        import transformers

        raise PrerequisiteError(
            f"transformers {transformers.__version__} names Mask2Former's layers otherwise ({min(unknown)})",
            remedy="pip install 'nova_eval[judges]'",
        )
    given = {second_generation(name): tensor for name, tensor in state.items()}
    wanted = {name: _joined_shape([hosted[part] for part in parts]) for name, parts in table.items()}
    pinned.require(given, wanted, ignore=TABLES, what="Mask2Former Swin-S", where=str(path))
    network.network.load_state_dict(
        {part: tensor for name, parts in table.items() for part, tensor in _converted(name, parts, given[name])},
        strict=False,  # a norm and a training constant of the host that nothing here reads
    )
    return network


def make() -> Mask2FormerSwinS:
    """The network without weights. PrerequisiteError when transformers cannot host it."""
    try:
        return Mask2FormerSwinS()
    except ImportError as error:
        raise PrerequisiteError(
            f"Mask2Former needs transformers 5.23 or later ({error})", remedy="pip install 'nova_eval[judges]'"
        ) from error


def second_generation(name: str) -> str:
    """The name in an mmdet 2.x file of what mmdet 3.x calls ``name``."""
    for pattern, replacement in _THIRD_TO_SECOND:
        name, found = re.subn(pattern, replacement, name)
        if found:
            break
    return name


def third_generation(name: str) -> str:
    """The inverse of ``second_generation``."""
    for pattern, replacement in _SECOND_TO_THIRD:
        name, found = re.subn(pattern, replacement, name)
        if found:
            break
    return name


_ENCODER, _DECODER = r"^(.*\.pixel_decoder\.encoder\.layers\.\d+)\.", r"^(.*\.transformer_decoder\.layers\.\d+)\."
_THIRD_TO_SECOND = (
    (_ENCODER + r"self_attn\.", r"\1.attentions.0."),
    (_DECODER + r"cross_attn\.", r"\1.attentions.0."),
    (_DECODER + r"self_attn\.", r"\1.attentions.1."),
    (_ENCODER + r"ffn\.", r"\1.ffns.0."),
    (_DECODER + r"ffn\.", r"\1.ffns.0."),
)
_SECOND_TO_THIRD = (
    (_ENCODER + r"attentions\.0\.", r"\1.self_attn."),
    (_DECODER + r"attentions\.0\.", r"\1.cross_attn."),
    (_DECODER + r"attentions\.1\.", r"\1.self_attn."),
    (_ENCODER + r"ffns\.0\.", r"\1.ffn."),
    (_DECODER + r"ffns\.0\.", r"\1.ffn."),
)


# --- names: mmdet 2.x → transformers --------------------------------------------------------------------------------


def places() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every name of the published file, and where transformers keeps it: one place, or three for q, k and v."""
    for published, hosted in [*_backbone(), *_pixel_decoder(), *_transformer_decoder()]:
        for leaf in ("weight", "bias"):
            name = f"{published}.{leaf}"
            if name not in _WITHOUT_BIAS:
                yield name, tuple(f"{place}.{leaf}" for place in hosted)
    yield from ((name, (place,)) for name, place in _tables())
    for layer in range(DECODER_LAYERS):
        theirs, ours = _decoder_layer(layer)
        for leaf in ("weight", "bias"):
            cross, own = f"{theirs}.attentions.0.attn.in_proj_{leaf}", f"{theirs}.attentions.1.attn.in_proj_{leaf}"
            yield cross, (f"{ours}.cross_attn.in_proj_{leaf}",)
            yield own, tuple(f"{ours}.self_attn.{part}.{leaf}" for part in Q_K_V)


Modules = Iterator[tuple[str, Sequence[str]]]

_SWIN = "model.pixel_level_module.encoder.swin"
_NORMS = "model.pixel_level_module.encoder.hidden_states_norms"
_PIXELS = "model.pixel_level_module.decoder"
_QUERIES = "model.transformer_module"
_HEAD = "panoptic_head"

_WITHOUT_BIAS = frozenset(
    [f"backbone.stages.{stage}.downsample.reduction.bias" for stage in range(len(DEPTHS) - 1)]
    + [f"{_HEAD}.pixel_decoder.{name}.0.conv.bias" for name in ("lateral_convs", "output_convs")]
)


def _backbone() -> Modules:
    yield "backbone.patch_embed.projection", [f"{_SWIN}.embeddings.patch_embeddings.projection"]
    yield "backbone.patch_embed.norm", [f"{_SWIN}.embeddings.norm"]
    for stage, depth in enumerate(DEPTHS):
        theirs, ours = f"backbone.stages.{stage}", f"{_SWIN}.encoder.layers.{stage}"
        for block in range(depth):
            b, h = f"{theirs}.blocks.{block}", f"{ours}.blocks.{block}"
            yield f"{b}.norm1", [f"{h}.layernorm_before"]
            yield f"{b}.norm2", [f"{h}.layernorm_after"]
            yield f"{b}.attn.w_msa.qkv", [f"{h}.attention.{part}" for part in Q_K_V]
            yield f"{b}.attn.w_msa.proj", [f"{h}.attention.o_proj"]
            yield f"{b}.ffn.layers.0.0", [f"{h}.mlp.fc1"]
            yield f"{b}.ffn.layers.1", [f"{h}.mlp.fc2"]
        if stage < len(DEPTHS) - 1:
            yield f"{theirs}.downsample.norm", [f"{ours}.downsample.norm"]
            yield f"{theirs}.downsample.reduction", [f"{ours}.downsample.reduction"]
        yield f"backbone.norm{stage}", [f"{_NORMS}.stage{stage + 1}"]


def _pixel_decoder() -> Modules:
    head = f"{_HEAD}.pixel_decoder"
    for level in range(LEVELS):
        yield f"{head}.input_convs.{level}.conv", [f"{_PIXELS}.input_projections.{level}.0"]
        yield f"{head}.input_convs.{level}.gn", [f"{_PIXELS}.input_projections.{level}.1"]
    for layer in range(ENCODER_LAYERS):
        b, h = f"{head}.encoder.layers.{layer}", f"{_PIXELS}.encoder.layers.{layer}"
        for part in ("sampling_offsets", "attention_weights", "value_proj", "output_proj"):
            yield f"{b}.attentions.0.{part}", [f"{h}.self_attn.{part}"]
        yield f"{b}.ffns.0.layers.0.0", [f"{h}.fc1"]
        yield f"{b}.ffns.0.layers.1", [f"{h}.fc2"]
        yield f"{b}.norms.0", [f"{h}.self_attn_layer_norm"]
        yield f"{b}.norms.1", [f"{h}.final_layer_norm"]
    for theirs, ours in (("lateral_convs", "adapter_1"), ("output_convs", "layer_1")):
        yield f"{head}.{theirs}.0.conv", [f"{_PIXELS}.{ours}.0"]
        yield f"{head}.{theirs}.0.gn", [f"{_PIXELS}.{ours}.1"]
    yield f"{head}.mask_feature", [f"{_PIXELS}.mask_projection"]


def _transformer_decoder() -> Modules:
    for layer in range(DECODER_LAYERS):
        b, h = _decoder_layer(layer)
        yield f"{b}.attentions.0.attn.out_proj", [f"{h}.cross_attn.out_proj"]
        yield f"{b}.attentions.1.attn.out_proj", [f"{h}.self_attn.out_proj"]
        yield f"{b}.ffns.0.layers.0.0", [f"{h}.fc1"]
        yield f"{b}.ffns.0.layers.1", [f"{h}.fc2"]
        for place, norm in enumerate(("cross_attn_layer_norm", "self_attn_layer_norm", "final_layer_norm")):
            yield f"{b}.norms.{place}", [f"{h}.{norm}"]
    yield f"{_HEAD}.transformer_decoder.post_norm", [f"{_QUERIES}.decoder.layernorm"]
    yield f"{_HEAD}.cls_embed", ["class_predictor"]
    for place in range(3):
        yield f"{_HEAD}.mask_embed.{2 * place}", [f"{_QUERIES}.decoder.mask_predictor.mask_embedder.{place}.0"]


def _decoder_layer(layer: int) -> tuple[str, str]:
    return f"{_HEAD}.transformer_decoder.layers.{layer}", f"{_QUERIES}.decoder.layers.{layer}"


def _tables() -> Iterator[tuple[str, str]]:
    """Entries that are no module's weight and bias."""
    for stage, depth in enumerate(DEPTHS):
        for block in range(depth):
            attention = f"{_SWIN}.encoder.layers.{stage}.blocks.{block}.attention.relative_position_bias"
            table = "relative_position_bias_table"
            yield f"backbone.stages.{stage}.blocks.{block}.attn.w_msa.{table}", f"{attention}.{table}"
    yield f"{_HEAD}.pixel_decoder.level_encoding.weight", f"{_PIXELS}.level_embed"
    yield f"{_HEAD}.level_embed.weight", f"{_QUERIES}.level_embed.weight"
    yield f"{_HEAD}.query_embed.weight", f"{_QUERIES}.queries_embedder.weight"
    yield f"{_HEAD}.query_feat.weight", f"{_QUERIES}.queries_features.weight"


# --- values ---------------------------------------------------------------------------------------------------------


def _converted(name: str, parts: Sequence[str], tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if ".downsample." in name:
        tensor = merged_by_neighbour(tensor)
    return zip(parts, tensor.chunk(len(parts)), strict=True)


def merged_by_neighbour(tensor: Tensor) -> Tensor:
    """(…, 4C), four neighbours a channel in the order of rows → C channels a neighbour in the order of columns."""
    # (…, 4C) → (…, C, 4) → (…, 4, C) → (…, 4C)
    by_channel = tensor.reshape(*tensor.shape[:-1], -1, 4)
    return by_channel[..., [0, 2, 1, 3]].transpose(-1, -2).flatten(-2)


def _joined_shape(parts: Sequence[Tensor]) -> tuple[int, ...]:
    return (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
