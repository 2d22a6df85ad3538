"""The Python API says what the commands say, in types that keep missing values missing, and never in another unit."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import nova_eval
from nova_eval.cli import app
from nova_eval.errors import MediaError, UsageError
from nova_eval.trackers import TRACKERS

NUMBERS = ["value", "low", "high"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def clips(results: Path) -> nova_eval.OpenRun:
    """A prompt for each dimension of VBench, drawn as it says; the media are lossless."""
    return nova_eval.run(
        "vbench",
        sampler="oracle",
        settings={"frames": 9},
        limit=16,
        samples_per_prompt=1,
        workers=1,
        results=results,
        say=lambda text: None,
    )


@pytest.fixture(scope="module")
def images(results: Path) -> nova_eval.OpenRun:
    """Two samples of six prompts; the file of one is lost afterwards."""
    run = nova_eval.run(
        "geneval", sampler="oracle", limit=6, samples_per_prompt=2, workers=1, results=results, say=lambda text: None
    )
    (run.where / run.samples().path[3]).unlink()
    return nova_eval.open_run(run.where)


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    app(list(words), result_action="return_value")
    return capsys.readouterr().out


def test_each_name_is_told_to_type_checkers_and_no_network_is_imported() -> None:
    stub = Path(str(nova_eval.__file__)).with_suffix(".pyi").read_text(encoding="utf-8")
    assert {line.split()[-1] for line in stub.splitlines() if line.startswith("from")} == set(nova_eval.__all__)
    told = {
        f"from nova_eval{place and '.'}{place} import {name} as {name}" for name, place in nova_eval._PLACES.items()
    }  # a name comes from where the stub says
    assert told == {line for line in stub.splitlines() if line.startswith("from")}
    code = (
        "import sys, nova_eval\n"
        "nova_eval.errors.UsageError; assert not {'torch', 'pandas', 'cv2'} & set(sys.modules), 'at once'\n"
        "[getattr(nova_eval, name) for name in nova_eval.__all__]; nova_eval.benchmarks()\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules), 'by its names'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = nova_eval.scores  # type: ignore[attr-defined]


def test_run_takes_what_the_command_takes() -> None:
    from dataclasses import fields

    from nova_eval.api.running import RunArguments
    from nova_eval.options import RunOptions

    assert {*RunArguments.__annotations__} == {one.name for one in fields(RunOptions)} | {
        "sampler", "variant", "seed", "codec",
    }  # fmt: skip
    with pytest.raises(UsageError, match="did you mean 'limit'"):
        nova_eval.run("vbench", limitt=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="did you mean 'height'"):
        nova_eval.run("vbench", sampler="oracle", settings={"heigth": 3})
    with pytest.raises(UsageError, match="limit"):
        nova_eval.run("vbench", limit=0)


class TestFrames:
    def test_types_are_honest(self, images: nova_eval.OpenRun) -> None:
        numbers, counts = dict.fromkeys(NUMBERS, "Float64"), ["prompts", "samples", "unscored", "excluded"]
        metrics = images.metrics().dtypes.astype(str).to_dict()
        assert metrics == {
            **dict.fromkeys(("metric", "label", "reason"), "string"),
            **numbers,
            **dict.fromkeys(counts, "Int64"),
            "higher_is_better": "boolean",
        }
        scores = images.scores().dtypes.astype(str).to_dict()
        assert {kind: [n for n, k in scores.items() if k == kind] for kind in sorted(set(scores.values()))} == {
            "Float64": ["value", "weight"],
            "Int64": ["index"],
            "UInt64": ["seed"],
            "string": ["prompt_id", "prompt", "metric", "reason", "detail", "path", "digest"],
        }
        samples = images.samples().dtypes.astype(str).to_dict()
        assert {name for name, kind in samples.items() if kind == "Float64"} == {"fps", "seconds"}
        assert {name for name, kind in samples.items() if kind == "Int64"} == {
            "index", "bytes", "width", "height", "frames",
        }  # fmt: skip

    def test_what_is_missing_stays_missing_and_says_why(self, images: nova_eval.OpenRun) -> None:
        samples, scores, metrics = images.samples(), images.scores(), images.metrics().set_index("metric")
        assert samples.fps.isna().all()  # images have none, and not 0
        [lost] = samples[samples.path.isna()].itertuples()
        assert lost.reason
        assert samples.drop(index=lost.Index).reason.isna().all()
        [unscored] = scores[scores.value.isna()].itertuples()
        assert unscored.prompt_id == lost.prompt_id
        assert unscored.reason == lost.reason
        assert metrics.value.isna()["overall"]
        assert not images.complete

    def test_each_metric_is_the_weighted_mean_of_its_scores(self, clips: nova_eval.OpenRun) -> None:
        scores = clips.scores()
        metrics = clips.metrics().set_index("metric").value
        for metric, rows in scores.groupby("metric"):
            assert (rows.value * rows.weight).sum() / rows.weight.sum() == pytest.approx(metrics[metric], abs=1e-12)
        assert set(scores.metric) == set(clips.config.dimensions)

    def test_numbers_are_those_of_the_commands(
        self, images: nova_eval.OpenRun, clips: nova_eval.OpenRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        for run in (images, clips):
            [told] = json.loads(command(capsys, "table", str(run.where), "--json"))
            ours = run.metrics()
            assert [m["value"] for m in told["metrics"]] == [None if np.isnan(v) else v for v in _floats(ours.value)]
            assert [m["name"] for m in told["metrics"]] == ours.metric.tolist()
            (tmp_path / "table.csv").write_text(command(capsys, "table", str(run.where), "--format", "csv"))
            _same_csv(run.table(), tmp_path / "table.csv")
        raw, page = clips.metrics().set_index("metric").value, clips.table().set_index("metric")
        assert set(page.unit) == {"percent"}
        assert page.value["total"] == pytest.approx(100 * raw["total"], abs=1e-12)

    def test_a_table_has_runs_side_by_side(self, images: nova_eval.OpenRun) -> None:
        again = nova_eval.open_run(images.where, over="have")
        assert again.complete
        assert again.summary.samples == 11
        table = images.table(again)
        assert len(table) == 2
        assert table.attrs["title"]

    def test_a_part_is_looked_at(self, images: nova_eval.OpenRun) -> None:
        part = nova_eval.open_run(images.where, metrics=["colors"])
        assert set(part.scores().metric) == {"colors"}
        assert part.metrics().metric.tolist() == ["colors"]
        with pytest.raises(UsageError, match="did you mean 'colors'"):
            nova_eval.open_run(images.where, metrics=["colours"])


class TestReferences:
    def test_a_reference_says_what_its_run_says(self, clips: nova_eval.OpenRun, tmp_path: Path) -> None:
        kept = nova_eval.reference(clips, tmp_path / "kept.parquet")
        assert kept.metrics().equals(clips.metrics())
        assert kept.table().equals(clips.table())
        same = ["prompt_id", "index", "metric", "value", "weight", "reason", "seed", "digest"]
        assert kept.scores()[same].equals(clips.scores()[same])
        assert kept.scores().path.isna().all()
        assert kept.samples()[["seed", "digest"]].equals(clips.samples()[["seed", "digest"]])
        assert kept.summary.coverage == clips.summary.coverage
        with pytest.raises(UsageError, match="keeps no media"):
            kept.show(clips.samples().prompt_id[0])
        with pytest.raises(UsageError, match="keeps no media"):
            kept.report()
        with pytest.raises(UsageError, match="exists already"):
            nova_eval.reference(clips, tmp_path / "kept.parquet")
        with pytest.raises(UsageError, match="seen whole"):
            nova_eval.open_run(tmp_path / "kept.parquet", limit=3)

    def test_a_comparison_is_that_of_the_command(
        self, clips: nova_eval.OpenRun, results: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        noise = nova_eval.run("vbench", sampler="noise", limit=4, samples_per_prompt=1, results=results, workers=1)
        found = noise.compare(clips)
        told = json.loads(command(capsys, "compare", str(clips.where), str(noise.where), "--json"))["runs"][0]
        ours = found.findings().set_index("metric")
        for row in told["metrics"]:
            for name in ("reference", "run", "difference", "gate", "p_worse"):
                value = ours[name][row["name"]]
                assert (None if value is not value or value is ours[name].dtype.na_value else value) == row[name]
            assert ours.verdict[row["name"]] == row["verdict"]
        assert found.changes(3).shape == (3, 6)
        assert found.passes()  # so few prompts establish nothing
        assert not found.passes(strict=True)
        assert found.worse == ()
        assert str(found).startswith("### vbench: noise")
        with pytest.raises(UsageError, match="not a positive number"):
            noise.compare(clips, gates={"color": -1})
        with pytest.raises(UsageError, match="unknown metric"):
            noise.compare(clips, gates={"colour": 0.1})


class TestScore:
    def test_it_is_the_row_of_a_run_for_the_same_frames(self, clips: nova_eval.OpenRun) -> None:
        prompts = {one.id: one for one in nova_eval.prompts("vbench", "sprites")}
        wanted = clips.samples()
        some = [prompts[one] for one in wanted.prompt_id]
        frames = nova_eval.sampler("oracle", frames=9).sample(some, [int(seed) for seed in wanted.seed])
        found = nova_eval.score(frames, some, benchmark="vbench", fps=8, judges="sprites")
        ours, theirs = (_by_pair(one) for one in (found, clips.scores()))
        assert len(theirs) > 16
        assert {pair: row for pair, row in ours.items() if pair in theirs} == theirs

    def test_a_file_is_the_row_of_a_run_too(self, images: nova_eval.OpenRun) -> None:
        row = images.scores().dropna(subset=["value"]).iloc[0]
        [prompt] = [one for one in nova_eval.prompts("geneval", "sprites") if one.id == row.prompt_id]
        [found] = nova_eval.score(images.where / row.path, prompt, benchmark="geneval", judges="sprites").itertuples()
        assert (found.metric, found.value, found.detail) == (row.metric, row.value, row.detail)

    def test_a_text_alone_is_judged_on_what_it_brings_enough_for(self) -> None:
        clip = np.zeros((4, 32, 32, 3), np.uint8)
        found = nova_eval.score(clip, "a red circle", benchmark="vbench", fps=8, judges="sprites")
        assert len(found) == 10
        told: dict[str, Any] = {"prompt": "a red circle", "dimension": "color", "auxiliary_info": {"color": "red"}}
        [row] = nova_eval.score([clip], [told], benchmark="vbench", fps=8, judges="sprites").itertuples()
        assert row.metric == "color"

    def test_judges_that_are_not_at_hand_leave_the_reason(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        clip = np.zeros((4, 32, 32, 3), np.uint8)
        found = nova_eval.score(
            clip, "a cat", benchmark="vbench", fps=8, metrics=["temporal_flickering", "imaging_quality"]
        ).set_index("metric")
        assert found.value["temporal_flickering"] == 1
        assert found.value.isna()["imaging_quality"]
        assert "weights are missing; python -m nova_eval weights fetch" in found.reason["imaging_quality"]

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"fps": None}, "how many frames a second"),
            ({"frames": np.zeros((4, 8, 8, 3), np.float32)}, "float32"),
            ({"frames": np.zeros((8, 8, 3), np.uint8)}, "one picture"),
            ({"metrics": ["colour"]}, "did you mean 'color'"),
            ({"metrics": ["color"]}, "'color' in its reference"),
            ({"benchmark": "vbnech"}, "did you mean 'vbench'"),
            ({"judges": "sprite"}, "did you mean 'sprites'"),
            ({"prompt": ["a", "b"]}, "4 samples and 2 prompts"),
            ({"frames": "clip.png", "fps": None}, "is no video"),
            ({"frames": "clip.mp4"}, "a frame rate of its own"),
            ({"prompt": {"dimension": "color"}}, "no 'prompt'"),
            ({"benchmark": "geneval", "frames": np.zeros((8, 8, 3), np.uint8)}, "nothing of geneval can be judged"),
            ({"device": "gpu"}, "device"),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_one_line(self, changes: dict[str, Any], problem: str) -> None:
        asked = {"frames": np.zeros((4, 8, 8, 3), np.uint8), "prompt": "a cat", "benchmark": "vbench", "fps": 8}
        with pytest.raises(UsageError, match=problem):
            nova_eval.score(**{**asked, "judges": "sprites", **changes})


class TestParts:
    def test_benchmarks_samplers_and_judges_by_name(self) -> None:
        assert set(nova_eval.benchmarks()) >= {"vbench", "geneval", "t2i_compbench", "dpg_bench"}
        image = nova_eval.sampler("oracle", benchmark="geneval", height=32, width=32)
        [made] = image.sample([nova_eval.Prompt("own/0", "a red circle")], [1])
        assert (made.shape, made.dtype) == ((1, 32, 32, 3), np.uint8)
        judge = nova_eval.judge("sprites")
        assert [found.label for found in judge.detect(made)[0]] == ["circle"]  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match="did you mean 'sprites'"):
            nova_eval.judge("sprite")
        with pytest.raises(UsageError, match="did you mean 'height'"):
            nova_eval.sampler("oracle", heigth=32)
        with pytest.raises(nova_eval.NovaEvalError, match="needs"):
            nova_eval.sampler("folder")

    def test_runs_are_listed_and_one_that_cannot_be_read_says_so(
        self, images: nova_eval.OpenRun, clips: nova_eval.OpenRun, results: Path
    ) -> None:
        broken = results / "runs" / "geneval" / "broken"
        broken.mkdir(parents=True)
        (broken / "manifest.json").write_text("{", encoding="utf-8")
        listed = nova_eval.list_runs(results, "[gv]*").set_index("name")
        (broken / "manifest.json").unlink()
        assert listed.score[clips.name] == clips.metrics().set_index("metric").value["total"]
        assert listed.metric[clips.name] == "total"
        assert listed.problem["geneval/broken"]
        assert listed.seed.isna()["geneval/broken"]
        assert str(listed.seed.dtype) == "Int64"


class TestShow:
    def test_a_clip_is_a_strip_with_its_scores(self, clips: nova_eval.OpenRun) -> None:
        row = clips.scores().query("metric == 'color'").iloc[0]
        seen = clips.show((row.prompt_id, 0))
        assert str(seen) == str(clips.show(row.prompt_id))
        page = seen._repr_html_()
        picture = Image.open(io.BytesIO(seen.picture))
        assert picture.width > 4 * picture.height  # frames side by side
        assert page.count("data:image/jpeg;base64,") == 1
        assert "<td>Color</td><td>1</td>" in page
        assert "http" not in page
        assert str(seen) == f"{row.prompt_id} [0]: {row.prompt}\nColor 1"

    def test_all_text_is_escaped(self, clips: nova_eval.OpenRun) -> None:
        from nova_eval.api.showing import shown
        from nova_eval.media import Clip
        from nova_eval.records import SampleKey, Score

        hostile = "<script>alert(1)</script>\" onload='x'"
        rows = [Score(SampleKey("own/0", 0), "color", None, reason=hostile)]
        page = shown(
            "own/0 [0]", hostile, Clip(np.zeros((1, 8, 8, 3), np.uint8), 0.0), rows, clips.config
        )._repr_html_()
        assert "<script" not in page
        assert "onload='" not in page
        assert page.count("&lt;script&gt;") == 3

    def test_what_is_not_there_is_one_line(self, images: nova_eval.OpenRun) -> None:
        lost = images.samples().loc[lambda rows: rows.path.isna()].iloc[0]
        with pytest.raises(UsageError, match="has no sample"):
            images.show((lost.prompt_id, int(lost["index"])))
        with pytest.raises(UsageError, match="did you mean"):
            images.show(lost.prompt_id + "x")
        with pytest.raises(UsageError, match="say where"):
            images.report(images)
        there = images.samples().dropna(subset=["path"]).iloc[0]
        path = images.where / there.path
        data = path.read_bytes()
        path.write_bytes(data[::-1])
        with pytest.raises(MediaError, match="not the bytes"):
            images.show((there.prompt_id, int(there["index"])))
        path.write_bytes(data)


@pytest.mark.slow
def test_a_script_without_a_guard_runs_on_several_workers(tmp_path: Path) -> None:
    """A worker process does not run the caller's script again."""
    (tmp_path / "script.py").write_text(
        "import nova_eval\n"
        "run = nova_eval.run('geneval', sampler='noise', limit=2, samples_per_prompt=1, workers=2, batch=1)\n"
        "print(run.complete, len(run.scores()))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout.split() == ["True", "2"], done.stderr


def _floats(values: Any) -> list[float]:
    return [float("nan") if value is values.dtype.na_value else float(value) for value in values]


def _by_pair(scores: Any) -> dict[tuple[str, str], tuple[float, str]]:
    return {(row.prompt_id, row.metric): (row.value, row.detail) for row in scores.itertuples()}


def _same_csv(frame: Any, path: Path) -> None:
    import pandas as pd

    read = pd.read_csv(path, dtype=frame.dtypes.to_dict(), keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(read, frame, check_exact=False, rtol=1e-15)


class Painter:
    """A sampler in hand: frames of one shade, which its settings say."""

    def __init__(self, shade: int, **info: Any) -> None:
        self.shade, self.asked = shade, list[str]()
        self.info = nova_eval.SamplerInfo("painter", "image", settings={"shade": shade, "inks": [1, 2]}, **info)

    def sample(self, prompts: Sequence[nova_eval.Prompt], seeds: Sequence[int]) -> list[np.ndarray]:
        self.asked += [prompt.id for prompt in prompts]
        return [np.full((32, 32, 3), self.shade, np.uint8) for _ in prompts]


class TestInHand:
    ASKED: ClassVar[dict[str, Any]] = {"variant": "sprites", "limit": 2, "samples_per_prompt": 1}

    def test_a_sampler_is_run_as_it_is_and_its_info_names_the_run(self, tmp_path: Path) -> None:
        asked = {**self.ASKED, "results": tmp_path, "say": lambda text: None}
        first, again, other = Painter(9), Painter(9), Painter(10)
        run = nova_eval.run("geneval", sampler=first, **asked)
        assert run.complete
        assert run.name.startswith("geneval/painter-")
        assert len(first.asked) == 2
        assert json.loads((run.where / "manifest.json").read_text())["sampler"]["settings"] == {
            "imported": True, "shade": 9, "inks": [1, 2],
        }  # fmt: skip
        assert nova_eval.run("geneval", sampler=again, **asked).where == run.where
        assert again.asked == []
        assert nova_eval.open_run(run.where).complete
        assert nova_eval.run("geneval", sampler=other, **asked).where != run.where

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"sampler": 3}, "sampler 'int' has no info"),
            ({"sampler": Painter(9), "workers": 2}, "workers says nothing to a sampler in hand"),
            ({"sampler": Painter(9), "settings": {"shade": 3}}, "settings says nothing"),
            ({"sampler": Painter(9, fps=3.0), "track": ["tensorboard"]}, "says no place"),
        ],
        ids=range(4),
    )
    def test_what_does_not_go_together(self, given: dict[str, Any], problem: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=problem):
            nova_eval.run("geneval", results=tmp_path, **{**self.ASKED, **given})
        assert list(tmp_path.iterdir()) == []

    def test_trackers_hear_of_a_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[Any] = []

        class Board:
            def __init__(self, place: str, series: str) -> None:
                told.append((place, series))

            def __getattr__(self, name: str) -> Any:
                return lambda *said: told.append((name, *said[:2]))

        monkeypatch.setattr(TRACKERS, "make", lambda name, settings: Board(**settings))
        asked = {**self.ASKED, "results": tmp_path, "say": lambda text: None}
        run = nova_eval.run("geneval", sampler=Painter(9), track=["board:here"], **asked)
        assert told[0] == ("here", run.name)
        assert [name for name, *_ in told[1:]] == ["log", "media", "summary", "close"]

    @pytest.mark.slow
    def test_it_samples_until_it_is_decided(self, tmp_path: Path) -> None:
        asked = {"variant": "sprites", "samples_per_prompt": 1, "metrics": ["colors"], "results": tmp_path}
        quiet = {**asked, "say": lambda text: None}
        good = nova_eval.run("geneval", sampler="oracle", workers=1, **quiet)
        painter = Painter(9)
        decision = nova_eval.run_until_decided("geneval", good, sampler=painter, **quiet)
        assert decision.worse == ("colors",)
        assert not decision.passes()
        assert decision.saved == len(good.samples()) - len(painter.asked) > 0
        [row] = decision.findings().itertuples()
        assert (row.metric, row.verdict, row.run, row.reference) == ("colors", "worse", 0.0, 1.0)
        assert decision.run.samples().path.notna().sum() == len(painter.asked)
        assert "colors" in str(decision).lower()
        with pytest.raises(UsageError, match="unknown dimension of geneval 'colours'"):
            nova_eval.run_until_decided("geneval", good, sampler=painter, gate={"colours": 0.1}, **quiet)
