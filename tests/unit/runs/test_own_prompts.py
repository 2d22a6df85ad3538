"""Own prompts and own names: what is scored, under which ids, and what every other command makes of such a run."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nova_eval import media
from nova_eval.cli.flags import RunFlags
from nova_eval.cli.runs import import_
from nova_eval.errors import UsageError
from nova_eval.runs import opening, pipeline
from nova_eval.runs.exporting import export_run
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


def test_each_clip_has_its_own_line(tmp_path: Path, clips: Path) -> None:
    made, outcome = run(tmp_path, sampler=f"folder:{clips}", variant="custom", metrics=("temporal_flickering",))
    with (made.store.folder / "tables" / "samples.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert {line["file"]: float(line["temporal_flickering"]) for line in lines} == values(outcome, made)
    assert len(lines) == 3


def test_an_export_comes_back_as_the_same_prompts_and_files(tmp_path: Path, clips: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(TEXTS))
    made, _ = run(tmp_path, sampler=f"folder:{clips}", prompts=table, metrics=("temporal_flickering",))
    export_run(made, tmp_path / "out")
    media_folder = tmp_path / "out" / "media"
    assert json.loads((media_folder / "prompts.json").read_text()) == TEXTS
    again = opened(tmp_path, sampler=f"folder:{media_folder}", variant="custom")
    assert again.suite == made.suite


def test_an_import_is_scored_without_its_folder(tmp_path: Path, clips: Path) -> None:
    metrics = ("temporal_flickering",)
    in_place = values(*reversed(run(tmp_path, sampler=f"folder:{clips}", variant="custom", metrics=metrics)))
    results = tmp_path / "results"
    flags = RunFlags(variant="custom", metrics=metrics, results=results)
    assert import_("vbench", clips, model="mine", flags=flags) == 0
    shutil.rmtree(clips)
    (folder,) = (results / "runs" / "vbench").glob("mine-*")
    made = opening.reopen_to_score(folder, lambda options: options)
    outcome = pipeline.run(made, sampling=False)
    assert sorted(row.value for row in outcome.rows) == sorted(in_place.values())


def test_a_generator_makes_own_prompts_under_the_worlds_judges(tmp_path: Path) -> None:
    prompts = tmp_path / "mine.csv"
    prompts.write_text("id,prompt,dimension\nstar,an orange star,aesthetic_quality\nring,a blue ring,\n")
    made, outcome = run(
        tmp_path, sampler="oracle", prompts=prompts, samples_per_prompt=2, metrics=("aesthetic_quality",)
    )
    assert [key.prompt_id for key in made.wanted] == ["custom/star"] * 2 + ["custom/ring"] * 2
    assert all(row.value is not None for row in outcome.rows)
    assert outcome.summary.variant == "custom"
    assert outcome.summary.scoring == "corrected"


def test_a_part_of_the_suite_keeps_ids_tags_and_references(tmp_path: Path) -> None:
    whole = opened(tmp_path, "geneval", sampler="oracle", variant="sprites").suite
    chosen = (whole[3], whole[40], whole[41])
    prompts = tmp_path / "mine.txt"
    prompts.write_text(f"{chosen[1].text}\n{chosen[0].id}\n{chosen[2].text}\n")
    flags = {"sampler": "oracle", "samples_per_prompt": 1, "prompts": prompts}
    made, outcome = run(tmp_path, "geneval", **flags)
    assert made.suite == chosen
    assert made.spec.variant == "sprites"
    assert f"3 of {len(whole)} sprites prompts (mine.txt)" in outcome.summary.notes
    overall = next(metric for metric in outcome.summary.metrics if metric.name == "overall")
    assert overall.value is None
    named = opened(tmp_path, "geneval", **flags, variant="sprites")
    assert named.store.folder == made.store.folder
    prompts.write_text("a circel\n")
    with pytest.raises(UsageError, match="did you mean 'a circle'"):
        opened(tmp_path, "geneval", **flags, variant="sprites")


def test_an_official_number_names_the_same_prompt_in_a_part(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "00412" / "samples"
    folder.mkdir(parents=True)
    (folder / "00000.png").write_bytes(media.encode_image(np.zeros((8, 8, 3), np.uint8)))
    prompts = tmp_path / "mine.txt"
    prompts.write_text("geneval/0007\ngeneval/0412\n")
    made = opened(tmp_path, "geneval", sampler=f"folder:{tmp_path / 'images'}", prompts=prompts)
    assert made.external is not None
    assert [key.prompt_id for key in made.external.listing.found] == ["geneval/0412"]


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
