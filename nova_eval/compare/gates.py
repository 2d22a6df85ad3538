"""Gates: how much worse is too much, metric by metric, and what a gate makes of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from nova_eval.compare.verdicts import Comparison
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import GATE_FAILED, INCOMPLETE, OK, UsageError, unknown

WORDS = {OK: "passed", GATE_FAILED: "failed", INCOMPLETE: "incomplete"}
"""What the exit code says of a gate."""


class OfMetric(Protocol):
    """What is known of a metric, which it names."""

    @property
    def metric(self) -> str: ...


def gates_of(config: BenchmarkConfig, overrides: Sequence[str] = (), *, composites: bool = True) -> dict[str, float]:
    """The benchmark's own gates in raw units, with ``NAME=VALUE`` in place of some of them; of ``composites`` too."""
    told = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--gate {text!r} is not of the form NAME=VALUE", remedy="such as --gate color=0.02")
        told[name] = value
    return limits_of(config, told, composites=composites)


def limits_of(
    config: BenchmarkConfig, overrides: Mapping[str, float | str], *, composites: bool = True
) -> dict[str, float]:
    """As ``gates_of``, with numbers by their names. UsageError for a gate that cannot be."""
    gates = dict(config.gates)
    for name, value in overrides.items():
        if name not in (known := config.metrics if composites else tuple(config.dimensions)):
            raise unknown(f"{'metric' if composites else 'dimension'} of {config.name}", name, known)
        try:
            gates[name] = float(value)
        except ValueError:
            gates[name] = math.nan
        if not 0 < gates[name] < math.inf:
            raise UsageError(f"gate {name}={value!r} is not a positive number", remedy="gates are in raw units")
    return gates


def exit_code(comparisons: Sequence[Comparison], *, strict: bool = False) -> int:
    """1 where a regression is established, 3 where something is not scored, 1 as well if ``strict`` cannot tell."""
    if any(one.regressed for one in comparisons):
        return GATE_FAILED
    if not all(one.complete and one.findings for one in comparisons):
        return INCOMPLETE
    return GATE_FAILED if strict and any(one.undecided for one in comparisons) else OK


def said(comparisons: Sequence[Comparison], *, strict: bool = False) -> str:
    """What ``exit_code`` means, in one line."""
    config = comparisons[0].pairing.reference.benchmark.config
    parts = []
    for one in comparisons:
        who = f"{one.pairing.run.name}: " if len(comparisons) > 1 else ""
        lacking = [finding for finding in one.findings if not finding.complete]
        undecided = [finding for finding in one.undecided if finding.complete]
        parts.append(who + named(config, one.regressed, lacking, undecided))
    return f"gate {WORDS[exit_code(comparisons, strict=strict)]}: {' | '.join(parts)}"


def named(
    config: BenchmarkConfig, worse: Iterable[OfMetric], incomplete: Iterable[OfMetric], undecided: Iterable[OfMetric]
) -> str:
    """Which metrics are what, by their labels."""
    groups = {"worse": worse, "incomplete": incomplete, "cannot tell": undecided}
    labels = {what: ", ".join(config.label(one.metric) for one in ones) for what, ones in groups.items()}
    return "; ".join(f"{what}: {names}" for what, names in labels.items() if names) or "nothing is worse than its gate"
