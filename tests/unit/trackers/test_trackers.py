"""Trackers write what they are told, each in its own form, with steps of their own; offline, and for real."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nova_eval import media
from nova_eval.errors import NovaEvalError
from nova_eval.trackers import TRACKERS, Shown, Tracking


@pytest.fixture
def samples(tmp_path: Path) -> list[Shown]:
    frames = np.zeros((5, 16, 16, 3), np.uint8)
    (tmp_path / "0.png").write_bytes(media.encode_image(frames[0]))
    (tmp_path / "0.mp4").write_bytes(media.encode_video(frames, 8.0))
    return [
        Shown("a red circle", 0, tmp_path / "0.png", {"color": 1.0, "scene": None}),
        Shown("a circle moves", 0, tmp_path / "0.mp4", {"color": 0.5}),
    ]


def told(tracking: Tracking, samples: list[Shown]) -> None:
    """Two steps, the earlier one late."""
    for step, value in ((20, 0.75), (10, 0.5)):
        tracking.each(lambda tracker, s=step, v=value: tracker.log("geneval", s, {"overall": v}))  # type: ignore[misc]
    tracking.each(lambda tracker: tracker.media("geneval", 20, samples))
    tracking.each(lambda tracker: tracker.summary("geneval", {"best": "checkpoint-20", "overall": 0.75}))


def events(folder: Path) -> list[Any]:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [event for path in sorted(folder.iterdir()) for event in EventFileLoader(str(path)).Load()]


def test_tensorboard_has_numbers_pictures_and_a_text(tmp_path: Path, samples: list[Shown]) -> None:
    pytest.importorskip("tensorboard")
    with Tracking([f"tensorboard:{tmp_path / 'board'}"], "series", print) as tracking:
        told(tracking, samples)
    values = [(event.step, value) for event in events(tmp_path / "board") for value in event.summary.value]
    numbers = {step: value.tensor.float_val[0] for step, value in values if value.tag == "geneval/overall"}
    assert numbers == {20: 0.75, 10: 0.5}
    tags = {value.tag for _, value in values}
    assert {"geneval/samples/a red circle [0]", "geneval/samples/a circle moves [0]", "geneval/summary"} <= tags


def test_nothing_is_imported_that_is_not_asked_for() -> None:
    code = (
        "import sys, nova_eval.trackers; print(sorted({'tensorboard', 'wandb', 'mlflow', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tensorboard", "says no place; such as --track tensorboard:FOLDER"),
        ("tensorbord:x", "did you mean 'tensorboard'"),
        ("", "says no place"),
    ],
)
def test_what_is_no_tracker(text: str, words: str) -> None:
    with pytest.raises(NovaEvalError, match=words):
        Tracking([text], "series", print)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_one_that_is_not_installed_says_how_to_get_it(name: str) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(NovaEvalError, match=f"needs the package '{name}', which is not installed; pip install {name}"):
        Tracking([f"{name}:x"], "series", print)


def test_one_that_fails_is_said_once_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def log(self, *_: Any) -> None:
            raise OSError("no route to host")

        def close(self) -> None:
            raise OSError("no route to host")

    monkeypatch.setattr(TRACKERS, "make", lambda name, settings: Broken())
    said: list[str] = []
    with Tracking(["wandb:x"], "series", said.append) as tracking:
        assert tracking.each(lambda tracker: tracker.log("a", 1, {})) == []
        assert tracking.each(lambda tracker: tracker.log("a", 2, {})) == []
    assert said == ["tracker wandb:x failed, what it misses is not lost: OSError: no route to host"]


def records(data: bytes) -> list[bytes]:
    """The records of a log as LevelDB writes it, behind a head of seven bytes: blocks of 32 KiB, parts with a type."""
    found, place, parts = [], 7, b""
    while place + 7 <= len(data):
        if (room := 32768 - place % 32768) < 7:
            place += room
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(parts)
            parts = b""
    return found


@pytest.mark.slow
def test_wandb_offline(tmp_path: Path, samples: list[Shown], monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", str(tmp_path)), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(name, value)
    with Tracking(["wandb:nova"], "out-1", print) as tracking:
        told(tracking, samples)
    assert wandb.run is None
    wandb.teardown()  # its service has written all
    [file] = tmp_path.glob("wandb/offline-run-*/*.wandb")
    from wandb.proto import wandb_internal_pb2

    rows, metrics, summary = [], [], {}
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            rows.append(
                {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            )
        elif kind == "metric":
            metrics.append((record.metric.name or record.metric.glob_name, record.metric.step_metric))
        elif kind == "summary":
            summary |= {item.key or "/".join(item.nested_key): item.value_json for item in record.summary.update}
    numbers = {row["geneval/step"]: row["geneval/overall"] for row in rows if "geneval/overall" in row}
    assert numbers == {20: 0.75, 10: 0.5}
    assert ("geneval/*", "geneval/step") in metrics
    assert summary["geneval/best"] == '"checkpoint-20"'
    [shown] = [row for row in rows if "geneval/samples/_type" in row]
    kinds = [shown[f"geneval/{name}/_type"] for name in ("samples", "sample 0", "sample 1")]
    assert kinds == ["table-file", "image-file", "video-file"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_mlflow_without_a_server(
    tmp_path: Path, samples: list[Shown], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    if kind == "sqlite":
        pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = f"file:{tmp_path}/store" if kind == "file" else f"sqlite:///{tmp_path}/store.db"
    for _ in range(2):  # the second goes on with the first's
        with Tracking([f"mlflow:{place}"], "out-1", print) as tracking:
            told(tracking, samples)
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("nova_eval")
    [run] = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "geneval/overall")
    assert {(row.step, row.value) for row in history} == {(20, 0.75), (10, 0.5)}
    assert run.data.tags["geneval/best"] == "checkpoint-20"
    assert {file.path for file in client.list_artifacts(run.info.run_id, "geneval/step-20")} == {
        f"geneval/step-20/{name}" for name in ("0", "1", "samples.json")
    }
