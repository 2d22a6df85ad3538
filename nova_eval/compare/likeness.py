"""How two runs differ in what they say of themselves, and whether their scores can stand beside each other."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from nova_eval.compare.sides import Side
from nova_eval.errors import UsageError, unknown

LIKE = ("version", "variant", "prompts", "scoring", "scorers", "judges", "codec")
"""In what runs must be alike unless ``--allow`` says otherwise."""

_PLACES = {
    "benchmark.version": "version",
    "spec.variant": "variant",
    "suite.digest": "prompts",
    "options.scoring": "scoring",
    "spec.codec": "codec",
}
FOLDERS = ("results", "mirror")
"""The options that say where things lie on a machine."""

_NOT_SAID = (
    "check",
    "schema",
    "run",
    "started",
    "finished",
    "part.",
    "coverage.",
    "metrics.",
    "suite.file",
    "identity",
)
"""What names, dates or counts a run, and what the comparison says better."""

_FOLDERS = tuple(f"options.{name}" for name in FOLDERS)

ABSENT = "–"


class Difference(NamedTuple):
    """One place in the manifests. ``what`` is the word of ``LIKE`` that it falls under, empty for all else."""

    place: str
    reference: str
    run: str
    what: str = ""


def differences(reference: Side, run: Side) -> list[Difference]:
    """Every difference of the two manifests, what makes runs unlike first."""
    before, after = (dict(flat(side.manifest)) for side in (reference, run))
    found = list(_of_scorers(reference.manifest, run.manifest))
    for place in sorted(before.keys() | after.keys()):
        one, other = before.get(place, ABSENT), after.get(place, ABSENT)
        if one != other and not place.startswith((*_NOT_SAID, *_FOLDERS, "scorers.", "judges.")):
            found.append(Difference(place, one, other, _PLACES.get(place, "")))
    return sorted(found, key=lambda one: (not one.what, LIKE.index(one.what) if one.what else 0))


def checked(reference: Side, run: Side, allowed: Collection[str]) -> list[Difference]:
    """``differences``, once nothing stands against a comparison. UsageError otherwise, with what does."""
    for word in allowed:
        if word not in LIKE:
            raise unknown("thing to --allow", word, LIKE)
    if reference.benchmark.config.name != run.benchmark.config.name:
        raise UsageError(
            f"{reference.name} is of {reference.benchmark.config.name}, {run.name} of {run.benchmark.config.name}",
            remedy="compare runs of one benchmark",
        )
    if reference.where.resolve() == run.where.resolve():
        raise UsageError(f"{run.where} is named twice", remedy="name the reference, then another run")
    found = differences(reference, run)
    against = [one for one in found if one.what and one.what not in allowed]
    if against:
        told = "; ".join(f"{one.what} ({one.place}: {brief(one.reference)}, {brief(one.run)})" for one in against[:4])
        more = f" and {len(against) - 4} more" if len(against) > 4 else ""
        needed = " ".join(dict.fromkeys(one.what for one in against))
        raise UsageError(
            f"{reference.name} and {run.name} cannot be compared, they differ in {told}{more}",
            remedy=f"make them alike, or say that it is meant: --allow {needed}",
        )
    return found


def _of_scorers(reference: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[Difference]:
    """Scorers that both have: another version of the rule, or another judge. And those that only one has."""
    before, after = reference.get("scorers", {}), run.get("scorers", {})
    for name in sorted(before.keys() ^ after.keys()):
        yield Difference(f"scorers.{name}", before.get(name, ABSENT), after.get(name, ABSENT))
    for name in sorted(before.keys() & after.keys()):
        (rule, _, judge), (other_rule, _, other_judge) = before[name].rpartition("-"), after[name].rpartition("-")
        if rule != other_rule:
            yield Difference(f"scorers.{name}", rule, other_rule, "scorers")
        if judge != other_judge:
            names = reference.get("judges", {}).get(name), run.get("judges", {}).get(name)
            one, other = (
                " ".join(filter(None, (word, key))) for word, key in zip(names, (judge, other_judge), strict=True)
            )
            yield Difference(f"judges.{name}", one, other, "judges")


def flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a manifest by its place, such as ``spec.sampler.name``, as text."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{place}.{key}" if place else str(key))
    else:
        yield place, value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def brief(text: str) -> str:
    """A value of a manifest for a line: digests and the like by their beginning."""
    return text if len(text) <= 40 else f"{text[:12]}…"
