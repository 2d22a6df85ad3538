"""What stopping early costs and saves, on runs whose truth is known: simulated, or drawn from measured differences."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.checks.bench.intervals import moments
from nova_eval.checks.bench.kinds import drawn, kinds_of_vbench
from nova_eval.checks.bench.measured import contributions
from nova_eval.checks.bench.written import percent, to_markdown
from nova_eval.compare.evidence import Evidence, evidence_of
from nova_eval.compare.pairing import Pairing
from nova_eval.compare.power import LEVEL, holm
from nova_eval.compare.sequential import obrien_fleming
from nova_eval.compare.stopping import ANYTIME, GROUPS, Claims, Rule, Seen, least_level, look, looks_of, spent_by
from nova_eval.compare.verdicts import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

GATE = 3.0
"""Standard errors of the whole comparison that a gate is: as ``gates calibrate`` proposes."""

LATE = GROUPS._replace(name="five looks, alpha spent late for no worse", no_worse=spent_by(obrien_fleming))
"""What the default rule is not, for what it would find and cost."""

FALL = 2.5
"""Gates that two dimensions are down by, where any are."""

_SHARED = (
    ("subject_consistency", "dynamic_degree", "motion_smoothness"),
    ("scene", "background_consistency"),
    ("overall_consistency", "aesthetic_quality", "imaging_quality"),
)
SETS = {name: names for names in _SHARED for name in names}
"""The dimensions of VBench that share their prompts."""

PROMPTS = {"subject_consistency": 72, "temporal_flickering": 75, "object_class": 79, "multiple_objects": 82}
PROMPTS |= {"human_action": 100, "color": 85, "spatial_relationship": 84, "scene": 86, "appearance_style": 90}
PROMPTS |= {"temporal_style": 100, "overall_consistency": 93}
"""The official numbers of VBench's prompts, each shared set once, under its first name."""

_USUAL = 90
"""Prompts of a dimension of another benchmark: about GenEval's."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Of comparisons by one rule, as shares: any false alarm, and what was found of two dimensions that are down.

    ``found`` counts those that established one of the two, ``both`` those that named both where every dimension is
    decided; ``cleared`` is the mean share of unchanged dimensions said to keep to their gate. The same of ``whole`` is
    by one look at all prompts. ``used`` is the mean share of prompts until something is worse or all is decided,
    ``used_every`` until all is; ``own`` is what an unchanged dimension takes of its own prompts, whichever it shares.
    """

    spreads: str
    rule: str
    down: int
    false_alarms: float
    whole_false_alarms: float
    found: float | None
    whole_found: float | None
    both: float | None
    whole_both: float | None
    cleared: float
    whole_cleared: float
    used: float
    used_every: float
    own: float
    repetitions: int


Run = Callable[[str, int], "tuple[float, Reals, Reals]"]
"""From a dimension and so many of its prompts: the difference, and the pulls of prompts on both sides."""


class Simulated:
    """VBench's dimensions, or ``some``, at their official numbers of prompts, as ``compare`` is studied on."""

    name = "simulated"

    def __init__(self, some: Collection[str] = ()) -> None:
        self.kinds = {name: kind for name, kind in kinds_of_vbench().items() if not some or name in some}
        self.prompts = {name: PROMPTS[SETS.get(name, (name,))[0]] for name in self.kinds}
        sets = dict.fromkeys(tuple(n for n in SETS.get(name, (name,)) if n in self.kinds) for name in self.kinds)
        self.shared = tuple(sets)
        self.errors = {name: self._error(name) for name in self.kinds}

    def _error(self, name: str) -> float:
        """The standard error of the whole comparison, from a pilot."""
        import numpy as np

        random = np.random.default_rng(zlib.crc32(name.encode()))
        pulls = [moments(*side)[2] for side in drawn(self.kinds[name], random, 200, self.prompts[name], 0.0)]
        return math.sqrt(float(np.square(pulls[1] - pulls[0]).sum(axis=1).mean()))

    def run(self, random: np.random.Generator, down: Sequence[str]) -> Run:
        runs = {
            name: drawn(kind, random, 1, self.prompts[name], FALL * GATE * self.errors[name] if name in down else 0.0)
            for name, kind in self.kinds.items()
        }

        def upto(name: str, prompts: int) -> tuple[float, Reals, Reals]:
            (one, _, pulls), (other, _, others) = (
                moments(scores[:, :prompts], weights[:, :prompts]) for scores, weights in runs[name]
            )
            return float(other[0] - one[0]), pulls[0], others[0]

        return upto


class Measured:
    """As many prompts as officially, drawn from the differences that two runs have, each with either sign."""

    def __init__(self, pairing: Pairing) -> None:
        import numpy as np

        config = pairing.reference.benchmark.config
        self.name = f"{pairing.run.model} against {pairing.reference.model}, {config.name}"
        self.parts = {
            run.name: part * len(part)
            for reference, run in pairing.metrics
            if run.name in config.dimensions and len(part := contributions(reference, run)) > 1 and np.any(part)
        }
        self.prompts = {name: PROMPTS.get(SETS.get(name, (name,))[0], _USUAL) for name in self.parts}
        sets = dict.fromkeys(tuple(n for n in SETS.get(name, (name,)) if n in self.parts) for name in self.parts)
        self.shared = tuple(sets)
        self.errors = {
            name: math.sqrt(float(np.square(part).mean()) / self.prompts[name]) for name, part in self.parts.items()
        }

    def run(self, random: np.random.Generator, down: Sequence[str]) -> Run:
        import numpy as np

        runs = {}
        for name, part in self.parts.items():
            count = self.prompts[name]
            signs = random.integers(0, 2, count) * 2 - 1
            fall = FALL * GATE * self.errors[name] if name in down else 0.0
            runs[name] = part[random.integers(0, len(part), count)] * signs - fall

        def upto(name: str, prompts: int) -> tuple[float, Reals, Reals]:
            there = runs[name][:prompts]
            pulls = (there - there.mean()) * math.sqrt(prompts / (prompts - 1)) / prompts
            return float(there.mean()), np.zeros(prompts), pulls

        return upto


World = Simulated | Measured
"""Runs to be compared, dimension by dimension."""


def measure(world: World, repetitions: int, seed: int, say: Callable[[str], None]) -> list[Stopped]:
    """Each rule, with nothing down and with two dimensions down; equal seeds give equal figures."""
    import numpy as np

    found = []
    some = tuple(world.prompts)
    for rule, down in itertools.product((GROUPS, LATE, ANYTIME), ((), (some[0], some[len(some) // 2]))):
        say(f"{world.name}, {rule.name}, {len(down)} dimensions down: {repetitions} repetitions")
        random = np.random.default_rng([seed, zlib.crc32(f"{world.name} {rule.name}".encode()), len(down)])
        found.append(_stopped(world, rule, down, repetitions, random))
    return found


def _stopped(world: World, rule: Rule, down: Sequence[str], repetitions: int, random: np.random.Generator) -> Stopped:
    kept = [_repetition(world, rule, world.run(random, down), random) for _ in range(repetitions)]
    lost = set(down)
    unchanged = [name for name in world.prompts if name not in lost]

    def share(found: Iterable[bool]) -> float:
        return sum(found) / repetitions

    def cleared(verdicts: Mapping[str, Verdict]) -> float:
        return sum(verdicts.get(name) in (Verdict.NO_WORSE, Verdict.BETTER) for name in unchanged) / len(unchanged)

    return Stopped(
        spreads=world.name,
        rule=rule.name,
        down=len(down),
        false_alarms=share(bool(_worse(one.verdicts) - lost) for one in kept),
        whole_false_alarms=share(bool(_worse(one.whole) - lost) for one in kept),
        found=share(bool(_worse(one.verdicts) & lost) for one in kept) if down else None,
        whole_found=share(bool(_worse(one.whole) & lost) for one in kept) if down else None,
        both=share(_worse(one.verdicts) >= lost for one in kept) if down else None,
        whole_both=share(_worse(one.whole) >= lost for one in kept) if down else None,
        cleared=math.fsum(cleared(one.verdicts) for one in kept) / repetitions,
        whole_cleared=math.fsum(cleared(one.whole) for one in kept) / repetitions,
        used=math.fsum(one.used for one in kept) / repetitions,
        used_every=math.fsum(one.used_every for one in kept) / repetitions,
        own=math.fsum(one.own[name] for one in kept for name in unchanged) / (repetitions * len(unchanged)),
        repetitions=repetitions,
    )


def _worse(verdicts: Mapping[str, Verdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if verdict is Verdict.WORSE}


@dataclass(frozen=True, slots=True)
class _Repetition:
    verdicts: Mapping[str, Verdict]
    whole: Mapping[str, Verdict]
    used: float
    used_every: float
    own: Mapping[str, float]


def _repetition(world: World, rule: Rule, run: Run, random: np.random.Generator) -> _Repetition:
    """Look by look, as ``deciding.state`` takes them, until every dimension is decided."""
    counts = {
        name: tuple(math.ceil(share * all_ - 1e-9) for share in rule.shares) for name, all_ in world.prompts.items()
    }
    verdicts, claims = dict[str, Verdict](), Claims()
    last = dict.fromkeys(counts, 0)
    for place in range(len(rule.shares)):
        seen = {}
        for name in [name for name in counts if name not in verdicts]:
            last[name] = place
            known = looks_of(counts[name][: place + 1], rule.fewest)
            if known != looks_of(counts[name][:place], rule.fewest):
                facts = _evidence(run(name, known[-1]), random, least_level(rule, known, world.prompts[name]))
                seen[name] = Seen(known, world.prompts[name], facts, GATE * world.errors[name])
        new, claims = look(seen, rule, len(counts), claims)
        verdicts |= new
    found = [last[name] for name in _worse(verdicts)]
    whole = {name: _evidence(run(name, all_), random, LEVEL) for name, all_ in world.prompts.items()}
    return _Repetition(
        verdicts=verdicts,
        whole=_at_once(whole, world),
        used=_used(world, counts, last, min(found, default=len(rule.shares))),
        used_every=_used(world, counts, last, len(rule.shares)),
        own={name: counts[name][place] / world.prompts[name] for name, place in last.items()},
    )


def _used(world: World, counts: Mapping[str, Sequence[int]], last: Mapping[str, int], stop: int) -> float:
    """The share of prompts, shared ones once, that the looks up to ``stop`` took."""
    used = sum(max(counts[name][min(last[name], stop)] for name in names) for names in world.shared)
    return used / sum(world.prompts[names[0]] for names in world.shared)


def _at_once(known: Mapping[str, Evidence], world: World) -> dict[str, Verdict]:
    """The verdicts of one look at all prompts, as ``compare`` has them."""
    worse = holm({name: facts.p_worse for name, facts in known.items()})
    better = holm({name: facts.p_better for name, facts in known.items()})
    found = {}
    for name, facts in known.items():
        if better[name] <= LEVEL:
            found[name] = Verdict.BETTER
        elif facts.least is not None and facts.least > -GATE * world.errors[name]:
            found[name] = Verdict.NO_WORSE
        else:
            found[name] = Verdict.WORSE if worse[name] <= LEVEL else Verdict.CANNOT_TELL
    return found


def _evidence(drawn_: tuple[float, Reals, Reals], random: np.random.Generator, level: float) -> Evidence:
    value, before, after = drawn_
    return evidence_of(value, before, after, width=1.0, composite=False, random=random, level=level, resampling=False)


def lines(rows: Sequence[Stopped]) -> str:
    """A Markdown table; beside a figure, where it has one, that of one look at all prompts."""
    head = ["spreads", "rule", "down", "false alarms", "one of two found", "both named", "unchanged cleared"]
    table = []
    for row in rows:
        pairs = [
            (row.false_alarms, row.whole_false_alarms),
            (row.found, row.whole_found),
            (row.both, row.whole_both),
            (row.cleared, row.whole_cleared),
        ]
        cells = ["" if one is None else f"{percent(one)} ({percent(whole)})" for one, whole in pairs]
        table.append(
            [row.spreads, row.rule, str(row.down), *cells, percent(row.used), percent(row.used_every), percent(row.own)]
        )
    return to_markdown([*head, "prompts used", "to decide all", "of its own"], table, words=2)


def draw(path: Path, rows: Sequence[Stopped]) -> Path:
    """The share of prompts that each rule takes; the path."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row.rule for row in rows))
    with mpl.rc_context({"svg.hashsalt": "stopping", "font.size": 8}):
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        all_axes: Any = figure.subplots(1, 2)
        for axes, down in zip(all_axes, sorted({row.down for row in rows}), strict=False):
            kept = [row for row in rows if row.down == down]
            places = [names.index(row.rule) for row in kept]
            axes.barh(
                [place - 0.2 for place in places], [100 * row.used for row in kept], 0.35, label="until the verdict"
            )
            axes.barh(
                [place + 0.2 for place in places],
                [100 * row.used_every for row in kept],
                0.35,
                label="until all decided",
            )
            axes.set_yticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
            axes.set_xlim(0, 100)
            axes.set_xlabel("% of the prompts")
            axes.set_title(f"{down} dimensions down by {FALL:g} gates" if down else "unchanged")
            axes.invert_yaxis()
        all_axes[0].legend(fontsize=6, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path
