"""The checkpoints that a training has left so far, and which of them are still being written. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nova_eval import files
from nova_eval.errors import UsageError
from nova_eval.identity import digest
from nova_eval.nova.parts import PARTS, SERIES, is_transformer

KINDS = ("raw", "averaged", "whole")
"""A transformer alone, the moving average of one, and all parts together."""
_NUMBER = re.compile(r"(|.*[-_.]|.*(?:checkpoint|epoch|iter|step))(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint in a training's folder. ``name`` is its path below that, ``step`` the number that it ends in, and
    ``stage`` what comes before that, which raw and averaged checkpoints have in common.

    ``state`` changes when one of its files does; ``changed`` is when that was last (seconds since 1970).
    """

    name: str
    folder: Path
    kind: str
    stage: str
    step: int | None
    state: str
    changed: float


def saved_in(training: Path) -> list[Saved]:
    """The checkpoints below ``training``, oldest first: stages in the order in which they began, steps as numbers.

    They are folders of ``checkpoints/`` and ``ema_checkpoints/`` in which a file is, and whole checkpoints that lie in
    ``training`` itself; none while that is not there. UsageError where it is a file, or itself a checkpoint.
    """
    if training.exists() and not training.is_dir():
        raise UsageError(f"{training} is no folder", remedy="name the output folder of a training")
    if (training / PARTS[0]).is_dir() or is_transformer(training):
        raise UsageError(f"{training} is a checkpoint itself", remedy="name the folder of the training that left it")
    return _in_order([one for folder in _folders(training) if (one := _saved(training, folder)) is not None])


def _folders(training: Path) -> Iterator[Path]:
    for place in (training / series for series in SERIES):
        yield from _below(place)
    for folder in _below(training):
        if folder.name not in (*SERIES, *PARTS) and (folder / PARTS[0]).is_dir():
            yield folder


def _below(place: Path) -> list[Path]:
    return [path for path in place.glob("*") if path.is_dir() and not path.name.startswith(".")]


def _saved(training: Path, folder: Path) -> Saved | None:
    """``None`` while no file is in it, and where it was removed meanwhile."""
    stamps = {}
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                stamps[path.relative_to(folder).as_posix()] = files.state(path)
        except OSError:  # gone, as temporary names are: what it became counts next time
            stamps[path.relative_to(folder).as_posix()] = (0, 0, 0, 0, 0)
    if not stamps:
        return None
    stage, step = _numbered(folder.name)
    return Saved(
        name=folder.relative_to(training).as_posix(),
        folder=folder,
        kind=_kind(folder),
        stage=stage,
        step=step,
        state=digest({name: list(stamp[:2]) for name, stamp in stamps.items()})[:16],
        changed=max(stamp[1] for stamp in stamps.values()) / 1e9,
    )


def _numbered(name: str) -> tuple[str, int | None]:
    """``"t2i-000500"`` → (t2i, 500), ``"t2i"`` → (t2i, None): a stage, and the step of it."""
    found = _NUMBER.fullmatch(name)
    return (found[1].rstrip("-_."), int(found[2])) if found else (name, None)


def _kind(folder: Path) -> str:
    if SERIES.get(folder.parent.name):
        return "averaged"
    return "whole" if (folder / "vae").is_dir() else "raw"


def _in_order(found: Sequence[Saved]) -> list[Saved]:
    began: dict[str, float] = {}
    for one in found:
        began[one.stage] = min(began.get(one.stage, one.changed), one.changed)
    return sorted(found, key=lambda one: (began[one.stage], one.stage, one.step is None, one.step or 0, one.name))


@dataclass
class Settling:
    """Which checkpoints have been as they are for ``seconds``, by their files' times or by what was seen of them."""

    seconds: float
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def settled(self, one: Saved, now: float, monotonic: float) -> bool:
        """``now`` in seconds since 1970, as files have it, which may be another machine's; ``monotonic`` only grows."""
        state, since = self._seen.get(one.name, ("", monotonic))
        if state != one.state:
            since = monotonic
            self._seen[one.name] = (one.state, since)
        return self.seconds <= now - one.changed or monotonic - since >= self.seconds
