"""Recorded calls of the reference pipeline against this one: prompt embeddings, latents and pixels of every case.

A recording is ``index.json`` (checkpoint → case → the call's settings) and, for each checkpoint,
``expected_<case>.safetensors``. Recordings are float32 on a CPU, and so are these runs.

Random weights make long sequences chaotic: each set of tokens is computed from those before it, and a difference in the
last digit grows until nothing of the recording is left. (The official code, run again on another processor, left its
own recording of a 9-frame clip by 0.70 standard deviations and that of a 3-frame clip by 3.3e-3.) A case that misses
the tolerance when it runs freely is therefore run again, token set by token set from the *recorded* ones, and that
deviation is compared, provided that the free run's own sensitivity to the last digit of its input explains its miss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nova_eval.checks.parity import training
from nova_eval.checks.parity.recordings import read_tensors
from nova_eval.checks.parity.sampler import deviation
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.nova.draws import SharedDraws
from nova_eval.nova.pictures import first_frames
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

PROMPT_TOLERANCE = 1e-5
LATENT_TOLERANCE = 1e-3
PIXEL_TOLERANCE = 1e-3
_LAST_DIGITS = 2.0**-22  # relative change of the input that probes how rounding grows
_EXPLAINED = 30.0  # a free run may miss by this many times what the probe alone makes

_LATENT_UNIT = "standard deviations, largest"

# Arguments of the reference pipeline's call → ours; and what a recording says beside the call.
_PLAN = {
    "num_inference_steps": "ar_steps",
    "num_diffusion_steps": "diffusion_steps",
    "max_latent_length": "latent_frames",
    "motion_flow": "motion_flow",
    "flow_shift": "flow_shift",
}
_GUIDANCE = ("guidance_scale", "guidance_renorm", "guidance_trunc")
_CALL = frozenset({"prompt", "negative_prompt", "num_images_per_prompt", "seed", "image"})
_NOTES = frozenset({"shapes", "latents_mean", "latents_std", "note", "notes"})


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Three results a recorded case (prompt embeddings, latents, pixels), or one failing result that says why.

    ``train_*`` cases are training steps and follow last, as ``training.cases`` replays them.
    """
    folder, index = recording.folder, recording.content()
    for name, found in index.items():
        wanted = {case: settings for case, settings in found.items() if not case.startswith("train_")}
        if not wanted:
            continue
        try:
            pipe = NovaPipeline.from_pretrained(folder / name, dtype="float32", device=device, offline=True)
        except NovaEvalError as error:
            for case in wanted:
                yield _failed(f"{name}/{case}", str(error))
            continue
        for case, settings in wanted.items():
            try:
                yield from _call(pipe, f"{name}/{case}", settings, folder / name / f"expected_{case}.safetensors")
            except NovaEvalError as error:
                yield _failed(f"{name}/{case}", str(error))
    try:
        yield from training.cases(folder, index)
    except NovaEvalError as error:
        yield _failed("training", str(error))


def _call(pipe: NovaPipeline, case: str, settings: Mapping[str, Any], file: Path) -> Iterator[ParityResult]:
    """The recorded call, made with this pipeline's own parts from the prompt to the pixels."""
    expected = read_tensors(file)
    plan = _plan(pipe, settings)
    prompts = [settings["prompt"]] if isinstance(settings["prompt"], str) else list(settings["prompt"])
    negative = settings.get("negative_prompt") or ""
    negatives = [negative] * len(prompts) if isinstance(negative, str) else list(negative)
    embeds = pipe.embed([*prompts, *negatives])
    yield from _compare_prompts(case, embeds, expected["prompt_embeds"])

    copies = int(settings.get("num_images_per_prompt", 1))
    used = embeds if plan.guidance.on else embeds[: len(prompts)]
    rows = used.repeat_interleave(copies, dim=0)
    recorded = expected["latents"]

    def run(rows: Tensor, history: Tensor | None = None) -> Tensor:
        draws = SharedDraws(torch.Generator().manual_seed(int(settings["seed"])), len(prompts) * copies)
        given = None
        if "image" in expected:
            picture = first_frames(expected["image"].numpy(), 1, plan.height, plan.width)
            given = pipe.vae.encode(picture, draws.generator).expand(draws.batch, -1, -1, -1, -1)
        return sample_latents(pipe.transformer, pipe.schedule, rows, draws, plan, given=given, history=history)

    latents = run(rows)
    if latents.shape != recorded.shape:
        yield _failed(f"{case} latents", f"shape {tuple(latents.shape)}, recorded {tuple(recorded.shape)}")
        return
    freely = deviation(latents, recorded)
    if freely <= LATENT_TOLERANCE:
        yield ParityResult(f"{case} latents", freely, LATENT_TOLERANCE, _LATENT_UNIT)
        yield _compare_pixels(case, pipe, latents, expected["pixels"])
        return
    probe = deviation(run(rows * (1 + _LAST_DIGITS)), latents)
    away = f"run freely it ends {freely:.2g} away, and {probe:.2g} from itself when the input's last digit changes"
    if freely > _EXPLAINED * probe:
        yield ParityResult(f"{case} latents", freely, LATENT_TOLERANCE, _LATENT_UNIT, away)
        yield _compare_pixels(case, pipe, latents, expected["pixels"], away)
        return
    forced = run(rows, recorded)
    note = f"each set of tokens from the recorded ones before it; {away}"
    yield ParityResult(f"{case} latents", deviation(forced, recorded), LATENT_TOLERANCE, _LATENT_UNIT, note)
    yield _compare_pixels(case, pipe, forced, expected["pixels"], note)


def _compare_prompts(case: str, embeds: Tensor, recorded: Tensor) -> Iterator[ParityResult]:
    if embeds.shape != recorded.shape:
        yield _failed(f"{case} prompt_embeds", f"shape {tuple(embeds.shape)}, recorded {tuple(recorded.shape)}")
        return
    yield ParityResult(f"{case} prompt_embeds", float((embeds - recorded).abs().max()), PROMPT_TOLERANCE)


def _compare_pixels(case: str, pipe: NovaPipeline, latents: Tensor, recorded: Tensor, note: str = "") -> ParityResult:
    """The share of pixel values more than 1 away. Images may be recorded without the axis of time."""
    clips = torch.stack([torch.from_numpy(clip) for clip in pipe.decode(latents)])
    if recorded.ndim == 4:
        recorded = recorded.unsqueeze(1)
    if clips.shape != recorded.shape:
        return _failed(f"{case} pixels", f"shape {tuple(clips.shape)}, recorded {tuple(recorded.shape)}")
    away = (clips.int() - recorded.int()).abs() > 1
    share = float(away.float().mean())
    return ParityResult(f"{case} pixels", share, PIXEL_TOLERANCE, "share of values off by more than 1", note)


def _plan(pipe: NovaPipeline, settings: Mapping[str, Any]) -> Plan:
    unheard = sorted(set(settings) - set(_PLAN) - set(_GUIDANCE) - _CALL - _NOTES)
    if unheard:
        raise UsageError(f"settings {', '.join(unheard)} mean nothing to this version")
    defaults = {"num_inference_steps": 64, "num_diffusion_steps": 25, "guidance_scale": 5.0}
    asked = defaults | dict(settings)
    values = {ours: asked[theirs] for theirs, ours in _PLAN.items() if theirs in asked}
    values |= {name: asked[name] for name in _GUIDANCE if name in asked}
    return Plan(**values).sized(pipe.transformer.config.image_size)


def _failed(case: str, note: str) -> ParityResult:
    return ParityResult(case, float("inf"), 0.0, "exact", note)
