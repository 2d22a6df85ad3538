"""What people say who do not know which side is which, joined with what judges say of the same samples.

A vote counts 1 for the run, 0 for the reference and ½ where there is no difference; prompts are averaged first.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.adapters.intervals import FEWEST_PROMPTS, FRACTION, limits, spread_of, student
from nova_eval.compare.flips import sign_flip
from nova_eval.compare.pairing import Pairing
from nova_eval.errors import UsageError
from nova_eval.records import Interval, SampleKey, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

SCHEMA = 1
KIND = "nova_eval votes"
Word: TypeAlias = Literal["left", "right", "same", "skip"]


class _Vote(TypedDict):
    key: tuple[str, Annotated[int, Field(ge=0)]]
    check: str
    vote: Word


class BlindVotes(TypedDict):
    """A file of votes. ``report`` is the page's, ``check`` a pair's ``mark``."""

    kind: Literal["nova_eval votes"]
    schema: Literal[1]
    report: str
    seed: int
    votes: list[_Vote]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share from 0 to 1 over ``prompts`` prompts and so many ``votes``, with its 95 % interval.

    ``reason`` says why there is no value, or no interval.
    """

    value: float | None
    interval: Interval | None
    prompts: int
    votes: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Votes:
    """What votes say of a run beside the reference.

    ``preferred`` is the share for the run, of which ``p`` is the two-sided sign-flip test against one half. ``powered``
    is the same over all prompts, where judges stand in for votes that were not cast, as far as they are worth it:
    ``trust`` says how far, from 0 to 1. ``agreement`` says by metric how often votes that decide are those of the
    judge. ``strange`` votes are on other samples than the two runs have, and are left out.
    """

    files: int
    cast: int
    skipped: int
    strange: int
    preferred: Estimate
    p: float | None
    powered: Estimate
    trust: float | None
    agreement: Mapping[str, Estimate]


def mark(seed: int, key: SampleKey, left: str, right: str) -> str:
    """What tells of a pair which samples were shown, and on which side: by the digests of their bytes, with no name."""
    told = f"{seed} {key.prompt_id} {key.index} {left} {right}"
    return sha256(told.encode()).hexdigest()[:16]


def read(path: Path) -> BlindVotes:
    """What a blind report saved. UsageError, in one line, for anything else."""
    return reading.json_file(path, BlindVotes, remedy="save it from a blind report: nova-eval report A B --blind")


def joined(pairing: Pairing, paths: Sequence[Path]) -> Votes:
    """The votes of all files. UsageError for a file that holds none, one pair twice, or none on these two runs."""
    found: list[tuple[SampleKey, float]] = []
    skipped = strange = 0
    before, after = pairing.reference.digests, pairing.run.digests
    for path in paths:
        told = read(path)
        keys = [SampleKey(*one["key"]) for one in told["votes"]]
        if twice := next((key for key, number in Counter(keys).items() if number > 1), None):
            raise UsageError(f"{path}: {twice.prompt_id} [{twice.index}] is voted on twice", remedy="keep one of them")
        for key, one in zip(keys, told["votes"], strict=True):
            mine, other = before.get(key, ""), after.get(key, "")
            if one["check"] == mark(told["seed"], key, mine, other):
                right_is_run = True
            elif one["check"] == mark(told["seed"], key, other, mine):
                right_is_run = False
            else:
                strange += 1
                continue
            if one["vote"] == "skip":
                skipped += 1
            else:
                found.append((key, _worth(one["vote"], right_is_run=right_is_run)))
    if not found and not skipped:
        where = ", ".join(map(str, paths))
        what = "holds no votes" if not strange else f"holds {strange} votes, all on other samples"
        raise UsageError(f"{where}: {what}", remedy="name the two runs that the blind report was made of")
    changes = _changes(pairing)
    by_prompt = _by_prompt(found)
    preferred = share(by_prompt)
    powered, trust = _powered(by_prompt, _judged(changes))
    agreement = {
        name: share(_by_prompt([(key, float(_agree(vote, of[key]))) for key, vote in found if _both(vote, of, key)]))
        for name, of in changes.items()
    }
    return Votes(
        files=len(paths),
        cast=len(found),
        skipped=skipped,
        strange=strange,
        preferred=preferred,
        p=_p([sum(votes) / len(votes) for votes in by_prompt.values()]),
        powered=powered,
        trust=trust,
        agreement=agreement,
    )


def share(by_prompt: Mapping[str, Sequence[float]]) -> Estimate:
    """The mean over prompts of their votes' means."""
    votes, count = sum(map(len, by_prompt.values())), len(by_prompt)
    if not count:
        return Estimate(None, None, 0, 0, "nobody decided on a sample that it tells apart")
    means = {name: math.fsum(given) / len(given) for name, given in by_prompt.items()}
    value = math.fsum(means.values()) / count
    if count < FEWEST_PROMPTS:
        return Estimate(value, None, count, votes, f"fewer than {FEWEST_PROMPTS} prompts")
    pulls = {name: (mean - value) / math.sqrt(count * (count - 1)) for name, mean in means.items()}
    spread = spread_of(value, {name: [(1.0, mean)] for name, mean in means.items()}, pulls, FRACTION)
    low, high = limits(value, spread)
    return Estimate(value, Interval(float(low), float(high)), count, votes)


def prediction_powered(voted: Reals, judged: Reals, elsewhere: Reals) -> tuple[float, Interval, float]:
    """The mean of votes over all prompts of a kind, its 95 % interval, and how far judges were trusted (0 to 1).

    ``voted`` and ``judged`` are votes and what judges say of the same prompts, drawn at random; ``elsewhere`` is what
    they say of prompts without votes. θ = mean(voted − λ·judged) + λ·mean(elsewhere), which is right on average
    whatever judges are worth, with the λ of least variance. Its variance is that of the two means.
    Sources: A. N. Angelopoulos and others, Prediction-powered inference, Science 382 (2023) 669–674 (arXiv
    2301.09633), for the mean; PPI++ (arXiv 2311.01453), for λ = Cov(voted, judged) / ((1 + n/N) Var(judged)).
    """
    import numpy as np

    count, others = len(voted), len(elsewhere)
    spread = float(np.var(np.concatenate([judged, elsewhere]), ddof=1))
    trust = float(np.cov(voted, judged, ddof=1)[0, 1]) / ((1 + count / others) * spread) if spread > 0 else 0.0
    trust = min(max(trust, 0.0), 1.0)
    value = float(np.mean(voted - trust * judged) + trust * np.mean(elsewhere))
    variance = float(np.var(voted - trust * judged, ddof=1)) / count + trust**2 * float(np.var(elsewhere)) / others
    low, high = (float(end) for end in student(value, variance, count - 1))
    value = min(max(value, 0.0), 1.0)
    return value, Interval(min(max(low, 0.0), value), max(min(high, 1.0), value)), trust


def _worth(vote: Word, *, right_is_run: bool) -> float:
    return 0.5 if vote == "same" else float((vote == "right") == right_is_run)


def _by_prompt(found: Sequence[tuple[SampleKey, float]]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for key, value in found:
        groups.setdefault(key.prompt_id, []).append(value)
    return groups


def _changes(pairing: Pairing) -> dict[str, dict[SampleKey, float]]:
    """By metric how much better each sample is than that of the reference, where both have a score."""
    benchmark = pairing.reference.benchmark
    sides: list[dict[tuple[str, SampleKey], Score]] = []
    for side, rows in zip((pairing.reference, pairing.run), pairing.rows, strict=True):
        counted = benchmark.rows(pairing.prompts, pairing.wanted, rows, side.scoring)
        sides.append({(row.metric, row.key): row for row in counted if row.value is not None})
    found: dict[str, dict[SampleKey, float]] = {}
    for place, row in sides[1].items():
        other = sides[0].get(place)
        known = benchmark.config.dimensions.get(row.metric)
        if other is not None and row.value is not None and other.value is not None:
            sign = 1.0 if known is None or known.higher_is_better else -1.0
            found.setdefault(row.metric, {})[row.key] = sign * (row.value - other.value)
    order = [name for name in benchmark.config.dimensions if name in found]
    return {name: found[name] for name in (*order, *(name for name in found if name not in order))}


def _judged(changes: Mapping[str, Mapping[SampleKey, float]]) -> dict[str, float]:
    """What judges would vote, by prompt: the share of scores that are better for the run, equal ones as ½."""
    votes = [(key, 0.5 if not by else float(by > 0)) for of in changes.values() for key, by in of.items()]
    return {name: math.fsum(values) / len(values) for name, values in _by_prompt(votes).items()}


def _powered(by_prompt: Mapping[str, Sequence[float]], judged: Mapping[str, float]) -> tuple[Estimate, float | None]:
    import numpy as np

    both = [name for name in by_prompt if name in judged]
    elsewhere = [judged[name] for name in judged if name not in by_prompt]
    votes = sum(len(by_prompt[name]) for name in both)
    total = len(both) + len(elsewhere)
    if len(both) < FEWEST_PROMPTS:
        return Estimate(None, None, total, votes, f"fewer than {FEWEST_PROMPTS} prompts with votes and scores"), None
    if len(elsewhere) < FEWEST_PROMPTS:
        return Estimate(None, None, total, votes, "hardly a prompt is without votes"), None
    voted = np.array([math.fsum(by_prompt[name]) / len(by_prompt[name]) for name in both])
    value, interval, trust = prediction_powered(voted, np.array([judged[n] for n in both]), np.array(elsewhere))
    if not interval.high > interval.low:
        return Estimate(value, None, total, votes, "all votes are alike"), trust
    return Estimate(value, interval, total, votes), trust


def _both(vote: float, of: Mapping[SampleKey, float], key: SampleKey) -> bool:
    return vote != 0.5 and bool(of.get(key))


def _agree(vote: float, by: float) -> bool:
    return (vote > 0.5) == (by > 0)


def _p(means: Sequence[float]) -> float | None:
    import numpy as np

    if len(means) < 2:
        return None
    parts = np.array(means) - 0.5
    low, high = sign_flip(parts, np.random.default_rng(zlib.crc32(b"votes")))
    return min(1.0, 2 * min(low, high))
