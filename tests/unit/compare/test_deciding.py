"""What is decided follows from rows, plan, gates and rule alone; prompts are wanted in a planned order."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from made_sides import TASKS, right, side

from nova_eval.compare.deciding import Plan, State, planned, state
from nova_eval.compare.sides import Side
from nova_eval.compare.stopping import ANYTIME, GROUPS
from nova_eval.compare.verdicts import Verdict
from nova_eval.errors import UsageError
from nova_eval.plan import stratified
from nova_eval.records import Prompt

GATES = dict.fromkeys(TASKS, 0.25)


def broken(task: str, number: int, index: int) -> float:
    return 0.0 if task == "colors" else right(task, number, index)


OLD = side("old", right, prompts=20)
NEW = side("new", broken, prompts=20)
PLAN = planned(OLD, NEW, GROUPS)


def first(prompts: int, run: Side = NEW, but: str = "") -> Side:
    """The run as it is when so many prompts of the plan are scored, but for one."""
    there = {prompt.id for prompt in PLAN.order[:prompts]} - {but}
    return dataclasses.replace(run, rows=tuple(row for row in run.rows if row.key.prompt_id in there))


def at(run: Side, plan: Plan = PLAN, **how: Any) -> State:
    return state(plan, OLD, run, GATES, GROUPS, **how)


def verdicts(found: State) -> dict[str, tuple[Verdict, int]]:
    return {one.metric: (one.verdict, one.look) for one in found.settled if one.verdict is not Verdict.CANNOT_TELL}


def test_all_dimensions_advance_together_and_shared_prompts_come_once() -> None:
    tags = [("a", "b")] * 30 + [("a",)] * 10 + [("c",)] * 20 + [("b", "c")] * 5
    prompts = [Prompt(f"x/{place}", str(place), tag) for place, tag in enumerate(tags)]
    order = stratified(prompts, 0)
    assert sorted(prompt.id for prompt in order) == sorted(prompt.id for prompt in prompts)
    assert order != stratified(prompts, 1)
    total = {tag: sum(tag in prompt.tags for prompt in prompts) for tag in "abc"}
    for length in range(1, len(order)):
        shares = [sum(tag in prompt.tags for prompt in order[:length]) / total[tag] for tag in "abc"]
        assert max(shares) - min(shares) < 0.12


def test_looks_hold_equal_shares_of_every_dimension() -> None:
    assert PLAN.looks == (24, 48, 72, 96, 120)
    assert PLAN.counts["colors"] == (4, 8, 12, 16, 20)
    assert planned(OLD, NEW, ANYTIME).looks == (120,)  # no earlier one has 20 prompts of a dimension


def test_nothing_is_decided_before_a_look_is_whole() -> None:
    last = PLAN.order[23].tags
    for there, waiting in ((0, TASKS), (23, last)):
        found = at(first(there))
        assert (found.looks, found.waiting) == (0, waiting)
        assert {prompt.id for prompt in found.asked.prompts} == {prompt.id for prompt in PLAN.order[:24]}
    assert at(first(24)).looks == 1


def test_it_ends_with_the_look_that_finds_something_worse() -> None:
    found = at(first(120))
    assert verdicts(found)["colors"] == (Verdict.WORSE, found.looks)
    assert found.looks < 5
    assert len(found.asked.prompts) == PLAN.looks[found.looks - 1]
    assert not found.waiting


def test_decided_dimensions_ask_for_nothing_more() -> None:
    found = at(first(120), every=True)
    look = verdicts(found)["colors"][1]
    after = PLAN.order[PLAN.looks[look - 1] :]
    assert {prompt.id for prompt in found.asked.prompts}.isdisjoint(p.id for p in after if "colors" in p.tags)
    assert found.looks > look


def test_more_rows_change_nothing_of_the_looks_that_were_taken() -> None:
    """Whatever else there is, and in whatever order it came: the same looks, the same verdicts."""
    chance = random.Random(0)
    end = at(first(120), every=True)
    for there in (24, 30, 48, 71, 72, 96):
        begun = at(first(there), every=True)
        assert verdicts(begun).items() <= verdicts(end).items()
        late = [prompt.id for prompt in PLAN.order[there:]]
        odd = set(chance.sample(late, len(late) // 3))  # those that came before their turn
        rows = [row for row in NEW.rows if row.key.prompt_id in odd]
        again = at(dataclasses.replace(first(there), rows=(*rows, *first(there).rows)), every=True)
        if again.looks == begun.looks:
            assert (again.settled, again.asked) == (begun.settled, begun.asked)


def test_a_missing_score_holds_its_dimension_up_and_no_other() -> None:
    missing = next(prompt.id for prompt in PLAN.order[30:] if prompt.tags == ("counting",))
    run = first(120, but=missing)
    waits = at(run, every=True)
    assert waits.waiting == ("counting",)
    found = at(run, every=True, tried=["counting"])
    [counting] = [one for one in found.settled if one.metric == "counting"]
    assert counting.incomplete
    assert counting.reason == "not scored yet"
    assert counting.look == waits.looks
    assert verdicts(found)["colors"] == verdicts(at(first(120), every=True))["colors"]
    asked = {prompt.id for prompt in found.asked.prompts}
    later = PLAN.order[PLAN.looks[waits.looks] :]
    assert asked.isdisjoint(prompt.id for prompt in later if prompt.tags == ("counting",))


def test_only_what_the_reference_has_scored_is_planned() -> None:
    def scored(task: str, number: int, index: int) -> float | None:
        return None if task == "position" or (task, number) == ("colors", 3) else 1.0

    plan = planned(side("half", scored, prompts=20), NEW, GROUPS)
    assert plan.counts["colors"][-1] == 19
    assert "position" not in plan.counts
    found = {one.metric: one for one in state(plan, OLD, NEW, GATES, GROUPS).settled}
    assert found["position"].reason == "the reference lacks scores of 20 of its prompts"
    assert [name for name, one in found.items() if one.incomplete] == ["colors", "position"]
    assert found["colors"].verdict is Verdict.WORSE
    with pytest.raises(UsageError, match="has scores of 0 of this run's prompts a dimension"):
        planned(side("empty", lambda *_: None, prompts=20), NEW, GROUPS)
    with pytest.raises(UsageError, match="leave --anytime out"):
        planned(side("small", right, prompts=12), NEW, ANYTIME)


def test_the_same_bytes_are_no_worse_once_all_are_there() -> None:
    same = dataclasses.replace(side("again", right, prompts=20), digests=OLD.digests)
    found = state(PLAN, OLD, same, {}, GROUPS)
    assert set(verdicts(found).values()) == {(Verdict.NO_WORSE, 5)}
