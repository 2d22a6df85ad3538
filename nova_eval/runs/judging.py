"""Which scorers of a run can work: those whose judge is at hand, as far as one looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nova_eval.engines.units import ScorerPlan
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.judges import JUDGES, filed_under
from nova_eval.protocols import Scorer, is_light
from nova_eval.runs import known_judges
from nova_eval.weights import catalogue as weights

_FEW = 2  # judges that are named one by one in a command


class AtHand(NamedTuple):
    """What is known of a judge that can be had. ``digest`` is ``None`` where its weights were not read."""

    digest: str | None
    light: bool


Look = Callable[[str], AtHand]
"""From a judge's name. NovaEvalError, with the reason, for a judge that cannot be had."""


@dataclass(frozen=True, slots=True)
class Judging:
    """The scorers whose judge is at hand, and why the others' is not (by scorer name).

    ``light``: no judge that is at hand uses an accelerator or much memory.
    """

    plans: tuple[ScorerPlan, ...]
    unavailable: Mapping[str, str]
    light: bool = True

    def over(self, other: Judging) -> Judging:
        """These, and of ``other`` the scorers that have no judge here."""
        plans = {plan.name: plan for plan in (*other.plans, *self.plans)}
        reasons = {name: why for name, why in {**other.unavailable, **self.unavailable}.items() if name not in plans}
        return Judging(tuple(plans.values()), reasons, self.light and other.light)


def made(judge: str) -> AtHand:
    """Makes the judge, which reads its weight files for their digest; imports nothing where one is missing.

    A judge that was made before, of the same files, need not be.
    """
    check_weights(judge)
    if (known := known_judges.recall(judge)) is not None:
        return AtHand(*known)
    judge_made = JUDGES.make(judge)
    found = AtHand(filed_under(judge, judge_made.digest), is_light(judge_made))
    known_judges.remember(judge, str(found.digest), light=found.light)
    return found


def named(judge: str) -> AtHand:
    """Looks whether the judge's files are here; imports nothing and reads none."""
    check_weights(judge)
    return AtHand(None, not weights.needs(judge))


class WeightsMissing(PrerequisiteError):
    """Files of a judge are not on this machine."""


def check_weights(judge: str) -> None:
    """WeightsMissing, with the command that brings them, where a judge's files are not here."""
    if files := weights.missing(judge):
        problem, remedy = _fetching(row.name for row in files)
        raise WeightsMissing(problem, remedy=remedy)


def _fetching(names: Iterable[str]) -> tuple[str, str]:
    return "weights are missing", f"python -m nova_eval weights fetch {' '.join(names)}"


def judging(
    scorers: Sequence[Scorer],
    judge_of: Mapping[str, str],
    look: Look,
    scored: Mapping[str, str] | None = None,
    benchmark: str = "",
) -> Judging:
    """Looks once at every judge that ``scorers`` ask. ``judge_of`` gives the judge of a role.

    A judge's digest names the folder of its scores; where it is not known, the folder is the one in ``scored`` (scorer
    name → folder of an earlier run), or has no name yet. Where the weights of several judges are missing, all of them
    have one reason, with the one command that brings them: those of ``benchmark`` where they are many.
    """
    seen: dict[str, AtHand] = {}
    plans: list[ScorerPlan] = []
    unavailable: dict[str, str] = {}
    without_weights: dict[str, str] = {}
    for scorer in scorers:
        judge = None if scorer.role is None else judge_of.get(scorer.role)
        folder = f"{scorer.name}@{scorer.version}-"
        if scorer.role is None:
            folder += "pixels"
        else:
            try:
                if judge is None:
                    raise UsageError(
                        f"no judge is named for the role {scorer.role!r}", remedy="name one in benchmark.toml"
                    )
                if judge not in JUDGES:
                    raise UsageError(f"judge {judge!r} is not known here", remedy="see `nova-eval list judges`")
                seen[judge] = seen.get(judge) or look(judge)
            except WeightsMissing:
                without_weights[scorer.name] = str(judge)
                continue
            except NovaEvalError as error:
                unavailable[scorer.name] = str(error)
                continue
            digest, earlier = seen[judge].digest, (scored or {}).get(scorer.name, "")
            if digest is not None:
                folder += digest[:8]
            else:
                folder = earlier if earlier.startswith(folder) else f"{folder}new"
        plans.append(ScorerPlan(scorer.name, folder, judge))
    judges = list(dict.fromkeys(without_weights.values()))
    what, remedy = _fetching([benchmark] if benchmark and len(judges) > _FEW else judges)
    unavailable |= dict.fromkeys(without_weights, f"{what}; {remedy}")
    return Judging(tuple(plans), unavailable, all(judge.light for judge in seen.values()))
