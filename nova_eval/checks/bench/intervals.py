"""How often the 95 % interval of a score contains the truth, simulated, beside what Student's t would cover."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nova_eval import files
from nova_eval.adapters.intervals import FRACTION, Spread, combined, limits, spread_from, student
from nova_eval.checks.bench.distributions import COMPOSITES, DISTRIBUTIONS, NOTHING, Promise, promise_of
from nova_eval.checks.bench.options import IntervalsBench
from nova_eval.checks.bench.written import percent, to_csv, to_markdown
from nova_eval.errors import unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Shape = tuple[int, int, int]

_FRAMES = (4, 17)  # weights of pooled frames: clips of 4 to 16
_SCORES_AT_ONCE = 2_000_000  # bounds memory


class Design(NamedTuple):
    """Where on the grid: ``weights`` are equal, or vary as those of pooled frames do."""

    distribution: str
    weights: str
    prompts: int
    samples: int
    true: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found at a point of the grid. Coverages are shares of the repetitions, widths their means."""

    distribution: str
    weights: str
    prompts: int
    samples: int
    true: float
    coverage: float
    width: float
    student_coverage: float
    student_width: float
    repetitions: int

    def keeps(self, promise: Promise) -> bool:
        """Whether the promise holds, but for three standard errors of the simulation at its ends."""
        slack = [3 * math.sqrt(end * (1 - end) / self.repetitions) for end in promise]
        return promise.lowest - slack[0] <= self.coverage <= promise.highest + slack[1]


def measure(asked: IntervalsBench, say: Callable[[str], None]) -> list[Outcome]:
    """A cell a point of the grid; equal seeds give equal cells, whatever else is asked for."""
    names = asked.distributions or (*DISTRIBUTIONS, *COMPOSITES)
    for name in names:
        if name not in DISTRIBUTIONS and name not in COMPOSITES:
            raise unknown("distribution", name, (*DISTRIBUTIONS, *COMPOSITES))
    cells = []
    for name in names:
        say(f"{name}: {asked.repetitions} repetitions a point")
        weights = ("equal",) if name in COMPOSITES else ("equal", "of frames")
        grid = itertools.product((name,), weights, asked.prompts, asked.samples, asked.truths)
        cells += [_cell(asked, Design(*point)) for point in grid]
    return cells


def _cell(asked: IntervalsBench, point: Design) -> Outcome:
    import numpy as np

    random = np.random.default_rng([asked.seed, zlib.crc32(repr(tuple(point)).encode())])
    if point.distribution in COMPOSITES:
        composite = COMPOSITES[point.distribution]
        draws, coefficients, truth = composite.draws, composite.coefficients, point.true
    else:
        one = DISTRIBUTIONS[point.distribution]
        draws, coefficients, truth = (one.draw,), (1.0,), one.mean(point.true)
    at_once = max(1, _SCORES_AT_ONCE // (point.prompts * point.samples * len(draws)))
    covered, widths = np.zeros(2), np.zeros(2)
    for done in range(0, asked.repetitions, at_once):
        shape = (min(at_once, asked.repetitions - done), point.prompts, point.samples)
        parts = [draw(random, point.true, shape) for draw in draws]
        weights = [_weights(random, point, shape) for _ in parts]
        value, spread = simulated(list(zip(coefficients, parts, weights, strict=True)))
        ours, students = limits(value, spread), student(value, spread.clustered, spread.freedom)
        covered += [
            np.count_nonzero((low <= truth + 1e-12) & (truth - 1e-12 <= high)) for low, high in (ours, students)
        ]
        widths += [np.sum(high - low) for low, high in (ours, students)]
    shares, means = covered / asked.repetitions, widths / asked.repetitions
    return Outcome(
        *point,
        coverage=float(shares[0]),
        width=float(means[0]),
        student_coverage=float(shares[1]),
        student_width=float(means[1]),
        repetitions=asked.repetitions,
    )


def _weights(random: np.random.Generator, point: Design, shape: Shape) -> Reals:
    import numpy as np

    return np.ones(shape) if point.weights == "equal" else frame_weights(random, shape)


def frame_weights(random: np.random.Generator, shape: Shape) -> Reals:
    """Weights of pooled frames."""
    return random.integers(*_FRAMES, shape).astype(float)


def simulated(parts: Sequence[tuple[float, Reals, Reals]]) -> tuple[Reals, Spread]:
    """Values and spreads of all repetitions at once, from (coefficient, scores, weights) of each part.

    Scores and weights are (repetitions, prompts, samples); what comes out is what ``reduce`` makes of the rows.
    """
    import numpy as np

    found = [(coefficient, *moments(scores, weights)) for coefficient, scores, weights in parts]
    if len(found) == 1 and found[0][0] == 1:
        return found[0][1], found[0][2]
    value: Reals = np.sum([coefficient * mean for coefficient, mean, _, _ in found], axis=0)
    pulls = np.concatenate([coefficient * pull for coefficient, _, _, pull in found], axis=1)
    terms = [(coefficient, spread) for coefficient, _, spread, _ in found]
    return value, combined(terms, 0.0, np.square(pulls).sum(axis=1))


def moments(values: Reals, weights: Reals) -> tuple[Reals, Spread, Reals]:
    """The ratio mean of each repetition, its spread and the pulls of its prompts: what the rows of a run give."""
    import numpy as np

    _, prompts, samples = values.shape
    of_prompt, total = weights.sum(axis=2), weights.sum(axis=(1, 2))
    mean = (weights * values).sum(axis=(1, 2)) / total
    pulls = (weights * values).sum(axis=2) - mean[:, None] * of_prompt
    pulls *= math.sqrt(prompts / (prompts - 1)) / total[:, None]
    count = prompts * samples
    deviations = np.square(weights * (values - mean[:, None, None])).sum(axis=(1, 2))
    independent = deviations / total**2 * count / (count - 1)
    spread = spread_from(
        mean,
        FRACTION,
        clustered=np.square(pulls).sum(axis=1),
        independent=independent,
        of_one_sample=independent * total**2 / np.square(weights).sum(axis=(1, 2)),
        effective_prompts=total**2 / np.square(of_prompt).sum(axis=1),
        cubes=(pulls * np.square(pulls)).sum(axis=1),
        prompts=prompts,
    )
    return mean, spread, pulls


def lines(cells: Sequence[Outcome]) -> str:
    """A Markdown table: of each distribution, weights and number of prompts the cells that cover least and most."""
    head = ["distribution", "weights", "prompts", "covers least", "at (samples, true value)", "covers most"]
    head += ["mean width", "Student's t covers least", "its mean width", "promised", "kept"]
    groups: dict[tuple[str, str, int], list[Outcome]] = {}
    for cell in cells:
        groups.setdefault((cell.distribution, cell.weights, cell.prompts), []).append(cell)
    rows = []
    for (name, weights, prompts), group in groups.items():
        promise = promise_of(name)
        least = min(group, key=lambda cell: cell.coverage)
        rows.append(
            [
                name,
                weights,
                str(prompts),
                percent(least.coverage),
                f"{least.samples}, {least.true:g}",
                percent(max(cell.coverage for cell in group)),
                f"{_mean(cell.width for cell in group):.4f}",
                percent(min(cell.student_coverage for cell in group)),
                f"{_mean(cell.student_width for cell in group):.4f}",
                "nothing" if promise is NOTHING else f"{100 * promise.lowest:g} to {100 * promise.highest:g} %",
                "" if promise is NOTHING else "yes" if all(cell.keeps(promise) for cell in group) else "no",
            ]
        )
    return to_markdown(head, rows, words=2)


def write(folder: Path, cells: Sequence[Outcome]) -> list[Path]:
    """``coverage.csv`` with every cell and ``coverage.md`` with the table; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        files.write(folder / "coverage.csv", to_csv(cells)),
        files.write(folder / "coverage.md", lines(cells) + "\n"),
    ]


def _mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return math.fsum(found) / len(found)
