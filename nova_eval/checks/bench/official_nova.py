"""The official code of NOVA, from a checkout that somebody names, on the weights of a transformer that is here."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nova_eval.errors import UsageError
from nova_eval.nova.draws import SharedDraws
from nova_eval.nova.plan import Plan, tokens_per_step
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.transformer import NovaTransformer

_PARTS = "diffnext.models.transformers.transformer_nova", "diffnext.schedulers.scheduling_ddpm"


class OfficialNova:
    """Imports and runs what lies in ``checkout``. UsageError where that is not the official repository."""

    def __init__(self, checkout: Path, model: NovaTransformer, schedule: Schedule) -> None:
        if not (checkout / "diffnext" / "__init__.py").is_file():
            raise UsageError(f"{checkout} has no diffnext/", remedy="name a checkout of github.com/baaivision/NOVA")
        sys.path.insert(0, str(checkout.absolute()))
        try:
            family, scheduling = (import_module(name) for name in _PARTS)
        except ImportError as error:
            raise UsageError(f"{checkout} cannot be imported: {error}", remedy="name a whole checkout") from error
        finally:
            sys.path.pop(0)
        config = model.config
        for kinds, build, stack, name in (
            (family.VIDEO_ENCODERS, family.video_encoder, config.temporal, config.arch[0]),
            (family.IMAGE_ENCODERS, family.image_encoder, config.spatial, config.arch[1]),
            (family.IMAGE_DECODERS, family.image_decoder, config.denoiser, config.arch[2]),
        ):
            heads = {"num_heads": stack.heads} if stack.kind == "vit" else {}
            kinds.register(name, depth=stack.depth, embed_dim=stack.width, **heads)(build)
        self._model: Any = family.NOVATransformer3DModel(**_arguments(config.to_json()))
        self._model.load_state_dict(model.state_dict())
        self._model.to(model.device, model.dtype).eval().requires_grad_(False)
        self._model.sample_scheduler = scheduling.DDPMScheduler(**_arguments(schedule.to_json()))

    @torch.inference_mode()
    def sample_latents(
        self, model: NovaTransformer, schedule: Schedule, prompt_embeds: Tensor, draws: SharedDraws, plan: Plan
    ) -> Tensor:
        """As ``sampling.sample_latents`` for the model and schedule that it was made with: (B, C, T, h, w)."""
        rows, columns = model.config.grid(plan.height, plan.width)
        asked = {
            "prompt": prompt_embeds,
            "batch_size": draws.batch,
            "generator": draws.generator,
            "num_preds": tokens_per_step(rows * columns, plan.ar_steps),
            "num_diffusion_steps": plan.diffusion_steps,
            "max_latent_length": plan.latent_frames,
            "guidance_scale": plan.guidance_scale,
            "motion_flow": [plan.motion_flow] * draws.batch,
            "latents": [],
            "tqdm1": False,
            "tqdm2": False,
        }
        latents: Tensor = self._model(asked)["x"]
        return latents


def _arguments(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}
