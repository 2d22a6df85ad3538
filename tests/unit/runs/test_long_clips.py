"""Clips that published rows score by another protocol are said, whoever made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.records import Sample
from nova_eval.report.baselines import load_published
from nova_eval.report.comparison import comparison_table
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise


@pytest.fixture
def clips(tmp_path: Path, mirror: Path) -> Run:
    flags = {"sampler": "imported:long", "limit": 2, "samples_per_prompt": "2", "results": tmp_path, "mirror": mirror}
    return open_run(*resolve("vbench", {**flags, "metrics": ("temporal_flickering",)}))


def record(run: Run, *shapes: tuple[int, float]) -> list[str]:
    """The notes of a run with a clip for each (frames, frames a second)."""
    (run.store.folder / "media").mkdir(parents=True)
    writer = run.store.sample_writer()
    for number, (key, (frames, fps)) in enumerate(zip(run.wanted, shapes, strict=False)):
        (run.store.folder / f"media/{number}.mp4").write_bytes(b"12345678")
        writer.append_samples([Sample(key, 0, f"media/{number}.mp4", "", 8, 8, 8, frames, fps, 0.0)])
    writer.close()
    return list(summarise(run).summary.notes)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(129, 24.0)], "1 of 1 clips lasts 5.0 s or more"),
        ([(120, 24.0), (40, 8.0), (33, 12.0)], "2 of 3 clips last 5.0 s or more"),
        ([(119, 24.0), (33, 12.0)], ""),
        ([(900, 0.0)], ""),
        ([], ""),
    ],
)
def test_clips_of_five_seconds_are_counted(clips: Run, shapes: list[tuple[int, float]], said: str) -> None:
    notes = record(clips, *shapes)
    rest = "; published leaderboard rows score such clips with VBench-Long, whose numbers differ"
    assert notes == ([said + rest] if said else [])


def test_the_line_stands_under_the_table_and_unlike_rows_are_marked(clips: Run) -> None:
    record(clips, (129, 24.0))
    text = "\n".join(comparison_table([summarise(clips).summary], load_published("vbench")).footnotes)
    assert "1 of 1 clips lasts 5.0 s or more" in text
    assert "VBench-Long (" in text


def test_the_embedded_world_has_no_published_rows_to_differ_from(tmp_path: Path) -> None:
    flags = {"sampler": "imported:long", "variant": "sprites", "limit": 2, "results": tmp_path}
    assert not any("VBench-Long" in note for note in record(open_run(*resolve("vbench", flags)), (129, 24.0)))


def test_only_vbench_has_another_protocol_for_long_clips() -> None:
    config = load_benchmark("vbench").config
    assert (config.protocol.long_clips, config.protocol.long_protocol) == (5.0, "VBench-Long")
    assert not load_benchmark("geneval").config.protocol.long_clips
