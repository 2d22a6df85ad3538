"""Commands of the product in processes forked from one that has loaded its modules: real files, no start-up (Linux).

Worker processes are forked too, by ``forked_workers``, so that what is injected into a command reaches them.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

from nova_eval.errors import PrerequisiteError

LIMIT_SECONDS = 120.0
"""Beyond this a command hangs: the slowest takes a second or two."""
_GRACE_SECONDS = 10.0  # until a process that outlives its command is an orphan
_LOADED = (
    *("av", "cv2", "pyarrow.parquet", "scipy.stats", "PIL.ImageOps"),
    *("PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin"),
    *("multiprocessing.popen_fork", "multiprocessing.resource_tracker"),
    *(f"nova_eval.{name}" for name in ("cli", "cli.show", "sprites.judges", "samplers.folder", "samplers.sprites")),
    *(f"nova_eval.runs.{name}" for name in ("pipeline", "exporting", "importing", "verifying", "forecast")),
    *(f"nova_eval.report.{name}" for name in ("baselines", "clips", "export", "parquet")),
    *(f"nova_eval.adapters.{name}.benchmark" for name in ("geneval", "vbench")),
)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended. ``code`` below 0 is the signal that ended it; ``orphans`` are processes that outlived it."""

    words: tuple[str, ...]
    code: int
    output: str
    error: str
    hung: bool = False
    orphans: int = 0


Preparation = Callable[[], object]


def load() -> None:
    """Imports, once, what commands need. PrerequisiteError where processes cannot be forked and looked at."""
    if not sys.platform.startswith("linux"):
        raise PrerequisiteError("bench faults needs Linux: it forks processes and asks /proc who is alive")
    for name in _LOADED:
        importlib.import_module(name)
    from nova_eval.sprites import shape_bank, tones

    shape_bank.bank()
    tones.tone_table()
    gc.collect()
    gc.freeze()  # so that what is shared with forked processes stays shared


class Command:
    """A command at work. ``prepare`` is called in its process before it; ``output`` is where its answer goes."""

    def __init__(
        self, words: Sequence[object], folder: Path, *, prepare: Sequence[Preparation] = (), output: Path | None = None
    ) -> None:
        self.words = tuple(map(str, words))
        folder.mkdir(exist_ok=True)
        self._said = tuple(folder / f"{time.monotonic_ns()}.{name}" for name in ("out", "err"))
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(self.words, output or self._said[0], self._said[1], prepare)

    def ended(self) -> bool:
        """Whether it has ended, without waiting for it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, limit: float = LIMIT_SECONDS) -> Done:
        """Waits for its end, or ends it; no process of it is left after this."""
        try:
            status = self._status(limit)
            left = self._left(_GRACE_SECONDS if status is not None else 0.0)
        finally:
            for pid in self._left(0.0):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        hung = status is None
        code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
        if hung:
            os.waitpid(self.pid, 0)
        output, error = (_text(path) for path in self._said)
        return Done(self.words, code, output, error, hung, 0 if hung else len(left))

    def _status(self, limit: float) -> int | None:
        """How it ended; ``None`` where it does not end in time."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.003)
        return None

    def _left(self, grace: float) -> list[int]:
        """Its processes that still live after some seconds of grace."""
        deadline = time.monotonic() + grace
        while (left := _of_session(self.pid)) and time.monotonic() < deadline:
            time.sleep(0.003)
        return left


def forked_workers() -> None:
    """In a command: its workers are forked too, and load plugins anew, as fresh processes do."""
    from nova_eval.engines import process, serving

    def serve(*arguments: Any) -> None:
        for name in [name for name in sys.modules if name.startswith("nova_eval_plugin_")]:
            del sys.modules[name]
        serving.serve(*arguments)

    vars(process).update(get_context=lambda method: multiprocessing.get_context("fork"), serve=serve)


def _become(words: Sequence[str], output: Path, error: Path, prepare: Sequence[Preparation]) -> NoReturn:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, path in ((0, Path(os.devnull)), (1, output), (2, error)):
            way = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            os.dup2(os.open(path, way, 0o600), number)
        streams = {"stdout": os.fdopen(1, "w", -1, closefd=False), "stderr": os.fdopen(2, "w", 1, closefd=False)}
        for name, stream in streams.items():
            vars(sys).update({name: stream, f"__{name}__": stream})
        sys.argv = ["nova-eval", *words]
        for act in prepare:
            act()
        runpy.run_module("nova_eval", run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            vars(util)["_exit_function"]()  # what ends with the interpreter; the rest of it is the forking process's
            sys.stdout.flush()
        os._exit(code)


def _of_session(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            facts = _text(entry / "stat").rpartition(")")[2].split()
            if len(facts) > 3 and facts[0] != "Z" and facts[3] == str(session):
                found.append(int(entry.name))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
