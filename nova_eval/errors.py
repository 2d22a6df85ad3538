"""Errors a user can act on. Each says what is wrong, where, and the remedy, and knows its exit code."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from difflib import get_close_matches

_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
OK, GATE_FAILED, USAGE, INCOMPLETE, PREREQUISITE, INTERRUPTED = 0, 1, 2, 3, 4, 130


class NovaEvalError(Exception):
    """Base of every error shown to the user as one line: ``problem (remedy)``."""

    exit_code = PREREQUISITE

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        self.problem = one_line(problem)
        self.remedy = one_line(remedy)
        super().__init__(f"{self.problem}; {self.remedy}" if self.remedy else self.problem)


class UsageError(NovaEvalError):
    """The command, a configuration or an input names something that does not exist or cannot be."""

    exit_code = USAGE


class PrerequisiteError(NovaEvalError):
    """Something outside the command is missing: a package, weights, a prompt file, disk space, permission."""

    exit_code = PREREQUISITE


class NotHere(PrerequisiteError):
    """Files of a generator that can be fetched and are not on this machine; the network was not asked."""


class CorruptStoreError(NovaEvalError):
    """A file of a run says something it cannot say. Nothing is deleted; the line names the file and the place."""

    exit_code = PREREQUISITE


class MediaError(NovaEvalError):
    """An image or video cannot be read or written."""

    exit_code = PREREQUISITE


def unknown(kind: str, name: str, known: Iterable[str], *, remedy: str = "") -> UsageError:
    """The error for a name that is not among ``known``, with the nearest one that is."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5) or get_close_matches(
        name.lower(), [n.lower() for n in names], n=1, cutoff=0.5
    )
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return UsageError(f"unknown {kind} {name!r}", remedy=f"{hint} {remedy}".strip())


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody asked the command to end; where Ctrl-C is ignored, as in workers, code raised it by itself."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def brief(error: BaseException) -> str:
    """An error as the reason of a row: one line of at most 300 characters, with its class where it is not ours."""
    try:
        text = one_line(str(error)[:10_000])
    except Exception:  # its own text is an error too
        text = ""
    name = "" if isinstance(error, NovaEvalError) else one_line(type(error).__name__)
    return ": ".join(part for part in (name, text) if part)[:300]


def printable(text: str) -> str:
    """Text of any number of lines, or JSON, with escapes of JSON in place of what no terminal should obey.

    That is every control character but tab and line feed, marks that turn the direction of writing, and halves of
    characters. In JSON, where they stand in texts alone, it is the same value.
    """
    return _NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def quoted(text: str, most: int = 60) -> str:
    """A prompt as messages show it: on one line in quotation marks, cut where it is longer than ``most`` letters."""
    line = one_line(text)
    return repr(line if len(line) <= most else f"{line[: most - 1]}…")


def one_line(text: str) -> str:
    """Text with single blanks; a question mark for what no terminal should obey or UTF-8 cannot hold."""
    text = " ".join(text.split())
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
