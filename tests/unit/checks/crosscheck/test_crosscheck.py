"""A run beside the official package: equal scores agree, others do not, and what cannot be compared says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench.flicker import temporal_flickering
from nova_eval.checks.crosscheck.comparison import TOLERANCES, as_json, compare, lines
from nova_eval.checks.crosscheck.crosscheck import crosscheck
from nova_eval.checks.crosscheck.official import (
    FILES,
    OfficialAnswer,
    OfficialCall,
    ask,
    place_files,
    read_answers,
)
from nova_eval.checks.crosscheck.options import Crosscheck, Package
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.cli import app
from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.options import RunOptions
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.store import RunStore

from nova_eval.protocols import Item, SamplerInfo  # isort: skip
from nova_eval.records import Sample  # isort: skip

TEXTS = ("a toilet, frozen in time", "In a still frame, a stop sign")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two clips, scored for flicker."""
    return _run(tmp_path / "run")


def _run(folder: Path, shift: float = 0.0) -> Path:
    store = RunStore(folder)
    prompts = [Prompt(f"vbench/{n:04}", text, ("temporal_flickering",)) for n, text in enumerate(TEXTS)]
    samples, scores = store.sample_writer(), store.score_writer("temporal_flickering@1-pixels")
    for number, prompt in enumerate(prompts):
        key = SampleKey(prompt.id, 0)
        data = media.encode_video(moving_shapes(number, 5, 96, 128), 8.0)
        path = store.write(store.media_name(key, ".mp4"), data)
        sample = Sample(key, 0, store.media_name(key, ".mp4"), f"{number}", len(data), 128, 96, 5, 8.0, 0.0)
        samples.append_samples([sample])
        score = temporal_flickering(Item(prompt, sample, media.read(path)))
        assert score.value is not None
        scores.append_scores([(replace(score, value=score.value + shift), sample)])
    samples.close()
    scores.close()
    store.write_prompts(prompts)
    profile = load_benchmark("vbench").config.profiles["paper"]
    store.write_manifest(
        {
            "spec": RunSpec(
                benchmark="vbench", variant=profile.variant, sampler=SamplerSpec(name="folder", settings={})
            ).model_dump(mode="json"),
            "options": RunOptions(profile="paper", scoring="official", samples_per_prompt=1).record(),
            "sampler": vars_of(SamplerInfo(name="folder", modality="video")),
            "scorers": {"temporal_flickering": "temporal_flickering@1-pixels"},
            "judges": {"temporal_flickering": None},
            "unavailable": {"scene": "weights tag2text_swin_14m are missing"},
        }
    )
    return folder


def asked(official: Any, *dimensions: str) -> Crosscheck:
    return Crosscheck(dimensions, package=Package(environment=official.folder))


def vars_of(info: SamplerInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in info.__slots__}


class TestARun:
    def test_equal_scores_agree(self, run: Path, official: Any) -> None:
        (row,) = crosscheck(run, asked(official, "temporal_flickering"))
        assert row.agrees, row
        assert (row.videos, row.video.difference < 1e-7) == (2, True)
        assert row.ours == pytest.approx(row.official)
        assert "talk of the package" in (run / "logs" / "crosscheck.log").read_text()

    def test_other_scores_do_not(self, tmp_path: Path, official: Any) -> None:
        (row,) = crosscheck(_run(tmp_path / "shifted", 1e-5), asked(official, "temporal_flickering"))
        assert not row.agrees
        assert row.video.difference == pytest.approx(1e-5, rel=1e-2)
        assert row.video.note.startswith("vbench/000")

    def test_the_commands_exit_codes(
        self, run: Path, tmp_path: Path, official: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def code(folder: Path, *more: str) -> int:
            arguments = ["crosscheck", "vbench", str(folder), "--environment", str(official.folder), *more]
            found: int = app(arguments, exit_on_error=False, result_action="return_value")
            return found

        assert code(run) == 0
        assert "1 of 1 dimensions agree" in capsys.readouterr().out
        assert code(_run(tmp_path / "shifted", 1e-5), "--dimensions", "temporal_flickering", "--json") == 1
        assert json.loads(capsys.readouterr().out)[0]["agrees"] is False

    def test_every_other_dimension_says_why_it_was_not_compared(self, run: Path, official: Any) -> None:
        rows = {row.dimension: row for row in crosscheck(run, asked(official))}
        assert rows.keys() == FILES.keys() == TOLERANCES.keys()
        assert rows["scene"].reason == "weights tag2text_swin_14m are missing"
        assert rows["color"].reason == "the run has no such dimension"

    def test_at_most_so_many_videos(self, run: Path, official: Any) -> None:
        (row,) = crosscheck(run, replace(asked(official, "temporal_flickering"), limit=1))
        assert (row.videos, row.agrees) == (1, True)

    def test_nothing_to_compare_is_a_prerequisite(self, run: Path, official: Any) -> None:
        with pytest.raises(PrerequisiteError, match=r"no dimension .* tag2text_swin_14m are missing"):
            crosscheck(run, asked(official, "scene"))

    def test_an_unknown_dimension_is_refused(self, run: Path) -> None:
        with pytest.raises(UsageError, match="did you mean 'color'"):
            crosscheck(run, Crosscheck(("colour",)))


class TestThePackage:
    @staticmethod
    def answers(official: Any, tmp_path: Path, *names: str) -> list[OfficialAnswer]:
        questions = [OfficialCall(name, [{"prompt_en": "x", "dimension": [name], "video_list": []}]) for name in names]
        place = type("Place", (), {"python": official.folder / "bin" / "python", "folder": official.folder})()
        return list(ask(place, questions, tmp_path, threads=1, log=tmp_path / "log"))

    def test_one_that_raises_is_answered_with_that(self, official: Any, tmp_path: Path) -> None:
        official.dimension("color", "def compute_color(*a, **k):\n    return 1 / 0\n")
        official.dimension("scene", "def compute_scene(*a, **k):\n    return 0.5, []\n")
        color, scene = self.answers(official, tmp_path, "color", "scene")
        assert color.error.startswith("ZeroDivisionError: division by zero (color.py, line 2)")
        assert (scene.score, scene.error) == (0.5, "")

    def test_one_whose_process_dies_does_not_take_the_others_along(self, official: Any, tmp_path: Path) -> None:
        official.dimension("color", "import os\ndef compute_color(*a, **k):\n    os._exit(9)\n")
        official.dimension("scene", "def compute_scene(*a, **k):\n    return float('nan'), []\n")
        color, scene = self.answers(official, tmp_path, "color", "scene")
        assert color.error.startswith("the official process ended with code 9")
        assert (scene.score, scene.error) == (None, "")

    def test_it_has_no_network_and_full_unpickling(self, official: Any, tmp_path: Path) -> None:
        rows = "[{'video_path': k, 'video_results': v} for k, v in os.environ.items()]"
        code = f"import os\ndef compute_color(*a, **k):\n    return 0, {rows}\n"
        official.dimension("color", code)
        (answer,) = self.answers(official, tmp_path, "color")
        found = {row["video_path"]: row["video_results"] for row in answer.videos}
        assert found["https_proxy"] == "http://127.0.0.1:9"
        assert (found["HF_HUB_OFFLINE"], found["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]) == ("1", "1")
        assert found["VBENCH_CACHE_DIR"] == str(tmp_path)

    def test_a_torn_answer_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "answers").write_text('{"dimension": "color", "score": 1}\n{"dimension": "sc')
        assert [answer.dimension for answer in read_answers(tmp_path / "answers")] == ["color"]
        assert read_answers(tmp_path / "nothing") == []


class TestFilesAreWhereThePackageLooks:
    def test_weights_are_linked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = tmp_path / "own"
        own.mkdir()
        (own / "ViT-L-14.pt").write_bytes(b"1")
        (own / "sa_0_4_vit_l_14_linear.pth").write_bytes(b"2")
        monkeypatch.setenv("NOVA_EVAL_WEIGHTS", str(own))
        assert place_files("aesthetic_quality", tmp_path / "cache") == ""
        assert (tmp_path / "cache" / "clip_model" / "ViT-L-14.pt").read_bytes() == b"1"
        head = tmp_path / "cache" / "aesthetic_model" / "emb_reader" / "sa_0_4_vit_l_14_linear.pth"
        assert head.read_bytes() == b"2"

    def test_missing_weights_are_the_reason(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)
        assert "weights fetch amt_s" in place_files("motion_smoothness", tmp_path / "cache")

    def test_code_that_the_package_would_clone_is_pinned(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "dino_vitbase16_pretrain.pth").write_bytes(b"1")
        monkeypatch.setenv("NOVA_EVAL_WEIGHTS", str(tmp_path))
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        reason = place_files("subject_consistency", tmp_path / "cache", Package(offline=True))
        assert "facebookresearch/dino@7c446df:hubconf.py" in reason


class TestComparison:
    KEYS = (SampleKey("vbench/0001", 0), SampleKey("vbench/0002", 0))
    PROMPTS = tuple(Prompt(key.prompt_id, "x", ("color",)) for key in KEYS)

    def rows(self, *values: float | None) -> dict[str, Score]:
        pairs = zip(self.KEYS, values, strict=True)
        return {
            key.prompt_id: Score(key, "color", value, detail={"cur_success_frame_rate": value})
            if value is not None
            else Score(key, "color", None, weight=0.0, reason="no frame names a color of the object")
            for key, value in pairs
        }

    def test_a_video_that_both_leave_out_is_no_difference(self) -> None:
        answer = OfficialAnswer("color", 0.5, [{"video_path": "vbench/0001", "video_results": 0.5}])
        row = compare("color", self.rows(0.5, None), self.PROMPTS, answer)
        assert (row.video.difference, row.agrees) == (0.0, True)

    def test_a_video_that_one_side_leaves_out_is_an_infinite_one(self) -> None:
        answer = OfficialAnswer("color", 0.5, [{"video_path": "vbench/0001", "video_results": 0.5}])
        row = compare("color", self.rows(0.5, 0.5), self.PROMPTS, answer)
        assert not row.agrees
        assert as_json([row])[0]["largest_difference"] is None
        assert "DISAGREES, most at vbench/0002-0" in lines([row])

    def test_a_dimensions_score_of_its_own_is_compared_too(self) -> None:
        records = [{"video_path": key.prompt_id, "video_results": 0.5} for key in self.KEYS]
        row = compare("color", self.rows(0.5, 0.5), self.PROMPTS, OfficialAnswer("color", 0.6, records))
        assert (row.video.difference, row.agrees) == (0.0, False)
        assert row.score.difference == pytest.approx(0.1)

    def test_a_score_that_one_side_has_not_is_an_infinite_difference(self) -> None:
        records = [{"video_path": key.prompt_id, "video_results": 0.5} for key in self.KEYS]
        row = compare("color", self.rows(0.5, 0.5), self.PROMPTS, OfficialAnswer("color", None, records))
        assert (row.video.passed, row.score.passed, row.agrees) == (True, False, False)
