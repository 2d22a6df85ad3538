"""Votes: who is meant by left and right, what people prefer, and what that says of all prompts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_sides import right, side

from nova_eval.adapters.intervals import student
from nova_eval.compare.ballots import votes_table
from nova_eval.compare.pairing import Pairing, paired
from nova_eval.compare.votes import joined, mark, prediction_powered
from nova_eval.errors import UsageError
from nova_eval.records import SampleKey

REFERENCE, RUN = side("reference", right, samples=1), side("run", lambda task, n, i: 1.0, samples=1)


def pairing(*, turned: bool = False) -> Pairing:
    return paired(RUN, REFERENCE) if turned else paired(REFERENCE, RUN)


def saved(folder: Path, votes: dict[SampleKey, str], seed: int = 3, name: str = "votes.json") -> Path:
    """A file in which every vote says which of the two runs is better; sides are those of the key's last digit."""
    rows = []
    for key, better in votes.items():
        run_left = int(key.prompt_id[-1]) % 2 == 0
        left, other = (RUN, REFERENCE) if run_left else (REFERENCE, RUN)
        word = {"run": "left" if run_left else "right", "reference": "right" if run_left else "left"}.get(
            better, better
        )
        check = mark(seed, key, left.digests[key], other.digests[key])
        rows.append({"key": list(key), "check": check, "vote": word})
    path = folder / name
    path.write_text(json.dumps({"kind": "nova_eval votes", "schema": 1, "report": "x", "seed": seed, "votes": rows}))
    return path


def keys(number: int) -> list[SampleKey]:
    return list(REFERENCE.wanted)[:number]


def test_sides_are_told_apart_by_what_was_shown(tmp_path: Path) -> None:
    votes = dict.fromkeys(keys(12), "run") | dict.fromkeys(keys(3), "reference")
    found = joined(pairing(), [saved(tmp_path, votes)])
    assert found.preferred.value == pytest.approx(9 / 12)
    assert found.preferred.interval is not None
    assert found.preferred.interval.low < 0.75 < found.preferred.interval.high
    turned = joined(pairing(turned=True), [saved(tmp_path, votes)])
    assert turned.preferred.value == pytest.approx(3 / 12)
    assert turned.p == found.p == pytest.approx(2 * sum(_ways(12, k) for k in range(9, 13)) / 2**12)


def _ways(number: int, of: int) -> int:
    return int(np.prod([(number - k) / (k + 1) for k in range(of)]).round())


def test_no_difference_is_half_and_what_is_passed_over_is_counted_apart(tmp_path: Path) -> None:
    first, *others = keys(6)
    found = joined(pairing(), [saved(tmp_path, {first: "skip"} | dict.fromkeys(others, "same"))])
    assert (found.preferred.value, found.cast, found.skipped) == (0.5, 5, 1)
    assert found.p == 1.0


def test_several_people_are_averaged_by_prompt_first(tmp_path: Path) -> None:
    alone, *others = keys(6)
    files = [saved(tmp_path, dict.fromkeys([alone, *others], "run"), name="a.json")]
    files += [saved(tmp_path, {alone: "reference"}, seed=seed, name=f"{seed}.json") for seed in range(3)]
    found = joined(pairing(), files)
    assert found.preferred.value == pytest.approx((1 / 4 + 5) / 6)
    assert (found.preferred.prompts, found.preferred.votes) == (6, 9)


def test_agreement_counts_votes_and_scores_that_decide(tmp_path: Path) -> None:
    single = [key for key in REFERENCE.wanted if "single_object" in key.prompt_id]
    worse = [key for key in single if int(key.prompt_id.rpartition("_")[2]) % 4 == 0]  # the reference is wrong there
    found = joined(pairing(), [saved(tmp_path, dict.fromkeys(single, "run") | {worse[0]: "reference"})])
    agreed = found.agreement["single_object"]
    assert (agreed.value, agreed.prompts, agreed.interval) == (pytest.approx(2 / 3), 3, None)
    assert found.agreement["counting"].value is None


def test_votes_on_other_samples_are_left_out_and_said(tmp_path: Path) -> None:
    path = saved(tmp_path, dict.fromkeys(keys(6), "run"))
    told = json.loads(path.read_text())
    told["votes"][0]["check"] = "0" * 16
    path.write_text(json.dumps(told))
    found = joined(pairing(), [path])
    assert (found.cast, found.strange) == (5, 1)
    assert "1 votes are on other samples than these runs have" in " ".join(votes_table(pairing(), found).footnotes)
    told["seed"] = 4
    path.write_text(json.dumps(told))
    with pytest.raises(UsageError, match="6 votes, all on other samples"):
        joined(pairing(), [path])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "other"}, "kind"),
        ({"schema": 2}, "schema"),
        ({"votes": [{"key": ["a/b", 0], "check": "x", "vote": "up"}]}, "vote"),
        ({"votes": []}, "holds no votes"),
        ({"votes": "twice"}, "voted on twice"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = saved(tmp_path, dict.fromkeys(keys(2), "run"))
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | ({"votes": told["votes"] * 2} if change == {"votes": "twice"} else change)))
    with pytest.raises(UsageError, match=said) as error:
        joined(pairing(), [path])
    assert "\n" not in str(error.value)


def test_prediction_powered_intervals_cover_the_truth_and_are_narrower_where_judges_know() -> None:
    """2 × 400 studies of 60 voted prompts among 500: preference 0.6; judges see half of the votes, or nothing."""
    random = np.random.default_rng(1)
    for knowing, least_gain in ((True, 0.1), (False, -0.02)):
        covered, widths, plain = 0, 0.0, 0.0
        for _ in range(400):
            truth = (random.random(500) < 0.6).astype(float)
            guess = (random.random(500) < 0.6).astype(float)
            judged = np.where(random.random(500) < 0.75, truth, guess) if knowing else guess
            value, interval, trust = prediction_powered(truth[:60], judged[:60], judged[60:])
            assert interval.low <= value <= interval.high
            assert 0 <= trust <= 1
            covered += interval.low <= 0.6 <= interval.high
            widths += interval.high - interval.low
            low, high = student(0.0, float(np.var(truth[:60], ddof=1)) / 60, 59)
            plain += float(high - low)
        assert 0.92 <= covered / 400 <= 0.99
        assert widths < plain * (1 - least_gain)


def test_judges_that_are_wrong_do_not_move_the_estimate() -> None:
    """Judges who prefer the run everywhere, whatever people say: the estimate is that of the votes."""
    voted = np.array([0.0, 1.0] * 20)
    value, interval, trust = prediction_powered(voted, np.ones(40), np.ones(200))
    assert (value, trust) == (0.5, 0.0)
    assert interval.low == pytest.approx(1 - interval.high)
