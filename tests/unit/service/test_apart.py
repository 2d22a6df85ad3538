"""Judges that hang or die are replaced: their request hears so, and all others hear what is right."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import asked, head, opened

from nova_eval.engines.units import Ended, Event, Fault, Ready, Tell
from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.service import apart, body
from nova_eval.service.apart import Answering, Apart
from nova_eval.service.body import Content
from nova_eval.service.refused import Refused
from nova_eval.service.scoring import Answer


@dataclass(frozen=True)
class Misbehaving:
    """Echoes the body; some bodies do what they say first."""

    def told(self) -> list[dict[str, object]]:
        return [{"name": "echo"}]

    def __call__(self, content: Content, form: str, folder: Path, tell: Tell) -> Answer:
        (folder / "left").touch()
        text = bytes(content).decode()
        if text == "hangs":
            time.sleep(1000)
        if text == "loads":
            for _ in range(3):
                tell(Event("judges", "loads judge x", "loads"))
                time.sleep(0.4)
        if text == "dies":
            os._exit(7)
        if text.startswith("once") and not Path(text[5:]).exists():
            Path(text[5:]).touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if text == "fails":
            raise RuntimeError("boom")
        if text == "leaves":
            raise SystemExit
        if text == "wrong":
            raise UsageError("no such thing")
        return Answer(f"{text} {form}".encode(), {"scored": 1})


class Scripted:
    """A process that says, given a request, what stands next in the script."""

    about = "a process"

    def __init__(self, script: list[list[Any]]) -> None:
        self.up, self._script = True, script
        self.pipe, self._there = Pipe()

    def give(self, what: Any) -> None:
        for answer in self._script.pop(0) if what else ():
            self._there.send(answer)

    def hear(self) -> Any:
        return self.pipe.recv() if self.pipe.poll() else None

    def join(self, seconds: float) -> None:
        pass

    def kill(self) -> None:
        self.pipe.close()


DIED, DONE, LOADS = Ended("it ended (exit code 7)"), Answer(b"done", {}), Event("judges", "loads judge x", "loads")


@pytest.mark.parametrize(
    ("script", "heard", "replaced"),
    [
        ([[DONE]], "done", 0),
        ([[Ready(), LOADS, LOADS, DONE]], "done", 0),
        ([[DIED], [LOADS, DONE]], "done", 1),
        ([[DIED], [LOADS, DIED]], "500 it ended (exit code 7)", 2),
        ([[Fault("RuntimeError: boom")]], "500 RuntimeError: boom", 0),
        ([[UsageError("no such thing")]], "no such thing", 0),
        ([[Ready()]], "504 the judges are not done after 0.05 s", 1),
        ([[LOADS]], "504 the judges are not done after 0.05 s", 1),
        ([[DIED], [Ready()]], "504 the judges are not done after 0.05 s", 2),
    ],
    ids=range(9),
)
def test_what_judges_do_decides_what_is_heard(
    script: list[list[Any]], heard: str, replaced: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.append([DONE])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(apart, "Process", lambda *told: Scripted(script))
    judges = Apart(Misbehaving(), "cpu", 0.05 if heard.startswith("504") else 60.0, lambda text: None)
    assert said(judges, "anything") == heard
    assert judges.replaced == replaced
    assert said(judges, "the next one") == "done"
    judges.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def said(judges: Apart, text: str) -> str:
    """The answer, or the error with its status."""
    try:
        return judges(bytearray(text.encode()), "form").content.decode()
    except Refused as error:
        return f"{error.status} {error}"
    except UsageError as error:
        return str(error)


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apart]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = Apart(Misbehaving(), "cpu", 600.0, lambda text: None)
    yield made
    made.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_process_that_hangs_is_ended_and_the_next_request_answered(judges: Apart) -> None:
    assert said(judges, "first") == "first form"
    judges._seconds = 0.05
    assert said(judges, "hangs") == "504 the judges are not done after 0.05 s"
    judges._seconds = 600.0
    assert said(judges, "next") == "next form"


@pytest.mark.slow
def test_processes_that_end(judges: Apart, tmp_path: Path) -> None:
    assert said(judges, "dies") == "500 the worker process ended unexpectedly (exit code 7)"
    assert said(judges, f"once {tmp_path / 'died'}").startswith("once")
    assert judges.replaced == 3
    assert said(judges, "fails") == "500 RuntimeError: boom"
    assert said(judges, "leaves") == "500 SystemExit"
    assert said(judges, "wrong") == "no such thing"
    assert judges.replaced == 3
    (tmp_path / "died").unlink()


@pytest.mark.slow
def test_over_http_only_the_request_that_hangs_is_given_up(judges: Apart) -> None:
    """Those that wait behind it are answered by the process that takes its place."""
    assert said(judges, "first") == "first form"
    heard: dict[str, tuple[int, str]] = {}

    def send(text: str) -> None:
        request = head(address, Content_Type="form", Content_Length=str(len(text))) + text.encode()
        heard[text] = asked(address, request)

    judges._seconds = 3.0
    with opened(judges, seconds=600.0) as (address, app):
        threads = [threading.Thread(target=send, args=(text,)) for text in ("hangs", "a", "dies", "b")]
        for place, thread in enumerate(threads, 1):
            thread.start()
            while app.line.length < place:
                time.sleep(0.01)
        for thread in threads:
            thread.join()
    assert {text: status for text, (status, _) in heard.items()} == {"hangs": 504, "a": 200, "dies": 500, "b": 200}
    assert heard["a"][1].endswith("a form")
    assert heard["b"][1].endswith("b form")


def test_a_process_whose_gpu_failed_ends_after_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body").write_bytes(b"me")
    here, there = Pipe()
    for _ in range(2):
        here.send((tmp_path / "body", "form"))
    monkeypatch.setattr("nova_eval.environment.device_is_spoilt", lambda: True)
    Answering(Misbehaving())(there)
    assert there.poll()  # the second request is left
    assert here.recv() == Ready()
    assert here.recv() == Answer(b"me form", {"scored": 1})
    assert not here.poll()


def test_a_process_that_ended_while_nothing_was_asked_is_replaced_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    script: list[list[Any]] = [[DONE], [DONE]]
    made: list[Scripted] = []

    def start(*told: Any) -> Scripted:
        made.append(Scripted(script))
        return made[-1]

    monkeypatch.setattr(apart, "Process", start)
    judges = Apart(Misbehaving(), "cpu", 60.0, lambda text: None)
    assert said(judges, "one") == "done"
    made[0]._there.send(DIED)
    assert said(judges, "another") == "done"
    assert (judges.replaced, len(made), script) == (1, 2, [])
    judges.close()


def test_frames_come_to_the_process_as_they_were_sent_and_can_be_written(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    content = body.of_frames(body.Asked(benchmark="vbench", prompt="a cat"), frames)
    (tmp_path / "body").write_bytes(content)
    (tmp_path / "empty").touch()
    here, there = Pipe()
    for request in ((tmp_path / "body", body.TENSORS), (tmp_path / "empty", body.TENSORS), None):
        here.send(request)
    Answering(Keeping(frames))(there)
    assert here.recv() == Ready()
    assert here.recv() == Answer(b"alike", {})
    assert "no safetensors" in str(here.recv())
    assert (tmp_path / "body").read_bytes() == content


@dataclass(frozen=True)
class Keeping:
    """Says whether frames are those."""

    frames: Frames

    def told(self) -> list[dict[str, object]]:
        return []

    def __call__(self, content: Content, form: str, folder: Path, tell: Tell) -> Answer:
        _, sent = body.read(content, form)
        assert isinstance(sent, np.ndarray)
        alike = (sent == self.frames).all()
        sent[:] = 0
        return Answer(b"alike" if alike else b"others", {})
