"""Judges in a process of their own, beside the server: one that hangs is ended, one that ended is replaced.

Requests are read and files decoded there too, so that no library that stumbles over them takes the server along.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from mmap import ACCESS_COPY, mmap
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from nova_eval import environment
from nova_eval.engines.pool import LIVES
from nova_eval.engines.process import Process
from nova_eval.engines.scratch import Scratch
from nova_eval.engines.units import Ended, Event, Fault, Ready, Tell
from nova_eval.errors import NovaEvalError, brief
from nova_eval.service import body
from nova_eval.service.refused import Refused
from nova_eval.service.scoring import Answer

_LOOK_EVERY_SECONDS = 1.0  # at a process whose end is not heard of, as one that it left holds its pipe
_START_SECONDS = 120.0
_GRACE_SECONDS = 1.0


class Scores(Protocol):
    """Says scores of bodies; ``tell`` hears which judge is about to be loaded. It can be pickled."""

    def told(self) -> list[dict[str, Any]]: ...

    def __call__(self, content: body.Content, form: str, folder: Path, tell: Tell) -> Answer: ...


@dataclass(frozen=True)
class Answering:
    """The work of the process: files of bodies and their media types in, answers or errors out."""

    scores: Scores

    def __call__(self, pipe: Connection) -> None:
        pipe.send(Ready())
        while (request := pipe.recv()) is not None:
            path, form = request
            answer: Any
            try:
                answer = self.scores(_mapped(path), form, path.parent, pipe.send)
            except NovaEvalError as error:
                answer = error
            except BaseException as error:
                answer = Fault(brief(error))
            pipe.send(answer)
            if environment.device_is_spoilt():  # the next request finds this process gone, and another is started
                return


def _mapped(path: Path) -> body.Content:
    """The content, of which memory is taken for what is changed alone."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_COPY) if path.stat().st_size else bytearray()


class Apart:
    """Says what ``scores`` says, in a process; to be asked by one thread at a time.

    Once it is up, one that says nothing for ``seconds``, be it loading a judge or looking, is ended: Refused, 504. What
    ends it twice is Refused, 500. ``replaced`` counts those that were ended or ended themselves.
    """

    def __init__(self, scores: Scores, device: str, seconds: float, say: Callable[[str], None]) -> None:
        self._scores, self._device, self._seconds, self._say = scores, device, seconds, say
        self._scratch = Scratch()
        self._closed = False
        self.replaced = 0
        self._process = self._started()

    def told(self) -> list[dict[str, Any]]:
        return self._scores.told()

    def __call__(self, content: bytearray, form: str) -> Answer:
        with TemporaryDirectory(dir=self._scratch.folder, ignore_cleanup_errors=True) as place:
            file = Path(place, "body")
            file.write_bytes(content)
            for _ in range(LIVES):
                said = self._said((file, form))
                if not isinstance(said, Ended):
                    break
        if isinstance(said, Answer):
            return said
        if isinstance(said, NovaEvalError):
            raise said
        raise Refused(500, said.reason)

    def close(self) -> None:
        """Ends the process, whatever it is at, and removes what lies on disk."""
        self._closed = True
        self._process.give(None)
        self._process.join(_GRACE_SECONDS)
        self._process.kill()
        self._scratch.close()

    def _said(self, request: tuple[Path, str]) -> Answer | NovaEvalError | Fault | Ended:
        """What the process says of a request; ``Ended`` where it has, and another one is there."""
        if isinstance(before := self._process.hear(), Ended):  # it ended while nothing was asked
            self._replace(before.reason)
        process = self._process
        process.up = process.up or isinstance(before, Ready)
        process.give(request)
        until = time.monotonic() + (self._seconds if process.up else max(_START_SECONDS, self._seconds))
        while (left := until - time.monotonic()) > 0:
            with suppress(OSError):  # its pipe is closed when the server ends
                wait([process.pipe], min(left, _LOOK_EVERY_SECONDS))
            said = process.hear()
            if isinstance(said, Ready | Event):
                process.up = True
                until = time.monotonic() + self._seconds
                if isinstance(said, Event):
                    self._say(said.text)
            elif isinstance(said, Ended):
                self._replace(said.reason)
                return said
            elif said is not None:
                found: Answer | NovaEvalError | Fault = said
                return found
        self._replace(f"the judges say nothing for {self._seconds:g} s")
        raise Refused(504, f"the judges are not done after {self._seconds:g} s")

    def _replace(self, why: str) -> None:
        if self._closed:
            raise Refused(503, "the server is ending", 1)
        self._process.kill()
        self.replaced += 1
        self._say(f"{why}: another process takes their place")
        self._process = self._started()

    def _started(self) -> Process:
        process = Process(Answering(self._scores), "judges", self._device)
        process.up = False
        return process
