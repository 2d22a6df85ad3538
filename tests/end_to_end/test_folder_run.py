"""Real input: a folder of H.264 clips in the official naming, scored with the official suite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from photographs import film
from runs import metrics, nova_eval, only_run

from nova_eval import media
from nova_eval.adapters import load_benchmark


@pytest.fixture(scope="module")
def clips(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen clips over real photographs: six prompts of temporal flickering, six of other dimensions."""
    folder = tmp_path_factory.mktemp("clips")
    prompts = load_benchmark("vbench").suite("official", mirror=mirror, offline=True).prompts
    chosen = [[prompt for prompt in prompts if tag in prompt.tags] for tag in ("temporal_flickering", "color", "scene")]
    for number, prompt in enumerate([*chosen[0][:6], *chosen[1][:4], *chosen[2][:2]]):
        film(folder / f"{prompt.text}-{number % 2}.mp4", number)
    return folder


def run(clips: Path, mirror: Path, results: Path, *words: object) -> object:
    return nova_eval("run", "vbench", "--sampler", f"folder:{clips}", "--mirror", mirror, "--results", results, *words)


def test_flickering_is_scored_and_the_rest_is_not(clips: Path, mirror: Path, tmp_path: Path) -> None:
    done = run(clips, mirror, tmp_path, "--json", "--offline")
    assert done.returncode == 3, done.stderr
    values = metrics(done)
    expected = np.mean([_flickering(path) for path in sorted(clips.iterdir()) if _is_still_prompt(path)])
    assert values.pop("temporal_flickering") == pytest.approx(expected, abs=1e-7)
    assert set(values.values()) == {None}
    answer = json.loads(done.stdout)
    assert answer["coverage"]["scored"] == 6
    assert answer["coverage"]["wanted"] == 6810
    assert all(missing["reason"] for missing in answer["coverage"]["missing"])
    reasons = {metric["name"]: metric["reason"] for metric in answer["metrics"]}
    assert "Subject consistency" in reasons["total"]


def test_a_file_that_changes_is_scored_anew(clips: Path, mirror: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(clips, folder)
    first = metrics(run(folder, mirror, tmp_path / "results", "--json", "--metrics", "temporal_flickering"))
    changed = next(path for path in sorted(folder.iterdir()) if _is_still_prompt(path))
    black = np.zeros((8, 64, 64, 3), np.uint8)
    changed.write_bytes(media.encode_video(black, 8.0))
    done = run(folder, mirror, tmp_path / "results", "--json", "--metrics", "temporal_flickering")
    assert "reading 1/1" in done.stderr
    assert metrics(done)["temporal_flickering"] > first["temporal_flickering"]


def test_broken_and_empty_videos_are_named_and_cost_nothing_else(clips: Path, mirror: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(clips, folder)
    still = [path for path in sorted(folder.iterdir()) if _is_still_prompt(path)]
    still[0].write_bytes(b"")
    still[1].write_bytes(still[1].read_bytes()[:2000])
    done = run(folder, mirror, tmp_path / "results", "--json", "--metrics", "temporal_flickering")
    assert done.returncode == 3
    assert still[0].stem in done.stderr
    assert still[1].stem in done.stderr
    answer = json.loads(done.stdout)
    assert answer["coverage"]["scored"] == 4
    assert any("unreadable" in missing["reason"] for missing in answer["coverage"]["missing"])
    assert not list(only_run(tmp_path / "results").glob("media/**/*.mp4"))  # nothing is copied


def _is_still_prompt(path: Path) -> bool:
    return any(word in path.stem for word in ("still frame", "frozen in time", "tranquil"))


def _flickering(path: Path) -> float:
    frames = media.read(path).frames.astype(np.float64)
    return float((255 - np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)).mean()) / 255)
