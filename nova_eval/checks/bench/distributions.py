"""Kinds of scores from 0 to 1 whose mean is known, alone or several together, and the coverage they are promised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Shape = tuple[int, int, int]


class Promise(NamedTuple):
    """The coverage that is asked for, from 10 prompts on."""

    lowest: float
    highest: float


PROPORTIONS = Promise(0.93, 0.995)
SKEWED = Promise(0.90, 1.0)
UNLIKE = Promise(0.93, 1.0)
NOTHING = Promise(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """``draw(random, true, (repetitions, prompts, samples))`` gives scores from 0 to 1 with mean ``mean(true)``."""

    draw: Callable[[np.random.Generator, float, Shape], Reals]
    promise: Promise
    mean: Callable[[float], float] = float


@dataclass(frozen=True, slots=True)
class Composite:
    """``Σ coefficient · mean`` of distributions that have the same true value, each over prompts of its own."""

    draws: tuple[Callable[[np.random.Generator, float, Shape], Reals], ...]
    coefficients: tuple[float, ...]
    promise: Promise


def _binary(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    return (random.random(shape) < true).astype(float)


def _alike(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    return _repeated(_binary(random, true, (*shape[:2], 1)), shape)


def _beta_binomial(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """Correlation 0.3 within a prompt."""
    of_prompt = random.beta(true * 7 / 3, (1 - true) * 7 / 3, (*shape[:2], 1))
    return (random.random(shape) < of_prompt).astype(float)


def _normal(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    deviation = min(true, 1 - true) / 4
    of_prompt = random.normal(true, 0.8 * deviation, (*shape[:2], 1))
    return of_prompt + random.normal(0.0, 0.6 * deviation, shape)


def _frames(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """Successes among the 16 frames of clips that are alike within a prompt, and frames within a clip."""
    import numpy as np

    of_prompt = random.beta(2 * true, 2 * (1 - true), (*shape[:2], 1))
    of_clip = random.beta(np.maximum(6 * of_prompt, 1e-9), np.maximum(6 * (1 - of_prompt), 1e-9), shape)
    return random.binomial(16, of_clip) / 16


def _beta(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """Most prompts all but at one end, samples alike."""
    return _repeated(random.beta(true / 2, (1 - true) / 2, (*shape[:2], 1)), shape)


def _exponential(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """From the nearer end, samples alike, cut at the other end."""
    distance = _repeated(random.exponential(min(true, 1 - true), (*shape[:2], 1)), shape).clip(max=1.0)
    return distance if true <= 0.5 else 1 - distance


def _exponential_mean(true: float) -> float:
    near = min(true, 1 - true)
    mean = near * (1 - math.exp(-1 / near))
    return mean if true <= 0.5 else 1 - mean


def _log_normal(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """From the nearer end, logarithms of deviation 1 of which prompts make 81 %, cut at the other end."""
    import numpy as np

    logarithm = 0.9 * random.normal(size=(*shape[:2], 1)) + math.sqrt(0.19) * random.normal(size=shape)
    distance = np.minimum(min(true, 1 - true) * np.exp(logarithm - 0.5), 1.0)
    return distance if true <= 0.5 else 1 - distance


def _log_normal_mean(true: float) -> float:
    near = min(true, 1 - true)
    cut = 0.5 - math.log(near)
    mean = near * _below(cut - 1) + 1 - _below(cut)
    return mean if true <= 0.5 else 1 - mean


def _far(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """Exponential as well, but far from both ends where there is room."""
    near = min(true, 1 - true)
    value = near + min(near, 0.04) * (_repeated(random.exponential(1.0, (*shape[:2], 1)), shape) - 1)
    return value if true <= 0.5 else 1 - value


def _far_log_normal(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """Log-normal of deviation 1, far from both ends where there is room."""
    import numpy as np

    near = min(true, 1 - true)
    drawn = np.exp(_repeated(random.normal(size=(*shape[:2], 1)), shape))
    value = near + min(near / math.exp(0.5), 0.02) * (drawn - math.exp(0.5))
    return value if true <= 0.5 else 1 - value


def _rare(random: np.random.Generator, true: float, shape: Shape) -> Reals:
    """All but alike near one end, but for few prompts at the other: 10 prompts seldom show one."""
    import numpy as np

    near = min(true, 1 - true)
    other = _alike(random, near, shape) > 0
    distance = np.where(other, 1.0, 0.01 * random.gamma(4.0, 0.25, shape))
    return distance if true <= 0.5 else 1 - distance


def _rare_mean(true: float) -> float:
    near = min(true, 1 - true)
    mean = near + 0.01 * (1 - near)
    return mean if true <= 0.5 else 1 - mean


def _repeated(of_prompt: Reals, shape: Shape) -> Reals:
    import numpy as np

    return np.repeat(of_prompt, shape[2], axis=2)


def _below(quantile: float) -> float:
    """The standard normal distribution function."""
    return math.erfc(-quantile / math.sqrt(2)) / 2


DISTRIBUTIONS = {
    "binary, samples independent": Distribution(_binary, PROPORTIONS),
    "binary, samples alike": Distribution(_alike, PROPORTIONS),
    "beta-binomial": Distribution(_beta_binomial, PROPORTIONS),
    "normal": Distribution(_normal, PROPORTIONS),
    "skewed: frames": Distribution(_frames, SKEWED),
    "skewed: beta": Distribution(_beta, SKEWED),
    "skewed: exponential": Distribution(_exponential, SKEWED, _exponential_mean),
    "skewed: log-normal": Distribution(_log_normal, SKEWED, _log_normal_mean),
    "skewed: far from the ends": Distribution(_far, SKEWED),
    "beyond: log-normal far from the ends": Distribution(_far_log_normal, NOTHING),
    "beyond: alike but for rare failures": Distribution(_rare, NOTHING, _rare_mean),
}
COMPOSITES = {
    "composite: six binary tasks": Composite((_alike,) * 6, (1 / 6,) * 6, PROPORTIONS),
    "composite: six beta-binomial tasks": Composite((_beta_binomial,) * 6, (1 / 6,) * 6, PROPORTIONS),
    "composite: unlike parts": Composite(
        (_normal, _alike, _normal, _frames, _beta_binomial, _binary), (0.3, 0.1, 0.2, 0.1, 0.2, 0.1), UNLIKE
    ),
}


def promise_of(name: str) -> Promise:
    return (DISTRIBUTIONS.get(name) or COMPOSITES[name]).promise
