"""What was seen of a file is remembered for as long as the file stays as it is, and never longer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from nova_eval import media
from nova_eval.errors import MediaError
from nova_eval.identity import file_digest
from nova_eval.records import Prompt, SampleKey
from nova_eval.samplers import looks as module
from nova_eval.samplers.folder import FolderSampler
from nova_eval.samplers.looks import Looks

HOUR = 3_600_000_000_000


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose bytes were read, in order. The clock is an hour ahead: every file here is settled."""
    names: list[str] = []
    now = time.time_ns

    def counting(path: Path) -> str:
        names.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(module, "file_digest", counting)
    monkeypatch.setattr(time, "time_ns", lambda: now() + HOUR)
    return names


def picture(path: Path, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    path.write_bytes(media.encode_image(pixels))
    return path


def test_another_process_reads_nothing_again(tmp_path: Path, read: list[str]) -> None:
    memory, files = tmp_path / "memory.json", [picture(tmp_path / f"{n}.png", n) for n in range(5)]
    (tmp_path / "bad.png").write_bytes(b"<html>")
    first = Looks(memory)
    digests = [first.digest(path) for path in files]
    problems = [
        first.problem(path, lambda path: "bad" if path.stem == "bad" else "") for path in tmp_path.glob("*.png")
    ]
    assert [first.facts(path) for path in files] == [(1, 8, 12, 0.0)] * 5
    first.keep()
    second = Looks(memory)
    assert [second.digest(path) for path in files] == digests == [file_digest(path) for path in files]
    assert [second.problem(path, pytest.fail) for path in tmp_path.glob("*.png")] == problems
    assert [second.facts(path) for path in files] == [(1, 8, 12, 0.0)] * 5
    assert len(read) == 5
    stamp = memory.stat().st_mtime_ns
    second.keep()
    assert memory.stat().st_mtime_ns == stamp


def test_a_problem_is_remembered_with_its_words(tmp_path: Path, read: list[str]) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")
    looks = Looks(memory)
    assert looks.problem(path, lambda path: f"{path.name}: törn \udcff") == "a.png: törn \udcff"
    looks.keep()
    assert Looks(memory).problem(path, pytest.fail) == "a.png: törn \udcff"


def _other_bytes(path: Path) -> None:
    picture(path, 1)


def _same_size_and_time(path: Path) -> None:
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _other_file(path: Path) -> None:
    status, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [_other_bytes, _same_size_and_time, _other_file])
@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_changed_is_looked_at_again(tmp_path: Path, read: list[str], change, again: bool) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")
    looks = Looks(memory)
    before = looks.digest(path)
    looks.keep()
    time.sleep(0.02)  # the clock of times of change ticks every few milliseconds
    change(path)
    looks = Looks(memory) if again else looks
    assert looks.digest(path) == file_digest(path) != before
    assert read == ["a.png", "a.png"]


def test_a_file_that_was_written_just_now_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")
    looks = Looks(memory)
    digest = looks.digest(path)
    looks.keep()
    assert not memory.exists()
    seen: list[Path] = []
    monkeypatch.setattr(module, "file_digest", lambda path: seen.append(path) or digest)
    Looks(memory).digest(path)
    assert seen == [path]


def test_a_file_from_the_future_is_not_remembered(tmp_path: Path, read: list[str]) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")
    ahead = time.time_ns() + 3 * HOUR
    os.utime(path, ns=(ahead, ahead))
    looks = Looks(memory)
    looks.digest(path)
    looks.keep()
    assert not memory.exists()


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")

    def writing(path: Path) -> str:
        found = file_digest(path)
        path.write_bytes(b"grown" * 100)
        return found

    monkeypatch.setattr(module, "file_digest", writing)
    looks = Looks(memory)
    looks.digest(path)
    looks.keep()
    assert not memory.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\xff\xfe" + data,
        lambda data: b"[]",
        lambda data: b"[" * 100_000,
        lambda data: b'{"format": 1}',
        lambda data: data.replace(b'"format": 1', b'"format": 2'),
        lambda data: data.replace(b'"reader": "', b'"reader": "0'),
        lambda data: json.dumps({**json.loads(data), "files": []}).encode(),
        lambda data: json.dumps({**json.loads(data), "files": {"a": 3}}).encode(),
        lambda data: json.dumps({**json.loads(data), "files": {n: r[:5] for n, r in _files(data)}}).encode(),
        lambda data: json.dumps(
            {**json.loads(data), "files": {n: [*r[:5], "0", *r[6:]] for n, r in _files(data)}}
        ).encode(),
        lambda data: json.dumps(
            {**json.loads(data), "files": {n: [*r[:6], 3, r[7]] for n, r in _files(data)}}
        ).encode(),
        lambda data: json.dumps({**json.loads(data), "files": {n: [*r[:7], [1]] for n, r in _files(data)}}).encode(),
        lambda data: json.dumps({**json.loads(data), "files": {n: [1.5, *r[1:]] for n, r in _files(data)}}).encode(),
    ],
)
def test_a_damaged_memory_is_made_anew(tmp_path: Path, read: list[str], damage) -> None:
    memory, path = tmp_path / "memory.json", picture(tmp_path / "a.png")
    looks = Looks(memory)
    digest = looks.digest(path)
    looks.keep()
    whole = memory.read_bytes()
    memory.write_bytes(damage(whole))
    looks = Looks(memory)
    assert looks.digest(path) == digest
    assert read == ["a.png", "a.png"]
    looks.keep()
    assert memory.read_bytes() == whole


def _files(data: bytes) -> list[tuple[str, list[object]]]:
    return list(json.loads(data)["files"].items())


def test_a_memory_that_cannot_be_written_or_is_too_large_costs_time_only(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png")
    (tmp_path / "file").write_bytes(b"")
    looks = Looks(tmp_path / "file" / "memory.json")
    assert looks.digest(path) == file_digest(path)
    looks.keep()
    memory = tmp_path / "memory.json"
    looks = Looks(memory)
    looks.digest(path)
    looks.keep()
    monkeypatch.setattr(module, "_LARGEST", 10)
    assert Looks(memory).digest(path) == file_digest(path)
    assert read == ["a.png"] * 3


def test_only_so_many_files_are_remembered(tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    memory = tmp_path / "memory.json"
    for part in (range(2), range(2, 4)):
        looks = Looks(memory)
        for number in part:
            looks.digest(picture(tmp_path / f"{number}.png", number))
        looks.keep()
    assert [Path(name).name for name, _ in _files(memory.read_bytes())] == ["2.png", "3.png"]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    looks = Looks(tmp_path / "memory.json")
    assert looks.problem(tmp_path / "a.png", pytest.fail) == "a.png: No such file or directory"
    with pytest.raises(MediaError, match=r"a\.png: No such file"):
        looks.facts(tmp_path / "a.png")


def test_a_folder_is_decoded_once_whatever_command_looks(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nova_eval.media import pictures
    from nova_eval.runs.external import ExternalMedia

    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "images"
    folder.mkdir()
    for item in ("0", "7"):
        picture(folder / f"{item}.png", int(item))
    (folder / "9.png").write_bytes(b"<html>")
    prompts = [Prompt(f"dpg_bench/{item}", item, (), {"item": item}) for item in ("0", "7", "9", "named")]
    wanted = [SampleKey(prompt.id, index) for prompt in prompts[:3] for index in range(4)]
    looks = ExternalMedia(FolderSampler(folder, names="dpg_bench"), prompts, wanted)
    first = looks.listing, looks.digests, looks.lines
    assert sorted(read) == ["0.png", "7.png"]
    monkeypatch.setattr(pictures, "problem", pytest.fail)
    monkeypatch.setattr(module, "probe", pytest.fail)
    again = ExternalMedia(FolderSampler(folder, names="dpg_bench"), prompts, wanted)
    assert (again.listing, again.digests, again.lines) == first
    assert sorted(read) == ["0.png", "7.png"]
    assert "unreadable 4 samples" in "\n".join(again.lines)
