"""The life of a worker process: its work at one end of a pipe, until the parent says stop or is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from nova_eval import environment
from nova_eval.engines.desk import Outbox
from nova_eval.engines.questions import OutOfMemory
from nova_eval.engines.units import Event, Fault, Job, Ready, UnitReport
from nova_eval.engines.worker import Worker
from nova_eval.errors import NovaEvalError, brief

_FAR = 512


def serve(pipe: Connection, work: Callable[[Connection], None], parent: int) -> None:
    """Does not return. What is printed to standard output goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    die_with(parent)
    environment.keep_memory()
    with suppress(OSError):
        os.dup2(2, 1)
    with suppress(EOFError, OSError):  # the parent is gone, or the pipe: every finished row is on disk
        work(_out_of_reach(pipe))
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # a thread that a sampler left behind would keep the process


@dataclass(frozen=True, slots=True)
class Units:
    """The work of a run: units in, reports out."""

    job: Job
    name: str

    def __call__(self, pipe: Connection) -> None:
        worker: Worker | None = None

        def tell(event: Event) -> None:
            with suppress(OSError):  # the next answer finds out that nobody is there
                pipe.send(event)

        try:
            while (unit := pipe.recv()) is not None:
                answer: Any
                try:
                    desk = Outbox(self.job.folder, pipe.send) if self.job.away else None
                    worker = worker or Worker(self.job, tell, self.name, desk)
                    pipe.send(Ready(worker.prepare(unit)))
                    answer = worker.do(unit)
                except NovaEvalError as error:
                    answer = error
                except OutOfMemory as error:
                    answer = Fault(str(error), spent=True, memory=True)
                except BaseException as error:
                    answer = Fault(f"the worker failed: {brief(error)}")
                pipe.send(_spent(answer) if environment.device_is_spoilt() else answer)
        finally:
            if worker is not None:
                worker.close()


def _spent(answer: Any) -> Any:
    """What is said by a worker whose device answers nothing more: of a unit that failed, that another should do it."""
    if isinstance(answer, Fault):
        return answer._replace(spent=True)
    if isinstance(answer, UnitReport) and answer.failed:
        return Fault(f"the device failed: {answer.last_failure}", spent=True)
    return answer


def _out_of_reach(pipe: Connection) -> Connection:
    """The same pipe, under a number that code which closes files that are not its own hardly meets (Linux)."""
    if sys.platform != "linux":
        return pipe
    import fcntl

    try:
        number = fcntl.fcntl(pipe.fileno(), fcntl.F_DUPFD_CLOEXEC, _FAR)
    except OSError:  # so many files may not be open here
        return pipe
    pipe.close()
    return Connection(number)


def die_with(parent: int) -> None:
    """Makes this process end at once when its parent is killed, so that no orphan works beside the next run (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before we asked
            os._exit(1)
