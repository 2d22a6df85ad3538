"""What a training's folder holds is found in order, and not before it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nova_eval.errors import UsageError
from nova_eval.nova.series import Saved, Settling, saved_in


def put(path: Path, at: float = 1000.0, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at, at))


def found(out: Path) -> list[tuple[str, str, int | None]]:
    return [(one.name, one.kind, one.step) for one in saved_in(out)]


def test_raw_and_averaged_checkpoints_go_step_by_step(tmp_path: Path) -> None:
    for step in (1000, 500):
        for series in ("checkpoints", "ema_checkpoints"):
            put(tmp_path / series / f"checkpoint-{step}" / "transformer" / "config.json")
    (tmp_path / "checkpoints" / "checkpoint-1500" / "transformer").mkdir(parents=True)  # nothing in it yet
    put(tmp_path / "config.yaml")
    put(tmp_path / "logs" / "events")
    assert found(tmp_path) == [
        ("checkpoints/checkpoint-500", "raw", 500),
        ("ema_checkpoints/checkpoint-500", "averaged", 500),
        ("checkpoints/checkpoint-1000", "raw", 1000),
        ("ema_checkpoints/checkpoint-1000", "averaged", 1000),
    ]


def test_stages_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    for name, at in (("t2v-000004", 300), ("t2i", 200), ("t2i-000012", 150), ("t2i-000004", 100), ("t2v", 400)):
        put(tmp_path / "checkpoints" / name / "transformer" / "config.json", at)
        put(tmp_path / "checkpoints" / name / "vae" / "config.json", at)
    assert found(tmp_path) == [
        ("checkpoints/t2i-000004", "whole", 4),
        ("checkpoints/t2i-000012", "whole", 12),
        ("checkpoints/t2i", "whole", None),
        ("checkpoints/t2v-000004", "whole", 4),
        ("checkpoints/t2v", "whole", None),
    ]


def test_plain_folders_and_names_of_steps(tmp_path: Path) -> None:
    for name in ("step20", "iter_3", "7", "stage2"):
        put(tmp_path / name / "transformer" / "config.json")
    assert {(one.name, one.step) for one in saved_in(tmp_path)} == {
        ("step20", 20),
        ("iter_3", 3),
        ("7", 7),
        ("stage2", None),
    }


def test_what_is_no_training(tmp_path: Path) -> None:
    assert saved_in(tmp_path / "not there yet") == []
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is no folder"):
        saved_in(tmp_path / "file")
    put(tmp_path / "transformer" / "config.json")
    with pytest.raises(UsageError, match="is a checkpoint itself"):
        saved_in(tmp_path)


def seen(out: Path) -> Saved:
    [one] = saved_in(out)
    return one


def test_a_checkpoint_settles_when_its_files_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "checkpoint-5" / "transformer" / "model.bin"
    put(file, at=1000)
    settling = Settling(10)
    first = seen(tmp_path)
    assert not settling.settled(first, now=1001, monotonic=0)
    put(file, at=1008, text="more")
    grown = seen(tmp_path)
    assert grown.state != first.state
    assert not settling.settled(grown, now=1012, monotonic=11)
    assert settling.settled(seen(tmp_path), now=1018, monotonic=17)  # by its files' times
    assert Settling(10).settled(grown, now=1018, monotonic=0)


def test_a_clock_that_goes_behind_the_files_ends_no_waiting(tmp_path: Path) -> None:
    put(tmp_path / "checkpoints" / "checkpoint-5" / "transformer" / "model.bin", at=5000)
    settling = Settling(10)
    assert not settling.settled(seen(tmp_path), now=1000, monotonic=0)
    assert not settling.settled(seen(tmp_path), now=1009, monotonic=9)
    assert settling.settled(seen(tmp_path), now=1010, monotonic=10)  # it was seen to stay as it is
