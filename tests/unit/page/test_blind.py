"""The page to vote on tells neither names nor scores, and its votes come back to the right side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from calling import called

from nova_eval.compare.reference import open_side
from nova_eval.errors import UsageError
from nova_eval.page.blind import in_order, turned
from nova_eval.records import SampleKey


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("blind")
    assert called("report", *runs, "--blind", "--seed", 7, "--results", results) == 0
    (index,) = results.glob("reports/*/index.html")
    return index.parent


def items(page: Path) -> dict:
    text = (page / "data.js").read_text(encoding="ascii")
    return json.loads(re.sub(r"\\(['\\])", r"\1", text[text.index("('") + 2 : text.rindex("')")]))


def test_no_name_no_score_and_no_name_of_a_file_is_in_it(page: Path, runs: list[Path]) -> None:
    text = " ".join(path.read_text(encoding="utf-8") for path in page.glob("*.*"))
    text += " ".join(str(path.relative_to(page.parent)) for path in page.rglob("*"))
    digests = [d for run in runs for d in open_side(str(run), run.parent).digests.values()]
    for word in ("secret", "Secret", "noise", "oracle", *(digest[:10] for digest in digests)):
        assert word not in text, word
    told = items(page)
    assert set(told) == {"id", "seed", "items"}
    assert {frozenset(item) for item in told["items"]} == {frozenset({"key", "check", "text", "sides"})}
    assert {frozenset(side) for item in told["items"] for side in item["sides"]} == {
        frozenset({"file", "size", "frames", "fps"})
    }


def test_what_is_shown_on_a_side_is_what_a_vote_for_it_counts_for(
    page: Path, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever always takes the second run's picture prefers it in all of the votes."""
    told, second = items(page), runs[1]
    bytes_of = {path.read_bytes() for path in (second / "media").rglob("*.png")}
    votes = []
    for item in told["items"]:
        mine = [(page / "media" / side["file"]).read_bytes() in bytes_of for side in item["sides"]]
        assert sorted(mine) == [False, True]
        votes.append({"key": item["key"], "check": item["check"], "vote": ("left", "right")[mine.index(True)]})
    assert len(votes) == 12
    assert {vote["vote"] for vote in votes} == {"left", "right"}
    path = tmp_path / "votes.json"
    head = {"kind": "nova_eval votes", "schema": 1, "report": told["id"], "seed": told["seed"]}
    path.write_text(json.dumps({**head, "votes": votes}))
    for places, share in (((0, 1), 1.0), ((1, 0), 0.0)):
        capsys.readouterr()
        assert called("compare", *(runs[place] for place in places), "--votes", path, "--json") == 0
        found = json.loads(capsys.readouterr().out)["votes"]
        assert (found["preferred"]["value"], found["cast"], found["strange"]) == (share, 12, 0)
    assert called("compare", *runs, "--votes", path) == 0
    assert "Blind votes on noise" in capsys.readouterr().out


def test_every_prompt_comes_before_any_comes_again() -> None:
    keys = [SampleKey(f"a/{prompt}", index) for prompt in range(40) for index in range(3)]
    found = in_order(keys, 1)
    assert sorted(found) == sorted(keys)
    for turn in range(3):
        assert len({key.prompt_id for key in found[40 * turn : 40 * turn + 40]}) == 40
    assert in_order(keys[::-1], 1) == found != in_order(keys, 2)
    assert 0.35 < sum(turned(key, 1) for key in keys) / len(keys) < 0.65


def test_one_run_is_not_blind(runs: list[Path]) -> None:
    with pytest.raises(UsageError, match="of two runs"):
        called("report", runs[0], "--blind")
