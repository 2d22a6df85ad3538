"""Files appear whole or not at all, whatever stops the writer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nova_eval import files
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.records import Failure, SampleKey
from nova_eval.store import RunStore


def test_bytes_and_text_land_in_folders_that_were_missing(tmp_path: Path) -> None:
    assert files.write(tmp_path / "a/b/c.txt", "één\n").read_bytes() == "één\n".encode()
    assert files.write(tmp_path / "a/b/c.txt", b"new").read_bytes() == b"new"
    assert os.listdir(tmp_path / "a/b") == ["c.txt"]


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = files.write(tmp_path / "table", b"old")

    def stopped() -> None:
        with files.whole(path) as stream:
            stream.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_names_the_file_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = files.write(tmp_path / "table", b"old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(PrerequisiteError, match=r"^cannot write .*table: No space left on device; buy a disk$"):
        files.write(path, b"new", remedy="buy a disk")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table"]


@pytest.mark.parametrize("copied", [False, True])
def test_what_is_in_place_was_synced_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: bool) -> None:
    source = files.write(tmp_path / "source", b"new")
    order: list[str] = []
    sync, put = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), put(*names)))
    files.place(source, tmp_path / "table") if copied else files.write(tmp_path / "table", b"new")
    assert order == ["sync", "replace", "sync"]  # the bytes, and then the name


def test_every_folder_that_was_made_or_filled_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve())
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    files.write(tmp_path / "a/b/table", b"new")
    source = files.write(tmp_path / "source", b"bytes")
    files.place(source, tmp_path / "c/linked", link=True)
    store = RunStore(tmp_path / "run")
    writer = store.sample_writer()
    writer.append_samples([Failure(SampleKey("a/0", 0), "none")])
    writer.close()
    filled = {tmp_path, *(tmp_path / name for name in ("a", "a/b", "c", "run", "run/samples"))}
    assert filled <= set(synced)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sync = os.fsync

    def files_only(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_dir():
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    assert files.write(tmp_path / "a/table", b"new").read_bytes() == b"new"


def test_a_living_writer_in_a_container_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    with files.whole(tmp_path / "table") as stream:
        (ours,) = tmp_path.iterdir()
        _, digits, space, who = ours.name.removesuffix(".tmp").split(".")
        theirs = tmp_path / f".{digits}.{space}1.{who.rpartition('-')[0]}-999999999.tmp"
        theirs.write_bytes(b"half")
        files.sweep(tmp_path)
        assert theirs.exists()
        stream.write(b"whole")


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = files.write(tmp_path / ("n" * 255), b"long")
    assert path.read_bytes() == b"long"


def test_a_file_is_whole_while_many_write_it(tmp_path: Path) -> None:
    texts = [str(digit) * 50_000 for digit in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: files.write(tmp_path / "table", text), texts))
    assert (tmp_path / "table").read_text() in texts
    assert os.listdir(tmp_path) == ["table"]


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    with files.whole(tmp_path / "deep/table") as stream:
        (open_now,) = (tmp_path / "deep").iterdir()
        dead = open_now.with_name(open_now.name.replace(f"-{os.getpid()}.tmp", "-999999999.tmp"))
        dead.write_bytes(b"half")
        files.sweep(tmp_path)
        assert open_now.exists()
        assert not dead.exists()
        stream.write(b"whole")
    assert (tmp_path / "deep/table").read_bytes() == b"whole"


def test_whoever_writes_into_a_folder_removes_what_the_dead_left_there(tmp_path: Path) -> None:
    with files.temporary(tmp_path / "made" / "table") as other:
        other.write_bytes(b"whole")
        name = other.name.replace(f"-{os.getpid()}.tmp", "-999999999.tmp")
    folder = tmp_path / "cache"
    (folder / f"{name}x.tmp").mkdir(parents=True)  # of another's making
    (folder / name).mkdir()
    (folder / name / "part").write_bytes(b"half")
    (folder / ".theirs.tmp").write_bytes(b"")
    files.write(folder / "table", b"new")
    assert sorted(os.listdir(folder)) == sorted([f"{name}x.tmp", ".theirs.tmp", "table"])


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def made() -> None:
        with files.temporary(tmp_path / "made") as other:
            (other / "deep").mkdir(parents=True)
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        made()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("link", [True, False])
def test_a_placed_file_is_a_link_or_a_copy_and_replaces_what_was_there(tmp_path: Path, link: bool) -> None:
    source, target = files.write(tmp_path / "source", b"bytes"), files.write(tmp_path / "out/target", b"old")
    files.place(source, target, link=link)
    assert target.read_bytes() == b"bytes"
    assert target.samefile(source) == link


def test_a_file_is_copied_unless_a_link_is_asked_for(tmp_path: Path) -> None:
    source = files.write(tmp_path / "source", b"bytes")
    files.place(source, tmp_path / "target")
    (tmp_path / "target").write_bytes(b"broken")
    assert source.read_bytes() == b"bytes"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc who has ended")
def test_what_an_ended_process_left_is_swept_before_its_parent_asks_for_it(tmp_path: Path) -> None:
    """As in a container, where nobody may ever ask."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    host, _, mine = files.writer().rpartition("-")
    with files.temporary(tmp_path / "table") as other:
        other.touch()
    name = other.name.replace(f"{host}-{mine}", f"{host}-{process.pid}")
    theirs = (tmp_path / "table").rename(other.with_name(name))
    other.touch()
    files.sweep(tmp_path)
    process.wait()
    assert (theirs.exists(), other.exists()) == (False, True)


@pytest.mark.parametrize("text", ["x" * 300, "x/" * 2000, "a\0b", "~nobody-of-this-name/x", "\ud800"])
def test_a_path_that_no_file_can_have_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="the path") as error:
        files.given(text)
    assert "\n" not in str(error.value)


def test_a_path_is_as_its_user_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/a")
    assert [files.given(text) for text in ("~/x", "y/../z", "caf\udce9")] == [
        Path("/home/a/x"),
        Path("y/../z"),
        Path("caf\udce9"),
    ]
