"""Import and export: media and scores survive the way out and back, and official result files say what tables say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.geneval.prompts import TASKS
from nova_eval.adapters.t2i_compbench.names import running_number
from nova_eval.adapters.vbench.final import official_final_score, official_submission
from nova_eval.cli import app
from nova_eval.errors import UsageError
from nova_eval.records import RunSummary, SampleKey
from nova_eval.report.tables import run_title
from nova_eval.runs.catalogue import entries
from nova_eval.runs.exporting import export_run
from nova_eval.runs.importing import import_folder
from nova_eval.runs.opening import open_run, reopen, reopen_to_score
from nova_eval.runs.options import changed, resolve
from nova_eval.runs.pipeline import run
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.samplers.folder import FolderSampler

BENCHMARKS = ("dpg_bench", "geneval", "t2i_compbench", "vbench")
ORACLE: dict[str, Any] = {"sampler": "oracle", "variant": "sprites", "workers": 1}
OPTIONS: dict[str, Any] = {**ORACLE, "samples_per_prompt": "4", "limit": 8}
FEWER: dict[str, Any] = {"samples_per_prompt": "2", "limit": 5}  # videos take their time


def opened(benchmark: str, results: Path, **flags: Any) -> Run:
    asked = OPTIONS | (FEWER if benchmark == "vbench" else {})
    spec, options, config = resolve(benchmark, {**asked, "results": results, **flags})
    return open_run(spec, options, config)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A scored run of the embedded world a benchmark, with as few prompts as touch most of its dimensions."""
    results = tmp_path_factory.mktemp("sampled")
    folders = {}
    for benchmark in BENCHMARKS:
        asked = opened(benchmark, results, sampler="oracle", scoring="official")
        run(asked)
        folders[benchmark] = asked.store.folder
    return folders


@pytest.fixture(scope="module")
def exported(sampled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each run under official names."""
    root = tmp_path_factory.mktemp("exported")
    for benchmark, folder in sampled.items():
        export_run(reopen(folder), root / benchmark)
    return {benchmark: root / benchmark for benchmark in sampled}


def brought_in(benchmark: str, folder: Path, results: Path, *, link: bool = False, **flags: Any) -> Run:
    asked = opened(benchmark, results, sampler="imported:again", scoring="official", **flags)
    import_folder(asked, FolderSampler(folder, names=benchmark), link=link)
    return asked


def digests(asked: Run) -> dict[SampleKey, str]:
    return {key: sample.digest for key, sample in asked.store.samples()[0].items()}


def rows(asked: Run) -> list[tuple[Any, ...]]:
    """Everything the score rows say."""
    return sorted(
        (tuple(row.key), row.metric, row.value, row.weight, row.reason, json.dumps(row.detail, sort_keys=True))
        for row in summarise(asked).rows
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(asked: Run, key: SampleKey) -> np.ndarray:
    sample = asked.store.samples()[0][key]
    frames = media.read(asked.store.folder / sample.path).frames
    left, top, width, height = sample.part or (0, 0, sample.width, sample.height)
    return frames[:, top : top + height, left : left + width]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
class TestThereAndBack:
    def test_the_same_samples_score_to_the_same_rows(
        self, benchmark: str, sampled: dict[str, Path], exported: dict[str, Path], tmp_path: Path
    ) -> None:
        first = reopen(sampled[benchmark])
        again = brought_in(benchmark, exported[benchmark], tmp_path)
        for key in digests(first):
            assert np.array_equal(pixels(first, key), pixels(again, key))
        assert digests(again) == digests(first)
        scored = reopen_to_score(again.store.folder, lambda options: options)
        assert run(scored, sampling=False).summary.coverage.unscored == 0
        assert rows(scored) == rows(first)

    def test_a_second_export_is_the_same_folder(
        self, benchmark: str, exported: dict[str, Path], tmp_path: Path
    ) -> None:
        again = brought_in(benchmark, exported[benchmark], tmp_path)
        export_run(reopen(again.store.folder), tmp_path / "out")
        first, second = tree(exported[benchmark]), tree(tmp_path / "out")
        assert second.items() <= first.items()  # the second has no scores yet
        assert {name for name in first if name not in second} == {
            name for name in first if "result" in name or "info" in name or "score" in name or name.endswith(".json")
        } | {name for name in first if name in ("summary.txt",)}

    def test_files_are_linked_or_copied_as_asked(
        self, benchmark: str, exported: dict[str, Path], tmp_path: Path
    ) -> None:
        linked = brought_in(benchmark, exported[benchmark], tmp_path / "linked", link=True)
        copied = brought_in(benchmark, exported[benchmark], tmp_path / "copied")
        sources = {path.stat().st_ino for path in exported[benchmark].rglob("*") if path.is_file()}
        for asked, shared in ((linked, True), (copied, False)):
            files = [path for path in (asked.store.folder / "media").rglob("*") if path.is_file()]
            assert files
            assert all((path.stat().st_ino in sources) == shared for path in files)
        assert digests(linked) == digests(copied)

    def test_a_folder_sampler_finds_what_import_finds(
        self, benchmark: str, exported: dict[str, Path], tmp_path: Path
    ) -> None:
        there = opened(benchmark, tmp_path, sampler=f"folder:{exported[benchmark]}", scoring="official")
        assert there.external is not None
        assert set(there.external.listing.found) == set(digests(brought_in(benchmark, exported[benchmark], tmp_path)))


class TestSeparateImages:
    def test_a_grid_alone_keeps_every_pixel_and_row(
        self, sampled: dict[str, Path], exported: dict[str, Path], tmp_path: Path
    ) -> None:
        first = reopen(sampled["dpg_bench"])
        again = brought_in("dpg_bench", exported["dpg_bench"] / "images", tmp_path)
        for key in digests(first):
            assert np.array_equal(pixels(first, key), pixels(again, key))
        scored = reopen_to_score(again.store.folder, lambda options: options)
        run(scored, sampling=False)
        assert rows(scored) == rows(first)

    def test_dpg_bench_keeps_every_byte(self, sampled: dict[str, Path], tmp_path: Path) -> None:
        first = reopen(sampled["dpg_bench"])
        export_run(first, tmp_path / "out", names="separate")
        assert digests(brought_in("dpg_bench", tmp_path / "out", tmp_path)) == digests(first)

    def test_an_imported_grid_can_be_taken_apart(self, exported: dict[str, Path], tmp_path: Path) -> None:
        grids = brought_in("dpg_bench", exported["dpg_bench"] / "images", tmp_path / "a")
        assert all(sample.part for sample in grids.store.samples()[0].values())
        export_run(reopen(grids.store.folder), tmp_path / "out", names="separate")
        alone = brought_in("dpg_bench", tmp_path / "out", tmp_path / "b")
        for key in digests(grids):
            assert np.array_equal(pixels(grids, key), pixels(alone, key))

    def test_one_image_a_prompt_is_no_grid(self, sampled: dict[str, Path], tmp_path: Path) -> None:
        one = reopen_to_score(sampled["dpg_bench"], lambda options: replace(options, samples_per_prompt=1))
        assert any("a grid takes four images" in line for line in export_run(one, tmp_path / "grids").lines)
        assert not (tmp_path / "grids" / "images").exists()
        export_run(one, tmp_path / "alone", names="separate")
        assert len(list((tmp_path / "alone").rglob("*-0.png"))) == len({key.prompt_id for key in one.wanted})

    def test_other_benchmarks_have_one_kind_of_names(self, sampled: dict[str, Path], tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="unknown names of geneval 'separate'"):
            export_run(reopen(sampled["geneval"]), tmp_path / "out", names="separate")


class TestImport:
    def test_again_adds_what_is_new_and_nothing_else(self, exported: dict[str, Path], tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        files = sorted((exported["geneval"] / "images").rglob("*.png"))
        for path in files[:5]:
            _copy(path, exported["geneval"], folder)
        first = brought_in("geneval", folder, tmp_path)
        assert (len(digests(first)), summarise(first).summary.coverage.scored) == (5, 0)
        reasons = set(first.store.samples()[1].values())
        assert reasons == {"the file was missing when the folder was imported"}
        for path in files[5:]:
            _copy(path, exported["geneval"], folder)
        second = brought_in("geneval", folder, tmp_path)
        assert second.store.folder == first.store.folder
        assert len(digests(second)) == len(files)
        assert second.store.samples()[1] == {}

    def test_other_bytes_under_the_same_model_are_refused(self, exported: dict[str, Path], tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        for path in sorted((exported["geneval"] / "images").rglob("*.png")):
            _copy(path, exported["geneval"], folder)
        first = digests(brought_in("geneval", folder, tmp_path))
        changed_file = next(folder.rglob("*.png"))
        changed_file.unlink()
        changed_file.write_bytes(media.encode_image(np.zeros((64, 64, 3), np.uint8)))
        with pytest.raises(UsageError, match=r"holds other bytes for 1 of these samples, .* another --model"):
            brought_in("geneval", folder, tmp_path)
        assert digests(opened("geneval", tmp_path, sampler="imported:again", scoring="official")) == first

    def test_broken_files_stay_unscored_with_their_reason(self, exported: dict[str, Path], tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        for path in sorted((exported["geneval"] / "images").rglob("*.png"))[:4]:
            _copy(path, exported["geneval"], folder)
        broken = sorted(folder.rglob("*.png"))[0]
        broken.unlink()
        broken.write_bytes(b"")
        asked = brought_in("geneval", folder, tmp_path)
        reasons = {missing.reason for missing in summarise(asked).summary.coverage.missing}
        assert f"unreadable: {broken.name}: the file is empty" in reasons

    def test_a_name_that_cannot_be_one(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"'\.\.' cannot name a model"):
            opened("geneval", tmp_path, sampler="imported:..")

    def test_official_counts_are_the_benchmarks_own_and_the_table_says_so(self, tmp_path: Path) -> None:

        asked = opened("vbench", tmp_path, sampler="imported:x", samples_per_prompt="official", limit=None)
        per_prompt: dict[str, int] = {}
        for key in asked.wanted:
            per_prompt[key.prompt_id] = per_prompt.get(key.prompt_id, 0) + 1
        flickering = {prompt.id for prompt in asked.prompts if "temporal_flickering" in prompt.tags}
        assert {per_prompt[key] for key in flickering} == {25}
        assert {number for key, number in per_prompt.items() if key not in flickering} == {5}
        summary: RunSummary = summarise(asked).summary
        title = run_title(summary, load_benchmark("vbench").config)
        assert f", {len(asked.suite)} prompts × 5–25 samples" in title
        assert (
            resolve("geneval", {"sampler": "imported:x"})[1].samples_per_prompt == 4
        )  # the profile's count is its own


class TestModelNames:
    @pytest.mark.parametrize("model", ["可灵 1.6", "混元", "BAAI/nova d48", "Модель (v2)", "x" * 300])
    def test_a_model_keeps_the_name_its_user_gave(self, model: str, exported: dict[str, Path], tmp_path: Path) -> None:
        asked = opened("geneval", tmp_path, sampler=f"imported:{model}", scoring="official")
        import_folder(asked, FolderSampler(exported["geneval"], names="geneval"))
        folder = asked.store.folder
        assert reopen(folder).model == summarise(reopen(folder)).summary.model == model
        assert json.loads((folder / "manifest.json").read_text())["model"] == model
        assert model in (folder / "tables/table.md").read_text()
        assert folder.name.isascii()
        assert [entry.model for entry in entries(tmp_path)] == [model]

    def test_two_names_of_one_folder_name_are_two_runs(self, exported: dict[str, Path], tmp_path: Path) -> None:
        asked = [opened("geneval", tmp_path, sampler=f"imported:{name}") for name in ("混元", "可灵", "model", "混 元")]
        assert len({run.store.folder for run in asked}) == 4
        assert {run.store.folder.name.rpartition("-")[0] for run in asked} == {"model"}

    @pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "caf\udce9", "\u202ea"])
    def test_a_name_that_no_table_can_show(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot name a model; give a name of one line"):
            opened("geneval", tmp_path, sampler=f"imported:{name}")


class TestEndings:
    @pytest.mark.parametrize(("benchmark", "ending"), [("vbench", ".MP4"), ("geneval", ".PNG"), ("dpg_bench", ".Png")])
    def test_are_those_that_official_scripts_read(
        self, benchmark: str, ending: str, sampled: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "folder"
        export_run(reopen(sampled[benchmark]), folder, names="separate" if benchmark == "dpg_bench" else "official")
        for path in folder.rglob(f"*{ending.lower()}"):
            path.rename(path.with_suffix(ending))
        there = opened(benchmark, tmp_path, sampler=f"folder:{folder}", scoring="official")
        run(there, scoring=False)
        lines, *_ = export_run(reopen(there.store.folder), tmp_path / "out", names="official")
        media_files = [path for path in (tmp_path / "out").rglob("*") if path.suffix.lower() == ending.lower()]
        assert media_files
        assert {path.suffix for path in media_files} == {ending.lower()}
        assert not any("do not read" in line for line in lines)


class TestScoringARun:
    def test_options_change_and_what_names_the_run_does_not(self, sampled: dict[str, Path]) -> None:
        old = reopen(sampled["geneval"]).options
        assert changed(old, {"workers": 2, "limit": 3, "seed": None}).limit == 3
        with pytest.raises(UsageError, match="seed is part of what the run is"):
            changed(old, {"seed": 3})
        with pytest.raises(UsageError, match=r"sampler\.height is part of"):
            changed(old, {}, ["sampler.height=3"])

    def test_a_moved_run_is_scored_where_it_lies(self, exported: dict[str, Path], tmp_path: Path) -> None:
        folder = brought_in("geneval", exported["geneval"], tmp_path).store.folder.rename(tmp_path / "moved")
        assert app(["score", str(folder), "--workers", "1"], result_action="return_value") == 0
        assert reopen(folder).store.folder == folder
        assert (folder / "tables/table.md").exists()


class TestOfficialResults:
    def test_geneval_a_line_an_image_and_the_summary(self, sampled: dict[str, Path], exported: dict[str, Path]) -> None:
        folder = exported["geneval"]
        lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
        images = {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
        assert {line["filename"] for line in lines} == images
        assert list(lines[0]) == ["filename", "tag", "prompt", "correct", "reason", "metadata", "details"]
        for line in lines:
            beside = (folder / line["filename"]).parents[1] / "metadata.jsonl"
            assert line["metadata"] == beside.read_text()
            assert all(len(box) == 5 for boxes in json.loads(line["details"]).values() for box in boxes)
        values = _values(sampled["geneval"])
        for task in TASKS:
            found = [line["correct"] for line in lines if line["tag"] == task]
            assert sum(found) / len(found) == pytest.approx(values[task])
        assert f"Overall score (avg. over tasks): {values['overall']:.5f}" in (folder / "summary.txt").read_text()

    def test_t2i_compbench_answers_and_their_mean(self, sampled: dict[str, Path], exported: dict[str, Path]) -> None:
        folder, values = exported["t2i_compbench"], _values(sampled["t2i_compbench"])
        seen = set()
        for path in folder.rglob("vqa_result.json"):
            category, place = path.relative_to(folder).parts[0], path.parent.name
            answers = json.loads(path.read_text())
            numbers = sorted(running_number(image) for image in (folder / category / "samples").iterdir())
            assert len(answers) == len(numbers)
            counted = place in ("annotation_blip", "annotation_clip", "annotation_3_in_1")
            assert [a["question_id"] for a in answers] == (list(range(len(numbers))) if counted else numbers)
            mean = sum(float(answer["answer"]) for answer in answers) / len(answers)
            if category != "complex" or place == "annotation_3_in_1":
                assert mean == pytest.approx(values[category])
                seen.add(category)
            (text,) = [found.read_text() for found in path.parent.glob("*score*.txt")] or [
                found.read_text() for found in path.parent.glob("avg*.txt")
            ]
            assert float(text.replace("avg:", ":").replace("is ", ":").rpartition(":")[2]) == pytest.approx(mean)
            if place == "annotation_blip":
                assert all(answer["answer"] == f"{float(answer['answer']):.4f}" for answer in answers)
        assert len(seen) >= 5

    def test_dpg_bench_a_line_a_picture_and_the_score(
        self, sampled: dict[str, Path], exported: dict[str, Path]
    ) -> None:
        folder, values = exported["dpg_bench"], _values(sampled["dpg_bench"])
        text = (folder / "dpg-bench_results.txt").read_text()
        pictures, _, summary = text.partition("Model: ")
        means = []
        for line in pictures.splitlines():
            path, *numbers = line.split(", ")
            assert (folder / path).is_file()
            *tiles, mean = map(float, numbers)
            assert len(tiles) == 4
            assert mean == pytest.approx(sum(tiles) / 4)
            means.append(mean)
        assert len(means) == len(list((folder / "images").rglob("*.png")))
        assert float(summary.rpartition("DPG-Bench score: ")[2]) == pytest.approx(100 * values["overall"])
        assert sum(means) / len(means) == pytest.approx(values["overall"])
        assert f"\tentity: {100 * values['entity']}" in summary

    def test_vbench_makes_the_official_final_score(self, sampled: dict[str, Path], exported: dict[str, Path]) -> None:
        folder, values = exported["vbench"], _values(sampled["vbench"])
        (path,) = folder.glob("*_eval_results.json")
        content = json.loads(path.read_text())
        config = load_benchmark("vbench").config
        raw = official_submission(config, [(path.name, content)])
        known = {name: value for name, value in values.items() if name in config.dimensions and value is not None}
        assert {name: raw[name] for name in known} == pytest.approx(known)
        assert official_final_score(config, raw).total == pytest.approx(official_final_score(config, known).total)
        for _, records in content.values():
            assert all((folder / record["video_path"]).is_file() for record in records)
        (suite,) = folder.glob("*_full_info.json")
        entries = json.loads(suite.read_text())
        assert sum(len(entry["video_list"]) for entry in entries) == len(list(folder.rglob("*.mp4")))

    def test_corrected_scores_have_no_official_file(self, sampled: dict[str, Path], tmp_path: Path) -> None:
        corrected = reopen_to_score(sampled["geneval"], lambda options: replace(options, scoring="corrected"))
        lines = export_run(corrected, tmp_path / "out").lines
        assert "no official result file: the run has corrected scoring" in lines
        assert not list((tmp_path / "out").glob("*.jsonl"))


class TestWhatCannotBeExported:
    def test_a_folder_that_holds_something(self, sampled: dict[str, Path], tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("")
        with pytest.raises(UsageError, match="is not an empty folder"):
            export_run(reopen(sampled["geneval"]), tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]

    def test_grids_of_three_images_are_left_out_and_said(self, exported: dict[str, Path], tmp_path: Path) -> None:
        asked = brought_in("dpg_bench", exported["dpg_bench"], tmp_path, samples_per_prompt="3")
        export_run(reopen(asked.store.folder), tmp_path / "alone", names="separate")
        three = brought_in("dpg_bench", tmp_path / "alone", tmp_path / "b", samples_per_prompt="3")
        lines = export_run(reopen(three.store.folder), tmp_path / "out").lines
        assert any("only: a grid takes four images of one size" in line for line in lines)
        assert not (tmp_path / "out" / "images").exists()
        assert len(list((tmp_path / "out" / "separate").iterdir())) == len(digests(three))


def test_the_three_verbs_on_the_command_line(
    exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: object) -> int:
        return int(app([str(word) for word in words], result_action="return_value"))

    asked = ("--variant", "sprites", "--limit", 8, "--samples-per-prompt", 4, "--results", tmp_path)
    assert call("import", "geneval", exported["geneval"], "--model", "Mine", *asked) == 0
    (name,) = [path.parent.name for path in tmp_path.glob("runs/geneval/*/manifest.json")]
    assert name.startswith("Mine-")
    assert call("score", name, "--results", tmp_path, "--workers", 1, "--json") == 0
    answer = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert answer["coverage"]["fraction"] == 1
    assert answer["model"] == "Mine"
    assert call("export", name, tmp_path / "out", "--copy", "--results", tmp_path) == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 32
    assert call("import", "geneval", exported["geneval"], "--model", "Five", *asked[:4], "--results", tmp_path) == 0


def _values(folder: Path) -> dict[str, Any]:
    return {metric.name: metric.value for metric in summarise(reopen(folder)).summary.metrics}


def _copy(path: Path, root: Path, folder: Path) -> None:
    target = folder / path.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
