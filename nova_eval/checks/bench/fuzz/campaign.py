"""Changed files through every reader: each is read, or refused by one line of the product's own."""

from __future__ import annotations

import io
import logging
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from nova_eval.checks.bench.fuzz.mutations import mutated
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.engines.alarm import Late, alarm
from nova_eval.errors import NovaEvalError

HANGS = 120.0  # seconds until a case is given up: the slowest that ends takes half a second
SLOW = 1.0  # seconds of the processor, which do not depend on what else the machine does
_PACKAGE = "nova_eval"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reader's cases. ``foreign`` counts other exceptions than the product's own, and its own that are
    not one line, and cases without an end; ``kinds`` says which, where, and in which case first.
    """

    reader: str
    cases: int
    read: int
    refused: int
    foreign: int
    slow: int
    slowest: float
    kinds: tuple[str, ...] = ()


def run(reader: Reader, cases: int, seed: int) -> Outcome:
    """What becomes of the first ``cases`` of a reader, which are the same for the same ``seed``."""
    with TemporaryDirectory(prefix="nova_eval-fuzz-") as folder, _silence():
        return _outcome(reader, Path(folder), range(cases), seed)


def one(reader: Reader, number: int, seed: int, folder: Path) -> object:
    """A single case again, raising what it raises."""
    samples = list(reader.make(folder))
    _write(reader, folder, samples, number, seed)
    return reader.read(folder / reader.file)


def _outcome(reader: Reader, folder: Path, numbers: Iterable[int], seed: int) -> Outcome:
    samples = list(reader.make(folder))
    for content in samples if reader.whole else ():
        (folder / reader.file).write_bytes(content)
        reader.read(folder / reader.file)
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    slowest = 0.0
    for number in numbers:
        _write(reader, folder, samples, number, seed)
        started = time.process_time()
        kind = _kind(reader, folder)
        seconds = time.process_time() - started
        counts[kind] += 1
        counts["slow"] += seconds > SLOW
        slowest = max(slowest, seconds)
        first.setdefault(kind, number)
    read, refused, slow = (counts.pop(kind, 0) for kind in ("read", "refused", "slow"))
    foreign = sum(counts.values())
    kinds = tuple(f"{kind} ({count}, first in case {first[kind]})" for kind, count in counts.most_common() if count)
    return Outcome(reader.name, read + refused + foreign, read, refused, foreign, slow, slowest, kinds)


def _write(reader: Reader, folder: Path, samples: Sequence[bytes], number: int, seed: int) -> None:
    rng = Random(f"{seed} {reader.name} {number}")
    (folder / reader.file).write_bytes(mutated(rng.choice(samples), reader.kind, rng))


def _kind(reader: Reader, folder: Path) -> str:
    try:
        with alarm(HANGS):
            reader.read(folder / reader.file)
    except Late as error:
        return f"no end at {_place(error)}"
    except NovaEvalError as error:
        text = str(error)
        return "refused" if text.strip() and text.isprintable() else f"{type(error).__name__} is not one line"
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__} at {_place(error)}"
    return "read"


def _place(error: BaseException) -> str:
    """The innermost line of the package that the exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if f"/{_PACKAGE}/" in frame.filename and "/fuzz/" not in frame.filename]
    frame = (inside or list(frames))[-1]
    return f"{frame.filename.rpartition(f'/{_PACKAGE}/')[2]}:{frame.lineno}"


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # bars and notes
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
