"""A shard makes, scores and records its own part, whatever else is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_eval.plan import share
from nova_eval.runs.exporting import export_run
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run, unscored
from nova_eval.runs.run import Run


def opened(results: Path, **flags: Any) -> Run:
    asked = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 4, "samples_per_prompt": "1"}
    return open_run(*resolve("geneval", {**asked, "results": results, **flags}))


def test_a_shard_scores_its_own_part_of_what_is_there(tmp_path: Path) -> None:
    run(opened(tmp_path), scoring=False)
    part = opened(tmp_path, shard="1/3")
    run(part)
    left = {sample.key for sample, _ in unscored(opened(tmp_path), part.store.samples()[0])}
    assert left == set(part.wanted) - set(share(part.wanted, part.options)) != set()


def test_a_shard_records_its_own_part_of_a_folder(tmp_path: Path) -> None:
    run(opened(tmp_path / "made"), scoring=False)
    export_run(opened(tmp_path / "made"), tmp_path / "images")
    part = opened(tmp_path / "found", sampler=f"folder:{tmp_path / 'images'}", shard="1/3")
    run(part, scoring=False)
    assert set(part.store.samples()[0]) == set(share(part.wanted, part.options)) != set(part.wanted)
