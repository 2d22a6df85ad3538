"""What goes to disk by way of parcels is what goes there at once."""

from __future__ import annotations

import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from nova_eval.engines.desk import Disk, Media, Outbox, Parcel
from nova_eval.engines.ray import Places
from nova_eval.engines.scratch import Scratch
from nova_eval.errors import MediaError, NovaEvalError, UsageError
from nova_eval.records import Failure, Sample, SampleKey, Score

KEY = SampleKey("a/b", 0)
DATA = b"bytes of a picture"


def sample(name: str) -> Sample:
    return Sample(KEY, 7, name, sha256(DATA).hexdigest(), len(DATA), 1, 1, 1, 1, 0.0, 0.5)


def work(desk: Disk | Outbox) -> Sample:
    name = desk.name_of(KEY, ".png")
    desk.put(name, DATA)
    made = sample(name)
    desk.add_samples([made, Failure(SampleKey("a/c", 0), "no")])
    desk.add_scores("rule@1-pixels", [(Score(KEY, "rule", 0.5), made)])
    desk.close()
    return made


def files_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def test_parcels_bring_the_same_bytes(tmp_path: Path) -> None:
    parcels: list[Parcel] = []
    work(Disk(tmp_path / "at once"))
    work(Outbox(tmp_path / "away", parcels.append))
    disk = Disk(tmp_path / "by parcel")
    for parcel in pickle.loads(pickle.dumps(parcels)):
        parcel.unpack(disk)
    disk.close()
    assert files_below(tmp_path / "by parcel") == files_below(tmp_path / "at once")
    assert len(files_below(tmp_path / "at once")) == 3
    assert not (tmp_path / "away").exists()


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "media/../../out.png", ""])
def test_a_parcel_whose_name_leads_out_of_the_run_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NovaEvalError, match="leaves its folder"):
        Media(name, DATA).unpack(Disk(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "out.png").exists()


def test_files_are_looked_at_where_they_were_sent_and_only_if_they_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scratch = Scratch()
    desk = Outbox(scratch.folder, lambda parcel: None)
    with scratch.holding({"media/a/b/0.png": DATA}):
        assert desk.media(sample("media/a/b/0.png")).read_bytes() == DATA
    with pytest.raises(MediaError):
        desk.media(sample("media/a/b/0.png"))
    with scratch.holding({"media/a/b/0.png": DATA[:-1]}), pytest.raises(MediaError, match="not the bytes"):
        desk.media(sample("media/a/b/0.png"))
    with pytest.raises(UsageError), scratch.holding({"../x": DATA}):
        pass


def test_a_folder_that_nobody_holds_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = Scratch()
    left = held.folder.with_name("left")
    left.mkdir()
    (left / "clip.mp4").write_bytes(DATA)
    Scratch()
    assert held.folder.exists()
    assert not left.exists()


@pytest.mark.parametrize(
    ("places", "resources", "room"),
    [
        (Places(), {"CPU": 16, "GPU": 8}, (16, "cpu")),
        (Places(light=False), {"CPU": 16, "GPU": 8}, (8, "cuda:0")),
        (Places(light=False), {"CPU": 16}, (1, "cpu")),
        (Places(light=False, workers=3), {"CPU": 16}, (16, "cpu")),
        (Places(light=False, device="cuda"), {"CPU": 16}, (0, "cuda:0")),
        (Places(light=False, device="cpu"), {"CPU": 16, "GPU": 8}, (1, "cpu")),
        (Places(), {}, (0, "cpu")),
    ],
)
def test_a_node_takes_as_many_workers_as_it_has_places(
    places: Places, resources: dict[str, float], room: object
) -> None:
    assert places.on(resources) == room
