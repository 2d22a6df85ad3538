"""What the samples say of one metric's difference before anything is claimed: interval, tests, correlation."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nova_eval.adapters.compose import formula
from nova_eval.adapters.intervals import UNBOUNDED, Spread, limits, spread_from
from nova_eval.compare.bootstrap import bca
from nova_eval.compare.flips import sign_flip
from nova_eval.compare.power import LEVEL, Thinning, detectable
from nova_eval.records import Interval, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nova_eval.config import BenchmarkConfig

    Reals = NDArray[np.float64]


_NO_LIMIT = 1e-9  # a level so small that quantiles of it say nothing


@dataclass(frozen=True, slots=True)
class Evidence:
    """``value`` is run − reference, positive where the run is better.

    ``interval`` is of 95 % and two-sided, ``least`` the lower limit of a one-sided one, of 95 % unless another level is
    asked for. ``p_worse`` and ``p_better`` are one-sided sign-flip tests against no difference. ``error`` is the
    standard error, of ``freedom`` degrees. ``correlation`` is that of the two sides' prompts: pairing takes away that
    share of the variance.
    """

    value: float
    error: float
    freedom: float
    interval: Interval | None
    least: float | None
    bca: Interval | None
    p_worse: float
    p_better: float
    correlation: float | None
    prompts: int
    one_sided: int
    thinning: Thinning | None = None

    def detectable(self, tests: float = 1) -> float | None:
        """``power.detectable`` of these facts."""
        return detectable(self.error, self.freedom, self.prompts, tests, self.thinning)


def evidence(
    reference: Metric,
    run: Metric,
    config: BenchmarkConfig,
    level: float = LEVEL,
    *,
    resampling: bool = True,
    right_or_wrong: bool = False,
) -> Evidence | None:
    """From the pulls of prompts on both sides; ``None`` where a value, or what its prompts pull, is not known.

    ``level`` is that of the one-sided limit. ``right_or_wrong`` says that every score is 0 or 1.
    """
    if reference.value is None or run.value is None or not (reference.influence and run.influence):
        return None
    import numpy as np

    sign = 1.0 if run.higher_is_better else -1.0
    names = sorted(reference.influence.keys() | run.influence.keys())
    before, after = (sign * np.array([side.influence.get(name, 0.0) for name in names]) for side in (reference, run))
    thinning = thinning_of(run.value, run.samples, before, after) if right_or_wrong and run.value > 0 else None
    return evidence_of(
        sign * (run.value - reference.value),
        before,
        after,
        width=_width(config, run.name),
        composite=run.name in config.composites,
        one_sided=len(reference.influence.keys() ^ run.influence.keys()),
        random=np.random.default_rng(zlib.crc32(run.name.encode())),
        level=level,
        resampling=resampling,
        thinning=thinning,
    )


def thinning_of(share: float, samples: int, before: Reals, after: Reals) -> Thinning:
    """Of a run of which a ``share`` of so many samples is right, from the pulls of prompts on both sides."""
    import numpy as np

    return Thinning(
        value=share,
        within=share / samples,
        between=math.fsum(np.square(after)),
        shared=math.fsum((after - before) * after),
        step=1 / samples,
    )


def evidence_of(
    value: float,
    before: Reals,
    after: Reals,
    *,
    width: float,
    composite: bool,
    random: np.random.Generator,
    level: float = LEVEL,
    resampling: bool = True,
    one_sided: int = 0,
    thinning: Thinning | None = None,
) -> Evidence:
    """From the pulls ``before`` and ``after`` of the same prompts; a difference is at most ``width`` either way.

    A composite's degrees of freedom are as many as prompts of equal pull would be worth. ``bca`` is ``None`` without
    ``resampling``, ``least`` where ``level`` is so small that no limit is known.
    """
    import numpy as np

    pulls = after - before
    count = len(pulls)
    variance = math.fsum(np.square(pulls))
    freedom = float(count - 1)
    if composite and variance > 0:
        freedom = min(freedom, max(1.0, 3 * variance**2 / math.fsum(np.square(np.square(pulls)))))
    bounds = (-width, width) if math.isfinite(width) else None
    cubes = math.fsum(pulls * np.square(pulls))

    def spread(tail: float) -> Spread:
        found = spread_from(
            value,
            bounds,
            clustered=variance,
            independent=variance,
            of_one_sample=variance * count,
            effective_prompts=float(count),
            cubes=cubes,
            prompts=count,
            tail=tail,
        )
        return replace(found, freedom=freedom)

    usual = spread(LEVEL / 2)
    low, high = (float(end) for end in limits(value, usual))
    wide = spread(level) if _NO_LIMIT < level < LEVEL / 2 else usual
    least = float(limits(value, wide, level)[0]) if level > _NO_LIMIT else -math.inf
    centred = pulls - math.fsum(pulls) / count
    parts = centred * (1.0 if composite else math.sqrt((count - 1) / count)) + value / count
    low_tail, high_tail = sign_flip(parts, random)
    size = math.sqrt(math.fsum(np.square(before)) * math.fsum(np.square(after)))
    return Evidence(
        value=value,
        error=math.sqrt(variance),
        freedom=freedom,
        interval=Interval(low, high) if math.isfinite(high - low) else None,
        least=least if math.isfinite(least) else None,
        bca=bca(value, centred, random) if resampling else None,
        p_worse=low_tail,
        p_better=high_tail,
        correlation=math.fsum(before * after) / size if size > 0 else None,
        prompts=count,
        one_sided=one_sided,
        thinning=thinning,
    )


def _width(config: BenchmarkConfig, name: str) -> float:
    """How large a difference of a metric can be; infinite where it has no range."""
    if name in config.composites:
        parts = formula(config, name).coefficients
        return math.fsum(abs(slope) * _width(config, part) for part, slope in parts.items())
    low, high = config.dimensions[name].bounds if name in config.dimensions else UNBOUNDED
    return high - low
