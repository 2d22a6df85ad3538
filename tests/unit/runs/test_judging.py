"""Which judges are at hand: the same answer from looking at files as from making them, and one reason where not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from nova_eval import files
from nova_eval.errors import PrerequisiteError
from nova_eval.judges import JUDGES
from nova_eval.protocols import is_light
from nova_eval.runs import known_judges
from nova_eval.runs.judging import AtHand, judging, made, named
from nova_eval.runs.opening import open_run, survey
from nova_eval.runs.options import resolve
from nova_eval.samplers import SAMPLERS
from nova_eval.weights import catalogue


@dataclass(frozen=True)
class Rule:
    name: str
    role: str | None
    version: str = "3"


ROLES = {"seeing": "sprites", "reading": "nowhere", "paid": "dino_vitb16"}


def looked(judge: str) -> AtHand:
    if judge == "dino_vitb16":
        raise PrerequisiteError("weights are missing")
    return AtHand("0123456789abcdef", True)


def test_a_digest_names_the_folder_and_a_missing_judge_gives_its_reason() -> None:
    rules = [Rule("a", None), Rule("b", "seeing"), Rule("c", "reading"), Rule("d", "paid"), Rule("e", "unheard")]
    found = judging(rules, ROLES, looked)
    assert [(plan.name, plan.folder, plan.judge) for plan in found.plans] == [
        ("a", "a@3-pixels", None),
        ("b", "b@3-01234567", "sprites"),
    ]
    assert found.unavailable == {
        "c": "judge 'nowhere' is not known here; see `nova-eval list judges`",
        "d": "weights are missing",
        "e": "no judge is named for the role 'unheard'; name one in benchmark.toml",
    }
    assert found.light


def test_without_a_digest_the_folder_is_an_earlier_runs_of_the_same_version() -> None:
    def unread(judge: str) -> AtHand:
        return AtHand(None, False)

    rules = [Rule("a", "seeing"), Rule("b", "seeing"), Rule("c", "seeing")]
    found = judging(rules, ROLES, unread, {"a": "a@3-01234567", "b": "b@2-01234567"})
    assert [plan.folder for plan in found.plans] == ["a@3-01234567", "b@3-new", "c@3-new"]
    assert not found.light


def test_a_judge_is_looked_at_once() -> None:
    seen: list[str] = []

    def count(judge: str) -> AtHand:
        seen.append(judge)
        return AtHand("", True)

    judging([Rule("a", "seeing"), Rule("b", "seeing")], ROLES, count)
    assert seen == ["sprites"]


@pytest.mark.parametrize(("roles", "command"), [(2, "fetch dino_vitb16 raft_things"), (3, "fetch vbench")])
def test_missing_weights_are_one_reason_with_one_command(
    roles: int, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    judge_of = dict(list({"one": "dino_vitb16", "two": "raft_things", "three": "amt_s"}.items())[:roles])
    for look in (named, made):
        found = judging([Rule(role, role) for role in judge_of], judge_of, look, benchmark="vbench")
        (reason,) = set(found.unavailable.values())
        assert reason == f"weights are missing; python -m nova_eval weights {command}"
        assert list(found.unavailable) == list(judge_of)


def test_names_and_files_tell_what_making_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    assert named("sprites").light == made("sprites").light is True
    with pytest.raises(PrerequisiteError, match="weights fetch dino_vitb16"):
        named("dino_vitb16")
    assert all(is_light(JUDGES.get(name)) for name in JUDGES if not catalogue.needs(name))


@pytest.mark.parametrize("sampler", ["oracle", "noise", "nova:nova-mini"])
def test_looking_ahead_sees_the_run_that_opening_makes(sampler: str, tmp_path: Path) -> None:
    asked = resolve("vbench", {"sampler": sampler, "limit": 3, "device": "cpu", "results": tmp_path})
    ahead, opened = survey(*asked), open_run(*asked)
    assert ahead.wanted == opened.wanted
    assert ahead.suite_facts == opened.suite_facts
    assert [(plan.name, plan.judge) for plan in ahead.judging.plans] == [
        (plan.name, plan.judge) for plan in opened.judging.plans
    ]
    assert ahead.light == opened.light
    assert (ahead.model, ahead.name) == (opened.model, opened.name)


def test_samplers_say_of_themselves_whether_they_are_light() -> None:
    assert {name for name in ("oracle", "noise", "folder", "imported", "nova") if is_light(SAMPLERS.get(name))} == {
        "oracle",
        "noise",
        "folder",
        "imported",
    }


class TestKnownJudges:
    """A judge is made once for as long as its files, its code and its packages stay."""

    @pytest.fixture
    def weights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path))
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
        now = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)  # every file is settled
        row, *_ = catalogue.needs("raft_things")  # of files that can stand for each other one is enough
        path = tmp_path / row.file
        path.write_bytes(b"weights")
        return path

    @pytest.fixture
    def makings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        names: list[str] = []
        make = JUDGES.make
        monkeypatch.setattr(JUDGES, "make", lambda name: names.append(name) or make(name))
        return names

    def test_the_second_look_makes_none(self, weights: Path, makings: list[str]) -> None:
        first = made("raft_things")
        assert made("raft_things") == first
        assert makings == ["raft_things"]

    @pytest.mark.parametrize("change", ["bytes", "place", "packages", "memory"])
    def test_what_changed_is_looked_at_again(
        self, weights: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        first = made("raft_things")
        if change == "bytes":
            weights.write_bytes(b"WEIGHTS")
        elif change == "place":
            (weights.parent / "other").mkdir()
            weights.rename(weights.parent / "other" / weights.name)
            monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(weights.parent / "other"))
        elif change == "packages":
            monkeypatch.setattr(known_judges, "_code", lambda: "others")
        else:
            (weights.parent / "cache" / "looks" / "judges.json").write_text('{"raft_things": {"code": []}}')
        assert (made("raft_things") == first) == (change != "bytes")
        assert makings == ["raft_things"] * 2

    def test_files_written_just_now_are_not_remembered(
        self, weights: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "is_settled", lambda state: False)
        made("raft_things")
        made("raft_things")
        assert makings == ["raft_things"] * 2

    def test_a_missing_file_is_said_whatever_was_known(self, weights: Path) -> None:
        made("raft_things")
        weights.unlink()
        with pytest.raises(PrerequisiteError, match="weights fetch raft_things"):
            made("raft_things")
