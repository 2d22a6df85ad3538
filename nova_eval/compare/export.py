"""A comparison for programs: one JSON object, or JUnit's XML with a case a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as xml

from nova_eval.compare.changes import changed_most
from nova_eval.compare.comparing import Series
from nova_eval.compare.likeness import Difference
from nova_eval.compare.tables import verdict_line
from nova_eval.compare.verdicts import Comparison, Finding, Verdict
from nova_eval.errors import printable
from nova_eval.records import Interval


def to_json(series: Series, changes: int) -> dict[str, Any]:
    """All that is known, in raw units; ``None`` where there is no number."""
    first = series.comparisons[0].pairing
    return {
        "benchmark": first.reference.benchmark.config.name,
        "reference": first.reference.name,
        "runs": [_comparison(one, changes) for one in series.comparisons],
        "best": {name: list(p_values) for name, p_values in series.best.items()},
    }


def _comparison(one: Comparison, changes: int) -> dict[str, Any]:
    pairing = one.pairing
    return {
        "run": pairing.run.name,
        "model": pairing.run.model,
        "prompts": len(pairing.prompts),
        "samples": len(pairing.wanted),
        "same_seed": pairing.seeded,
        "identical": len(pairing.identical),
        "not_paired": dict(pairing.alone),
        "lacking": {name: list(counts) for name, counts in sorted(pairing.lacking.items())},
        "allowed": list(one.allowed),
        "metrics": [_finding(finding) for finding in one.findings],
        "changes": [{**asdict(change), "key": list(change.key)} for change in changed_most(one, changes)],
        "differences": [_named(difference) for difference in one.differences],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    facts = finding.evidence
    return {
        "name": finding.metric,
        "verdict": str(finding.verdict),
        "reference": finding.reference,
        "run": finding.run,
        "difference": finding.difference,
        "interval": _ends(finding.interval),
        "bca": _ends(finding.bca),
        "standard_error": facts.error if facts else None,
        "p_worse": finding.p_worse,
        "p_better": finding.p_better,
        "p_worse_alone": facts.p_worse if facts else None,
        "p_better_alone": facts.p_better if facts else None,
        "gate": finding.gate,
        "within_gate": finding.within_gate,
        "correlation": facts.correlation if facts else None,
        "prompts": facts.prompts if facts else 0,
        "one_sided": facts.one_sided if facts else 0,
        "unscored": finding.unscored,
        "detectable": finding.detectable,
        "needed": finding.needed,
        "higher_is_better": finding.higher_is_better,
        "reason": finding.reason,
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _named(difference: Difference) -> Mapping[str, str]:
    return difference._asdict()


def to_junit(comparisons: Sequence[Comparison], *, strict: bool = False) -> str:
    """A suite a run and a case a metric: worse fails, so does "cannot tell" if ``strict``; else it is skipped."""
    suites = xml.Element("testsuites")
    for one in comparisons:
        name = f"{one.pairing.run.name} against {one.pairing.reference.name}"
        failed = sum(_fails(finding, strict=strict) for finding in one.findings)
        skipped = sum(finding.verdict is Verdict.CANNOT_TELL for finding in one.findings) if not strict else 0
        suite = xml.SubElement(
            suites,
            "testsuite",
            name=printable(name),
            tests=str(len(one.findings)),
            failures=str(failed),
            skipped=str(skipped),
        )
        config = one.pairing.reference.benchmark.config
        for finding in one.findings:
            case = xml.SubElement(suite, "testcase", classname=config.name, name=finding.metric)
            told = printable(verdict_line(config, finding))
            if _fails(finding, strict=strict):
                xml.SubElement(case, "failure", message=told, type=str(finding.verdict))
            elif finding.verdict is Verdict.CANNOT_TELL:
                xml.SubElement(case, "skipped", message=told)
            else:
                xml.SubElement(case, "system-out").text = told
    xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def _fails(finding: Finding, *, strict: bool) -> bool:
    return finding.verdict is Verdict.WORSE or (strict and finding.verdict is Verdict.CANNOT_TELL)
