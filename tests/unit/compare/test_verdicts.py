"""What is claimed of two runs: verdicts, what is left out, what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any
from xml.etree import ElementTree as xml

import pytest
from made_sides import MANIFEST, TASKS, right, side

from nova_eval.compare import comparing, export, gates, tables
from nova_eval.compare.verdicts import Comparison, Finding, Verdict
from nova_eval.errors import UsageError
from nova_eval.report.formats import render

GATES = gates.gates_of(side("any", right).benchmark.config)


def compared(reference: Any, *runs: Any, allow: tuple[str, ...] = ()) -> Comparison:
    return comparing.compare(reference, runs, GATES, allow).comparisons[0]


def found(comparison: Comparison) -> dict[str, Finding]:
    return {finding.metric: finding for finding in comparison.findings}


def broken(task: str, number: int, index: int) -> float:
    return 0.0 if task == "colors" else right(task, number, index)


def test_the_metric_that_got_worse_is_named_and_no_other() -> None:
    comparison = compared(side("old", right), side("new", broken))
    assert {finding.metric for finding in comparison.regressed} == {"colors", "overall"}
    colors = found(comparison)["colors"]
    assert colors.difference == pytest.approx(-0.75)
    assert colors.interval is not None
    assert colors.interval.low < -0.75 < colors.interval.high < 0
    assert gates.exit_code([comparison]) == 1


def test_the_other_way_round_it_is_better() -> None:
    comparison = compared(side("old", broken), side("new", right))
    assert found(comparison)["colors"].verdict is Verdict.BETTER
    assert not comparison.regressed


def test_few_prompts_alike_are_no_proof_that_nothing_is_worse() -> None:
    comparison = compared(side("old", right), side("new", right))
    assert all(finding.difference == 0 for finding in comparison.findings)
    assert {finding.verdict for finding in comparison.findings} == {Verdict.CANNOT_TELL}
    assert gates.exit_code([comparison]) == 0
    assert gates.exit_code([comparison], strict=True) == 1


def test_the_same_bytes_are_no_worse() -> None:
    old = side("old", right)
    comparison = compared(old, dataclasses.replace(side("new", right), digests=old.digests))
    assert {finding.verdict for finding in comparison.findings} == {Verdict.NO_WORSE}
    assert gates.exit_code([comparison], strict=True) == 0


def test_a_drop_within_the_gate_is_no_regression() -> None:
    def little(task: str, number: int, index: int) -> float:
        return 0.9 - 0.01 * (task == "colors") + 0.0001 * (number % 3) * (task == "colors")

    comparison = compared(side("old", lambda *_: 0.9), side("new", little, prompts=12))
    colors = found(comparison)["colors"]
    assert colors.p_worse is not None
    assert colors.p_worse < 0.05
    assert colors.verdict is Verdict.NO_WORSE


def test_the_composite_is_the_mean_of_its_tasks_paired_by_prompt() -> None:
    comparison = compared(side("old", right), side("new", broken))
    overall = found(comparison)["overall"]
    assert overall.difference == pytest.approx(-0.75 / 6)
    parts = [found(comparison)[task].evidence for task in TASKS]
    assert overall.evidence is not None
    assert overall.evidence.error == pytest.approx(math.sqrt(sum(part.error**2 for part in parts if part)) / 6)


def test_what_one_side_lacks_is_left_out_on_both_and_said() -> None:
    def unscored(task: str, number: int, index: int) -> float | None:
        return None if (task, number) == ("colors", 1) else right(task, number, index)

    comparison = compared(side("old", right, prompts=14), side("new", unscored, samples=1))
    colors = found(comparison)["colors"]
    assert colors.evidence is not None
    assert colors.evidence.prompts == 11
    assert colors.unscored == 1
    assert found(comparison)["overall"].verdict is Verdict.CANNOT_TELL
    assert gates.exit_code([comparison]) == 3
    said = tables.lines(comparison)
    assert "Not paired, and left out: 12 prompts of the reference, 96 samples of the reference." in said
    assert "Left out of Colors: 0 scores that the reference lacks, 1 of the run." in said


def test_a_series_is_corrected_as_a_series_and_names_who_may_be_best() -> None:
    runs = [side("a", right), side("b", broken), side("c", right)]
    series = comparing.compare(side("old", right), runs, GATES)
    alone, together = (
        found(one.comparisons[1 if one is series else 0])["colors"].p_worse
        for one in (comparing.compare(side("old", right), runs[1:2], GATES), series)
    )
    assert alone is not None
    assert together == pytest.approx(20 / 6 * alone)  # the second of 21, not of 7
    assert [p > 0.05 for p in series.best["overall"]] == [True, False, True]
    assert "may be the best" in render(tables.pages(series, 0)[-1], "md")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {**MANIFEST["spec"], "codec": "jpeg"}}, ["codec", "png, jpeg", "--allow codec"]),
        ({"spec": {**MANIFEST["spec"], "variant": "official"}}, ["--allow variant"]),
        ({"suite": {"digest": "other"}}, ["--allow prompts"]),
        ({"options": {"scoring": "official"}}, ["--allow scoring"]),
        (
            {"scorers": {**MANIFEST["scorers"], "colors": "colors@2-d9a1a916"}},
            ["colors@1, colors@2", "--allow scorers"],
        ),
        ({"scorers": {**MANIFEST["scorers"], "colors": "colors@1-00000000"}}, ["--allow judges"]),
    ],
)
def test_unlike_runs_are_refused_unless_it_is_meant(change: dict[str, Any], words: list[str]) -> None:
    old, new = side("old", right), side("new", broken, **change)
    with pytest.raises(UsageError) as refused:
        compared(old, new)
    assert all(word in str(refused.value) for word in words)
    word = words[-1].removeprefix("--allow ")
    comparison = compared(old, new, allow=(word,))
    assert f"Compared although they differ in {word}." in tables.lines(comparison)
    with pytest.raises(UsageError, match="unknown thing to --allow 'prompt'"):
        compared(old, new, allow=("prompt",))


def test_one_prompt_in_common_is_too_few() -> None:
    new = side("new", right)
    other = dataclasses.replace(new, prompts=new.prompts[:1])
    with pytest.raises(UsageError, match="only one prompt in common, 2 at least are needed"):
        compared(side("old", right), other)
    with pytest.raises(UsageError, match="named twice"):
        compared(side("new", right), new)
    with pytest.raises(UsageError, match="named twice"):
        compared(side("old", right), new, new)


def test_gates_can_be_given_and_must_be_positive_numbers_of_known_metrics() -> None:
    config = side("any", right).benchmark.config
    assert gates.gates_of(config, ["colors=0.5"])["colors"] == 0.5
    for wrong, words in (
        ("color=1", "did you mean"),
        ("colors", "NAME=VALUE"),
        ("colors=-1", "positive"),
        ("colors=x", "x"),
    ):
        with pytest.raises(UsageError, match=words):
            gates.gates_of(config, [wrong])


def test_json_and_junit_say_the_same() -> None:
    series = comparing.compare(side("old", right), [side("new", broken)], GATES)
    told = json.loads(json.dumps(export.to_json(series, 3), allow_nan=False))
    verdicts = {metric["name"]: metric["verdict"] for metric in told["runs"][0]["metrics"]}
    assert verdicts["colors"] == "worse"
    assert [change["metric"] for change in told["runs"][0]["changes"]] == ["colors"] * 3
    suites = xml.fromstring(export.to_junit(series.comparisons))
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == [name for name, verdict in verdicts.items() if verdict == "worse"]


def test_another_judge_is_said_once_and_so_is_a_scorer_that_one_lacks() -> None:
    scorers = {**MANIFEST["scorers"], "colors": "colors@1-00000000"}
    del scorers["position"]
    judges = {**MANIFEST["judges"], "colors": "other"}
    comparison = compared(side("old", right), side("new", right, scorers=scorers, judges=judges), allow=("judges",))
    assert [tuple(one) for one in comparison.differences] == [
        ("judges.colors", "sprites d9a1a916", "other 00000000", "judges"),
        ("scorers.position", "position@1-d9a1a916", "–", ""),
    ]


def test_every_difference_of_the_manifests_is_said() -> None:
    new = side("new", broken, environment={"commit": "b"}, sampler={"settings": {"steps": 4}})
    comparison = compared(side("old", right, environment={"commit": "a"}, sampler={"settings": {"steps": 8}}), new)
    assert [tuple(one) for one in comparison.differences] == [
        ("environment.commit", "a", "b", ""),
        ("sampler.settings.steps", "8", "4", ""),
    ]
    assert "sampler.settings.steps: 8 → 4" in tables.lines(comparison)


def test_a_look_of_several_spends_its_share_alone() -> None:
    reference, run = side("reference", right), side("run", broken, seed=9)
    [whole] = comparing.compare(reference, [run], {"counting": 0.1}).comparisons
    [part] = comparing.compare(reference, [run], {"counting": 0.1}, share=0.25).comparisons
    for before, after in zip(whole.findings, part.findings, strict=True):
        assert before.evidence is not None
        assert after.evidence is not None
        assert after.p_worse == pytest.approx(min(1.0, 4 * (before.p_worse or 0)))
        assert (after.evidence.least or -math.inf) <= (before.evidence.least or -math.inf)
        assert after.interval == before.interval
    [none] = comparing.compare(reference, [run], {}, share=1e-6).comparisons
    assert [finding.verdict for finding in none.findings] == [Verdict.CANNOT_TELL] * len(none.findings)
