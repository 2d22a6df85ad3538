"""``python -m nova_eval`` and ``nova-eval``: runs a verb and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from types import FrameType
from typing import Any

from nova_eval.errors import INTERRUPTED, OK, PREREQUISITE, USAGE, NovaEvalError, PrerequisiteError, brief, printable

_INTERRUPTED = "interrupted; what is finished is kept, the same command goes on"


def main() -> None:
    """Entry point of the command line."""
    code = _code()
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if any(not thread.daemon for thread in others) or _struck():
        # A plugin's thread would keep the process for ever, and Python ends by the signal itself when that struck in
        # code made of text, whoever caught it. All that was said is out.
        os._exit(code)
    sys.exit(code)


def _code(words: Sequence[str] | None = None) -> int:
    """The exit code of the command, by default of this process; 0 is said of nothing but a whole answer."""
    try:
        with _interruptible(), _output_for_data_alone():
            from nova_eval.cli import app

            code = app(words, result_action="return_value", exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else OK
    except BaseException as error:
        return _reported(error)


def _reported(error: BaseException) -> int:
    """The exit code of what ended the command, after a line that says it."""
    if isinstance(error, KeyboardInterrupt) or _struck():
        return _failed(_INTERRUPTED, INTERRUPTED)
    if isinstance(error, NovaEvalError):
        return _failed(str(error), error.exit_code)
    if isinstance(error, SystemExit):
        return _failed(f"code that is not the product's own ended the command ({brief(error)})", PREREQUISITE)
    from cyclopts import CycloptsError

    if isinstance(error, CycloptsError):
        return _failed(" ".join(str(error).split()), USAGE)
    if os.environ.get("NOVA_EVAL_TRACEBACK"):
        raise error
    return _failed(f"{brief(error)}; NOVA_EVAL_TRACEBACK=1 shows where", PREREQUISITE)


def _failed(text: str, code: int) -> int:
    with suppress(OSError, ValueError, AttributeError):  # nobody may be there to read it
        print(f"nova-eval: {printable(text)}", file=sys.stderr, flush=True)
    return code


def _struck() -> bool:
    """Whether Ctrl-C or SIGTERM came."""
    return signal.getsignal(signal.SIGINT) is _end_at_once


def _interrupt(number: int, frame: FrameType | None) -> None:
    for either in (signal.SIGINT, signal.SIGTERM):
        signal.signal(either, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):
        os.write(2, f"nova-eval: {_INTERRUPTED}\n".encode())
    os._exit(INTERRUPTED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt in the block; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if not _struck():  # what ends at once stays until the process has ended
            for number, handler in before.items():
                signal.signal(number, handler)


class _Output(FileIO):
    """Standard output, as a file whose errors are the product's."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise PrerequisiteError(
                f"cannot write standard output: {error.strerror or error}",
                remedy="free space, or keep its reader until it has read all",
            ) from error


@contextmanager
def _output_for_data_alone() -> Iterator[None]:
    """What is written to standard output in the block, but not through ``sys.stdout``, goes to standard error.

    PrerequisiteError where the answer cannot be written in full.
    """
    before = sys.stdout
    if before is None:
        raise PrerequisiteError("standard output is closed", remedy="send it to /dev/null where it is not wanted")
    held = before is not sys.__stdout__ or sys.stderr is None
    if held:
        yield
        return
    before.flush()
    data = os.dup(1)
    os.dup2(2, 1)
    written = BufferedWriter(_Output(data, "w"))
    sys.stdout = TextIOWrapper(written, before.encoding, before.errors, line_buffering=before.isatty())
    try:
        yield
        sys.stdout.flush()
    finally:
        with suppress(PrerequisiteError, ValueError):
            os.dup2(data, 1)
            sys.stdout.close()
        sys.stdout = before


if __name__ == "__main__":
    main()
