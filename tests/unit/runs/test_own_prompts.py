"""Own prompts and own names: what is scored, under which ids, and what every other command makes of such a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nova_eval import media
from nova_eval.errors import UsageError
from nova_eval.runs import opening, pipeline
from nova_eval.runs.options import resolve
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome, summarise

TEXTS = {"0001.mp4": "a drone shot of a village", "0002.mp4": "a cat looks out", "take-3.mp4": "rain on a street"}


def clip(seed: int, step: int = 1) -> bytes:
    still = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    return media.encode_video(np.stack([np.roll(still, step * t, axis=1) for t in range(6)]), 8.0)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed, name in enumerate(TEXTS):
        (folder / name).write_bytes(clip(seed, seed + 1))
    return folder


def opened(tmp_path: Path, benchmark: str = "vbench", **flags: Any) -> Run:
    given = {"results": tmp_path / "results", "workers": 1, "offline": True, **flags}
    return opening.open_run(*resolve(benchmark, given))


def run(tmp_path: Path, benchmark: str = "vbench", **flags: Any) -> tuple[Run, Outcome]:
    made = opened(tmp_path, benchmark, **flags)
    return made, pipeline.run(made)


def values(outcome: Outcome, made: Run) -> dict[str, float | None]:
    files = {key: Path(sample.path).name for key, sample in outcome.samples.items()}
    return {files[row.key]: row.value for row in outcome.rows if row.key in made.wanted}


def test_a_table_and_no_table_score_the_same_clips_alike(tmp_path: Path, clips: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(TEXTS))
    sampler, metrics = f"folder:{clips}", ("temporal_flickering",)
    named, with_table = run(tmp_path, sampler=sampler, prompts=table, metrics=metrics)
    bare, without = run(tmp_path, sampler=sampler, variant="custom", metrics=metrics)
    assert values(with_table, named) == values(without, bare)
    assert values(with_table, named).keys() == TEXTS.keys()
    assert named.store.folder != bare.store.folder
    assert [prompt.text for prompt in named.suite] == list(TEXTS.values())
    assert [prompt.text for prompt in bare.suite] == ["", "", ""]


def test_the_file_is_not_needed_again(tmp_path: Path, clips: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(TEXTS))
    made, outcome = run(tmp_path, sampler=f"folder:{clips}", prompts=table, metrics=("temporal_flickering",))
    table.unlink()
    again = opening.reopen(made.store.folder)
    assert again.own
    assert summarise(again).summary.metrics == outcome.summary.metrics
    assert summarise(again).summary.coverage == outcome.summary.coverage


def test_ten_dimensions_with_a_prompt_seven_without(tmp_path: Path, clips: Path) -> None:
    (clips / "prompts.json").write_text(json.dumps(TEXTS))
    with_prompts = opened(tmp_path, sampler=f"folder:{clips}", variant="custom")
    assert {len(prompt.tags) for prompt in with_prompts.prompts} == {10}
    (clips / "prompts.json").unlink()
    without = opened(tmp_path, sampler=f"folder:{clips}", variant="custom")
    assert {len(prompt.tags) for prompt in without.prompts} == {7}
    reasons = {metric.name: metric.reason for metric in summarise(without).summary.metrics if metric.value is None}
    assert reasons["overall_consistency"] == "no prompt brings a text"
    assert reasons["color"] == "no prompt brings a text and 'color' in its reference"
    assert reasons["total"] == "prompts of one's own have no total"


def test_a_table_names_what_is_missing_and_what_is_not_in_it(tmp_path: Path, clips: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"0001.mp4": "one thing here", "0009.mp4": "another thing here"}))
    made, outcome = run(tmp_path, sampler=f"folder:{clips}", prompts=table, metrics=("temporal_flickering",))
    assert outcome.summary.samples == 1
    assert [missing.reason for missing in outcome.summary.coverage.missing] == ["the file is missing"]
    assert made.external is not None
    lines = "\n".join(made.external.lines)
    assert "0009.mp4" in lines
    assert "0002.mp4" in lines


def test_numbers_alone_are_nobodys_first_or_second(tmp_path: Path, clips: Path) -> None:
    prompts = tmp_path / "mine.txt"
    prompts.write_text("\n".join(TEXTS.values()))
    with pytest.raises(UsageError, match="--variant custom") as caught:
        run(tmp_path, sampler=f"folder:{clips}", prompts=prompts)
    assert "\n" not in str(caught.value)
    (clips / "0001.mp4").rename(clips / "0000.mp4")
    made = opened(tmp_path, sampler=f"folder:{clips}", prompts=prompts)
    assert made.external is not None
    assert {key.prompt_id: path.name for key, path in made.external.listing.found.items()} == {
        "custom/0000": "0000.mp4",
        "custom/0002": "0002.mp4",
    }
