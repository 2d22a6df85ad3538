"""Mask2Former Swin-S in mmdet's own modules: the second host, by which the first is checked.

mmdet (open-mmlab/mmdetection, Apache-2.0) is version 3 on mmcv-lite, which brings no compiled operators; the one that
Mask2Former can ask for, on accelerators, is put in their place. Weights are the same file as the first host's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError
from nova_eval.judges.mask2former import TABLES, third_generation
from nova_eval.judges.mask2former_instances import Instances, resized
from nova_eval.packages import require

CONFIG = "mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"
OPERATORS = "mmcv._ext"
_PACKAGES = ("mmdet", "mmengine", "mmcv")


def require_installed() -> None:
    """PrerequisiteError, naming the package, when mmdet or what it stands on is missing. Imports nothing."""
    require("judge 'geneval_objects_mmdet'", *_PACKAGES)


class MMDetMask2Former(nn.Module):
    """mmdet's ``Mask2Former`` as its configuration file builds it, fed the same input as the first host."""

    def __init__(self) -> None:
        super().__init__()
        self.network: Any = _built()

    def instances(self, images: Tensor, height: int, width: int) -> list[Instances]:
        """Each image's instances as mmdet itself reads its answer, surest first."""
        from mmdet.structures import DetDataSample

        facts = {
            "ori_shape": (height, width),
            "img_shape": resized(height, width),
            "batch_input_shape": tuple(images.shape[-2:]),
        }
        samples = [DetDataSample(metainfo=facts) for _ in images]
        classes, masks = self.network.panoptic_head.predict(self.network.extract_feat(images), samples)
        answers = self.network.panoptic_fusion_head.predict(classes.float(), masks.float(), samples, rescale=True)
        return [_sorted(answer["ins_results"]) for answer in answers]


def build(state: dict[str, Tensor], path: Path) -> MMDetMask2Former:
    """PrerequisiteError, in the names of mmdet 3.x, for a file that is not of this architecture."""
    require_installed()
    network = MMDetMask2Former()
    pinned.apply(network.network, state, rename=_own_name, ignore=TABLES, where=str(path))
    return network


def _own_name(name: str) -> str | None:
    """What mmdet 3.x calls it; None for a constant that the network makes itself."""
    return None if any(re.fullmatch(pattern, name) for pattern in TABLES) else third_generation(name)


def _sorted(found: Any) -> Instances:
    order = found.scores.argsort(descending=True, stable=True)
    masks = found.masks[order].cpu().numpy().astype(np.bool_)
    boxes = [tuple(box) for box in found.bboxes[order].tolist()]
    return Instances(found.labels[order].tolist(), found.scores[order].tolist(), boxes, list(masks))


def _built() -> Any:
    provide_operators()
    import mmdet
    from mmdet.utils import register_all_modules
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope

    register_all_modules(init_default_scope=False)
    config = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / CONFIG).model
    config.backbone.init_cfg = None  # a file of the backbone alone, for training
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(config)


# --- operators ------------------------------------------------------------------------------------------------------


def provide_operators() -> None:
    """Registers a stand-in for mmcv's compiled module, unless mmcv brings its own."""
    if OPERATORS not in sys.modules and find_spec(OPERATORS) is None:
        stand_in = _Operators(OPERATORS)
        stand_in.__spec__ = ModuleSpec(OPERATORS, None)
        sys.modules[OPERATORS] = stand_in


class _Operators(ModuleType):
    """Has every operator by name, since mmcv looks for all at import; those not written here refuse to compute."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return deformable_attention if name == "ms_deform_attn_forward" else _refusal(name)


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(*arguments: Any, **settings: Any) -> Any:
        raise PrerequisiteError(f"mmcv's operator {name!r} is not part of this install", remedy="pip install mmcv")

    return refuse


def deformable_attention(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, **settings: int
) -> Tensor:
    """The compiled kernel's answer by mmcv's own form in torch; ``starts`` follows from ``shapes``."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    answer: Tensor = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    return answer
