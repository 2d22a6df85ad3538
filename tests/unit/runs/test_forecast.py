"""plan says what a run would do and cost before anything starts, without importing a network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nova_eval.cli.forecast import lines
from nova_eval.config import SamplerSpec
from nova_eval.errors import UsageError
from nova_eval.judges import JUDGES
from nova_eval.runs import cost
from nova_eval.runs.forecast import forecast
from nova_eval.runs.options import resolve
from nova_eval.weights import catalogue

BENCHMARKS = ("vbench", "geneval", "t2i_compbench", "dpg_bench")


@pytest.fixture(autouse=True)
def _nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / "weights").mkdir()


def planned(benchmark: str, mirror: Path, tmp_path: Path, seconds: float | None = None, **flags: Any) -> dict[str, Any]:
    asked = {"profile": "paper", "mirror": mirror, "offline": True, "results": tmp_path / "results", **flags}
    return forecast(*resolve(benchmark, asked), seconds=seconds)


class TestThePaperProfile:
    def test_it_is_the_published_protocol(self, mirror: Path, tmp_path: Path) -> None:
        found = planned("vbench", mirror, tmp_path)
        assert (found["prompts"], found["samples"], found["variant"]) == (944, 4720, "official")
        settings = found["sampler"]["settings"]
        assert (settings["width"], settings["height"], settings["latent_frames"]) == (768, 480, 9)
        assert (settings["ar_steps"], settings["diffusion_steps"], settings["guidance_scale"]) == (128, 100, 7.0)
        assert (settings["motion_flow"], settings["fps"]) == (5, 12.0)

    def test_the_rewritten_prompts_cost_the_same(self, mirror: Path, tmp_path: Path) -> None:
        official, rewritten = (planned("vbench", mirror, tmp_path, variant=v) for v in ("official", "rewritten"))
        assert official["gpu_hours_left"] == rewritten["gpu_hours_left"] > 0

    @pytest.mark.parametrize("benchmark", BENCHMARKS)
    def test_every_benchmark_says_hours_bytes_and_files(self, benchmark: str, mirror: Path, tmp_path: Path) -> None:
        try:
            found = planned(benchmark, mirror, tmp_path)
        except Exception as error:
            pytest.skip(f"the mirror lacks the prompts of {benchmark}: {error}")
        assert found["gpu_hours_left"] > 0
        assert found["basis"].startswith("estimate")
        assert found["media_bytes_left"] > found["samples"] * 100_000
        assert all(file["bytes"] > 0 and file["licence"] for file in found["to_fetch"])
        assert found["to_fetch_bytes"] == sum(file["bytes"] for file in found["to_fetch"])
        assert {"BAAI/" in file["name"] for file in found["to_fetch"]} == {True, False}


class TestTheEstimate:
    PAPER = SamplerSpec(
        name="nova",
        settings={
            "checkpoint": "BAAI/nova-d48w1024-osp480",
            "latent_frames": 9,
            "ar_steps": 128,
            "diffusion_steps": 100,
        },
    )

    def test_it_follows_from_the_operations_and_the_stated_rate(self) -> None:
        found = cost.sampling(self.PAPER, "h200")
        assert found is not None
        assert found.seconds == pytest.approx(found.tflop / (cost.SUSTAINED * 989.0))
        assert "40%" in found.basis
        assert "h200" in found.basis
        slower = cost.sampling(self.PAPER, "rtx4090")
        assert slower is not None
        assert slower.seconds / found.seconds == pytest.approx(989 / 165)

    def test_a_measured_figure_wins(self) -> None:
        found = cost.sampling(self.PAPER, "h200", 12.0)
        assert found == cost.Sampling(12.0, "measured")
        with pytest.raises(UsageError, match="cannot be"):
            cost.sampling(self.PAPER, "h200", 0.0)

    def test_an_unknown_device_is_named(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'h200'"):
            cost.sampling(self.PAPER, "h20")

    def test_other_samplers_have_none(self) -> None:
        assert cost.sampling(SamplerSpec(name="oracle"), "a100") is None

    def test_samples_that_are_there_are_measured(self, tmp_path: Path) -> None:
        oracle = ("--sampler", "oracle", "--workers", "1", "--metrics", "color")
        command = ("run", "vbench", "--limit", "1", "--samples-per-prompt", "1", *oracle)
        _call(*command, "--results", str(tmp_path))
        more = [*command[1:3], "2", *command[4:]]
        found = json.loads(_call("plan", *more, "--results", str(tmp_path), "--json"))
        assert (found["samples_done"], found["samples_to_make"]) == (1, 1)
        assert "mean of 1 samples" in found["basis"]


class TestWeights:
    def test_what_is_here_is_not_to_fetch(self, mirror: Path, tmp_path: Path) -> None:
        before = planned("vbench", mirror, tmp_path)
        (tmp_path / "weights" / catalogue.entry("dino_vitb16").file).write_bytes(b"weights")
        after = planned("vbench", mirror, tmp_path)
        gone = {file["name"] for file in before["to_fetch"]} - {file["name"] for file in after["to_fetch"]}
        assert gone == {"dino_vitb16"}
        assert set(before["unavailable"]) - set(after["unavailable"]) == {"subject_consistency"}

    def test_one_of_two_equal_files_is_enough(self, tmp_path: Path) -> None:
        assert [row.name for row in catalogue.missing("raft_things")] == ["raft_things"]
        (tmp_path / "weights" / catalogue.entry("raft_large_c_t_v1").file).write_bytes(b"weights")
        assert catalogue.missing("raft_things") == []

    def test_judges_of_one_family_share_a_file(self) -> None:
        assert catalogue.family("grit_object_det") == catalogue.family("grit_dense_cap") == "grit_b"
        assert catalogue.family("sprites") == "sprites"

    def test_users_of_files_are_registered_judges(self) -> None:
        users = {judge for row in catalogue.entries().values() for judge in row.used_by}
        assert users - {"crosscheck vbench"} <= set(JUDGES.names())


class TestLines:
    def test_they_say_everything(self, mirror: Path, tmp_path: Path) -> None:
        text = "\n".join(lines(planned("vbench", mirror, tmp_path)))
        for part in ("GPU-hours", "40% of the peak of one a100", "4.3 GB on disk", "CC-BY-NC-4.0", "in all", "944"):
            assert part in text


def test_no_network_is_imported_and_it_takes_a_moment(mirror: Path, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom nova_eval.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'torchvision', 'timm', 'transformers', 'diffusers', 'open_clip', 'scipy', 'pandas', 'av'}\n"
        "print('imported', sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    words = ("plan", "vbench", "--profile", "paper", "--mirror", str(mirror), "--offline", "--results", str(tmp_path))
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "imported []"
    assert time.perf_counter() - started < 15  # a guard; it takes 0.5 s on an idle core


def _call(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "nova_eval", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestWhatIsMissing:
    """doctor, list judges and weights list say what a paper profile still needs, and the command that brings it."""

    def test_doctor_counts_files_and_bytes_of_a_benchmark(self) -> None:
        from nova_eval.cli.doctor import examine

        found = {finding.name: finding for finding in examine()}
        judges = found["vbench official judges"]
        assert not judges.ok
        assert judges.detail.startswith("0 of 11 ready; 13 weight files missing, about 10.0 GB")
        assert judges.remedy == "python -m nova_eval weights fetch vbench"
        assert found["vbench sprites judges"].ok
        checkpoint = found["checkpoint BAAI/nova-d48w1024-osp480"]
        assert (checkpoint.ok, checkpoint.required) == (False, False)
        assert "about 7.3 GB" in checkpoint.detail

    def test_list_judges_says_state_and_use(self, tmp_path: Path) -> None:
        from nova_eval.cli.listing import items

        rows = {row["name"]: row for row in items("judges")}
        assert rows["sprites"]["state"] == "ready, needs no weights"
        assert rows["grit_object_det"]["state"] == "weights missing, 835.2 MB: grit_b, bert_base_uncased_vocab"
        assert rows["grit_object_det"]["benchmarks"] == "vbench"

    def test_a_benchmark_names_all_weights_of_its_judges(self) -> None:
        from nova_eval import weights
        from nova_eval.adapters import judges_by_benchmark

        names = {row.entry.name for row in weights.listing(["vbench"], judges_by_benchmark())}
        assert {"grit_b", "viclip_l14", "tag2text_tags", "raft_things"} <= names
        assert not {"raft_large_c_t_v1", "clip_bpe", "blip_vqa_capfilt_large"} & names

    def test_weights_list_ends_in_the_command(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "nova_eval", "weights", "list", "tag2text"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr.startswith("missing: 3 files, 4.5 GB; python -m nova_eval weights fetch tag2text")
