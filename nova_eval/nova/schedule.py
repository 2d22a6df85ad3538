"""Noise schedules as tables: a diffusion step is ``x ← keep·x + take·prediction + std·noise``, known beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nova_eval import reading
from nova_eval.errors import UsageError, unknown
from nova_eval.nova.plan import Plan


class Step(NamedTuple):
    """One diffusion step: ``x ← keep·x + take·prediction + std·noise``; ``draws`` says whether noise is drawn at all.

    ``timestep`` is what the denoiser is told.
    """

    timestep: float
    keep: float
    take: float
    std: float
    draws: bool


class Schedule(Protocol):
    """How the denoiser's training noise was made, and the steps that undo it."""

    def steps(self, count: int, shift: float | None = None) -> list[Step]:
        """``count`` steps from pure noise to the clean sample."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The mapping in ``scheduler_config.json``."""
        ...


_MOST_TIMESTEPS = 100_000


def _check_timesteps(count: int) -> None:
    if not 0 < count <= _MOST_TIMESTEPS:
        raise UsageError(f"num_train_timesteps {count} is not within 1 … {_MOST_TIMESTEPS}")


@dataclass(frozen=True)
class DDPM:
    """Ancestral sampling, with the values and defaults of diffusers' ``DDPMScheduler``.

    The reference never clips or thresholds the predicted sample, whatever the configuration says; neither does this.
    Coefficients are computed in float32, as the reference does: at small t the difference ``1 − ᾱ`` loses digits, and
    the result is compared with recorded outputs.
    """

    num_train_timesteps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    trained_betas: tuple[float, ...] | None = None
    variance_type: str = "fixed_small"
    prediction_type: str = "epsilon"
    timestep_spacing: str = "leading"
    steps_offset: int = 0
    rescale_betas_zero_snr: bool = False

    def __post_init__(self) -> None:
        _check_timesteps(self.num_train_timesteps)
        if not 0 <= self.steps_offset < self.num_train_timesteps:
            raise UsageError(f"steps_offset {self.steps_offset} is not within 0 … {self.num_train_timesteps - 1}")
        count = len(self.trained_betas or ())
        if self.trained_betas is not None and count != self.num_train_timesteps:
            raise UsageError(f"{count} trained_betas for {self.num_train_timesteps} num_train_timesteps")
        if not all(0 < beta < 1 for beta in (self.beta_start, self.beta_end, *(self.trained_betas or ()))):
            raise UsageError("a beta is not within 0 … 1")

    def alphas_cumprod(self) -> Tensor:
        """(num_train_timesteps,) float32 share of signal variance left at each time."""
        return _alphas_cumprod(self)

    def betas(self) -> Tensor:
        """(num_train_timesteps,) float32 share of noise variance added at each time."""
        count = self.num_train_timesteps
        if self.trained_betas is not None:
            betas = torch.tensor(self.trained_betas, dtype=torch.float32)
        elif self.beta_schedule == "linear":
            betas = torch.linspace(self.beta_start, self.beta_end, count, dtype=torch.float32)
        elif self.beta_schedule == "scaled_linear":
            betas = torch.linspace(self.beta_start**0.5, self.beta_end**0.5, count, dtype=torch.float32) ** 2
        elif self.beta_schedule == "squaredcos_cap_v2":
            left = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
            betas = torch.tensor([min(1 - left[i + 1] / left[i], 0.999) for i in range(count)], dtype=torch.float32)
        elif self.beta_schedule == "sigmoid":
            betas = torch.sigmoid(torch.linspace(-6, 6, count)) * (self.beta_end - self.beta_start) + self.beta_start
        else:
            known = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
            raise unknown("beta_schedule", self.beta_schedule, known)
        return _zero_terminal_snr(betas) if self.rescale_betas_zero_snr else betas

    def timesteps(self, count: int) -> list[int]:
        """``count`` training times, descending."""
        total = self.num_train_timesteps
        if not 1 <= count <= total:
            raise UsageError(f"diffusion_steps {count} is not within 1 … {total}")
        if self.timestep_spacing == "leading":
            if (last := (count - 1) * (total // count) + self.steps_offset) >= total:
                raise UsageError(f"{count} diffusion_steps with steps_offset {self.steps_offset} begin at {last}")
            return [i * (total // count) + self.steps_offset for i in reversed(range(count))]
        if self.timestep_spacing == "linspace":
            return [int(t) for t in np.linspace(0, total - 1, count).round()[::-1]]
        if self.timestep_spacing == "trailing":
            return [int(t) - 1 for t in np.arange(total, 0, -total / count).round()]
        raise unknown("timestep_spacing", self.timestep_spacing, ("leading", "linspace", "trailing"))

    def steps(self, count: int, shift: float | None = None) -> list[Step]:
        if shift is not None:
            raise UsageError("flow_shift applies to flow-matching schedules only", remedy="this checkpoint uses DDPM")
        alphas = self.alphas_cumprod()
        return [self._step(t, t - self.num_train_timesteps // count, alphas) for t in self.timesteps(count)]

    def _step(self, t: int, previous: int, alphas: Tensor) -> Step:
        signal, signal_next = alphas[t], alphas[previous] if previous >= 0 else torch.tensor(1.0)
        noise, noise_next = 1 - signal, 1 - signal_next
        alpha = signal / signal_next
        beta = 1 - alpha
        of_clean = float(signal_next**0.5 * beta / noise)
        of_sample = float(alpha**0.5 * noise_next / noise)
        a, b = float(signal**0.5), float(noise**0.5)
        if self.prediction_type == "epsilon":  # clean = (x − b·prediction) / a
            keep, take = of_clean / a + of_sample, -of_clean * b / a
        elif self.prediction_type == "v_prediction":  # clean = a·x − b·prediction
            keep, take = of_clean * a + of_sample, -of_clean * b
        elif self.prediction_type == "sample":
            keep, take = of_sample, of_clean
        else:
            raise unknown("prediction_type", self.prediction_type, ("epsilon", "v_prediction", "sample"))
        if self.variance_type in ("fixed_small", "fixed_small_log"):
            variance = torch.clamp((1 - signal_next) / (1 - signal) * beta, min=1e-20)
        elif self.variance_type == "fixed_large":
            variance = beta
        else:
            raise unknown("variance_type", self.variance_type, ("fixed_small", "fixed_small_log", "fixed_large"))
        return Step(float(t), keep, take, float(variance**0.5) if t > 0 else 0.0, t > 0)

    def to_json(self) -> dict[str, Any]:
        return {"_class_name": "DDPMScheduler", **_public(self), "clip_sample": False}


@dataclass(frozen=True)
class FlowMatching:
    """Euler steps along straight paths from noise (σ = 1) to data (σ = 0); the network predicts noise minus data.

    The smallest σ, 1 / num_train_timesteps, is shifted by the configuration's ``shift`` when the reference builds its
    table, and the whole line of σ once more by the shift in force; both are one when ``shift`` is 1.
    """

    num_train_timesteps: int = 1000
    shift: float = 1.0

    def __post_init__(self) -> None:
        _check_timesteps(self.num_train_timesteps)
        if not 0 < self.shift < math.inf:
            raise UsageError(f"shift {self.shift} is not above 0")

    def steps(self, count: int, shift: float | None = None) -> list[Step]:
        if count < 1:
            raise UsageError(f"diffusion_steps {count} is not positive")
        total = self.num_train_timesteps
        smallest = _shifted(np.float32(1 / total), self.shift)
        times = np.linspace(float(_shifted(np.float32(1.0), self.shift)) * total, float(smallest) * total, count)
        sigmas = _shifted(times.astype(np.float32) / np.float32(total), self.shift if shift is None else shift)
        levels = [float(sigma) for sigma in sigmas] + [0.0]
        told = [float(t) for t in sigmas * np.float32(total)]
        return [Step(told[i], 1.0, levels[i + 1] - levels[i], 0.0, draws=False) for i in range(count)]

    def to_json(self) -> dict[str, Any]:
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", **_public(self), "use_dynamic_shifting": False}


def planned_steps(schedule: Schedule, plan: Plan) -> list[Step]:
    """The diffusion steps that ``plan`` asks for, the noise they draw scaled by its temperature."""
    steps = schedule.steps(plan.diffusion_steps, plan.flow_shift)
    if plan.temperature != 1 and not any(step.draws for step in steps):
        raise UsageError("temperature scales drawn noise; this checkpoint's steps draw none", remedy="temperature=1")
    return [step._replace(std=step.std * plan.temperature) for step in steps]


def from_json(values: Mapping[str, Any]) -> Schedule:
    """The schedule that ``scheduler_config.json`` describes; keys it does not need are ignored."""
    name = values.get("_class_name")
    kinds: dict[object, type[Schedule]] = {
        "DDPMScheduler": DDPM,
        "FlowMatchEulerDiscreteScheduler": FlowMatching,
    }
    if not isinstance(name, str) or name not in kinds:
        raise unknown("scheduler class", str(name)[:80], ("DDPMScheduler", "FlowMatchEulerDiscreteScheduler"))
    if values.get("use_dynamic_shifting"):
        raise UsageError("use_dynamic_shifting is not supported", remedy="give flow_shift instead")
    return reading.typed(dict(values), "scheduler_config.json", kinds[name])


@lru_cache(maxsize=8)
def _alphas_cumprod(schedule: DDPM) -> Tensor:
    return torch.cumprod(1 - schedule.betas(), dim=0)


def _shifted(sigma: Any, shift: float) -> Any:
    return np.float32(shift) * sigma / (1 + np.float32(shift - 1) * sigma)


def _zero_terminal_snr(betas: Tensor) -> Tensor:
    """Betas rescaled so that nothing of the signal is left at the last time (arXiv 2305.08891, algorithm 1)."""
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    left = root**2
    return 1 - torch.cat([left[:1], left[1:] / left[:-1]])


def _public(schedule: Any) -> dict[str, Any]:
    return {key: getattr(schedule, key) for key in schedule.__dataclass_fields__}
