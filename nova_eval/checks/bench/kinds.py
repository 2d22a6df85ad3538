"""Kinds of scores of a dimension, drawn for two runs at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nova_eval.checks.bench.distributions import DISTRIBUTIONS
from nova_eval.checks.bench.intervals import frame_weights
from nova_eval.config import facts_of, read_benchmark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

SAMPLES = 5


class Kind(NamedTuple):
    """Scores of one dimension: prompts that both runs share, drawn from ``distribution`` around ``true``.

    The run is worse by ``drop``: right answers become wrong ones by chance, other scores move.
    """

    distribution: str
    true: float
    drop: float = 0.0
    framed: bool = False

    @property
    def right_or_wrong(self) -> bool:
        return "binary" in self.distribution or "binomial" in self.distribution


PLAIN = Kind("normal", 0.7)
SKEWED = Kind("skewed: log-normal", 0.9)
WEIGHTED = Kind("skewed: frames", 0.7, framed=True)
BINARY = Kind("beta-binomial", 0.7)
FEW_WRONG = Kind("beta-binomial", 0.9)

_KINDS = {"frames": WEIGHTED, "right": BINARY, "plain": PLAIN}
_OF_VBENCH = {
    "dynamic_degree": "right",
    "object_class": "frames",
    "multiple_objects": "frames",
    "human_action": "right",
    "color": "frames",
    "spatial_relationship": "frames",
    "scene": "frames",
}
"""The dimensions of VBench that are no plain means."""


def kinds_of_vbench() -> dict[str, Kind]:
    """Of each dimension of VBench."""
    return {name: _KINDS[_OF_VBENCH.get(name, "plain")] for name in read_benchmark(facts_of("vbench")).dimensions}


class Drawn(NamedTuple):
    """Scores and weights of one run: each (repetitions, prompts, samples)."""

    scores: Reals
    weights: Reals


def drawn(kind: Kind, random: np.random.Generator, repetitions: int, prompts: int, drop: float) -> tuple[Drawn, Drawn]:
    """The reference and the run, which is worse by ``drop``."""
    import numpy as np

    distribution = DISTRIBUTIONS[kind.distribution]
    both = distribution.draw(random, kind.true, (repetitions, prompts, 2 * SAMPLES))
    before, after = both[:, :, :SAMPLES], both[:, :, SAMPLES:]
    if kind.right_or_wrong:
        after = after * (random.random(after.shape) >= drop / distribution.mean(kind.true))
    else:
        after = after - drop
    weights = [frame_weights(random, before.shape) if kind.framed else np.ones(before.shape) for _ in range(2)]
    return Drawn(before, weights[0]), Drawn(after, weights[1])
