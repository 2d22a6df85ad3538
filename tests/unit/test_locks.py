"""Two processes on one thing: the second is told who holds it; what a dead one held is free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_eval import locks
from nova_eval.errors import PrerequisiteError

HOLD = """
import sys, time
from pathlib import Path
from nova_eval import locks
with locks.claimed(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_taken", lambda number: None)


def claim(path: Path) -> None:
    with locks.claimed(path, "the run"):
        pass


def test_the_second_is_told_who_holds_it_and_since_when(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    told = rf"the run is being worked on by process {holder.pid} on \S+, since 2\S+; wait for it"
    with pytest.raises(PrerequisiteError, match=told) as error:
        claim(tmp_path / "lock")
    assert error.value.exit_code == 4


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_dead_process_held_is_free(holder: subprocess.Popen[str], tmp_path: Path, end: signal.Signals) -> None:
    holder.send_signal(end)
    holder.wait()
    claim(tmp_path / "lock")
    assert (tmp_path / "lock").read_text() == ""


def test_one_waits_for_another_and_then_has_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with locks.waiting(tmp_path / "lock", 0.2) as held:
        assert not held
    holder.kill()
    with locks.waiting(tmp_path / "lock", 30) as held:
        assert held


@pytest.mark.usefixtures("without_locks")
class TestWithoutLocksOfTheSystem:
    def test_a_living_holder_is_believed(self, holder: subprocess.Popen[str], tmp_path: Path) -> None:
        with pytest.raises(PrerequisiteError, match=f"process {holder.pid} .*remove"):
            claim(tmp_path / "lock")

    @pytest.mark.parametrize(
        "change", [{"pid": 2**22 + 1}, {"started": "1"}, {"boot": "another"}], ids=["dead", "another process", "boot"]
    )
    def test_a_stale_holder_is_not(self, tmp_path: Path, change: dict[str, Any]) -> None:
        (tmp_path / "lock").write_text(json.dumps({**locks._myself(), "since": "then", **change}))
        claim(tmp_path / "lock")
        assert (tmp_path / "lock").read_text() == ""

    def test_one_that_has_ended_is_not_though_nobody_has_asked_how(self, tmp_path: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        told = {**locks._myself(), "pid": process.pid, "started": locks._started(process.pid), "since": "then"}
        (tmp_path / "lock").write_text(json.dumps(told))
        with pytest.raises(PrerequisiteError, match="since then"):
            claim(tmp_path / "lock")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        claim(tmp_path / "lock")
        process.communicate()

    @pytest.mark.parametrize("pid", ["x", None, [], 1.5, "../self", -1, 10**30])
    def test_a_number_that_is_none_is_nobody(self, tmp_path: Path, pid: Any) -> None:
        lock = tmp_path / "lock"
        lock.write_text(json.dumps({**locks._myself(), "since": "then"}))
        assert locks.is_claimed(lock)
        lock.write_text(json.dumps({**locks._myself(), "since": "then", "pid": pid}))
        assert not locks.is_claimed(lock)
        with locks.claimed(lock, "the run"):
            assert json.loads(lock.read_text())["pid"] == os.getpid()
        assert lock.read_text() == ""

    @pytest.mark.parametrize("change", [{"space": "pid:[1]", "pid": 2**22 + 1}, {"host": "elsewhere", "boot": "b"}])
    def test_one_that_cannot_be_seen_from_here_is_believed(self, tmp_path: Path, change: dict[str, Any]) -> None:
        """A container of the same host name numbers its processes itself."""
        (tmp_path / "lock").write_text(json.dumps({**locks._myself(), "since": "then", **change}))
        with pytest.raises(PrerequisiteError, match="since then"):
            claim(tmp_path / "lock")

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\udcff"])
    def test_a_file_that_names_nobody_is_free(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "lock").write_bytes(text.encode("utf-8", "surrogateescape"))
        claim(tmp_path / "lock")
        assert (tmp_path / "lock").read_bytes() == b""


def test_a_pipe_or_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("theirs")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(PrerequisiteError, match="cannot write"):
        claim(tmp_path / "lock")
    assert (tmp_path / "victim").read_text() == "theirs"
