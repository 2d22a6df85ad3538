"""Trackers: where a run or a training shows its numbers to others. None is imported unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nova_eval.errors import UsageError, brief, is_interrupt
from nova_eval.registry import Registry


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample as a tracker's table has it: its file, a PNG or a video, and its scores by metric."""

    prompt: str
    index: int
    path: Path
    scores: Mapping[str, float | None]


class Tracker(Protocol):
    """Made with ``place``, what stands behind its name, and ``series``, the name of what is tracked.

    A series that was tracked before goes on where the tracker can do that. What is logged stands under ``axis``, whose
    steps are its own: they may come late, again, and in any order, whatever else the tracker hears.
    """

    def log(self, axis: str, step: int, values: Mapping[str, float]) -> None: ...

    def media(self, axis: str, step: int, samples: Sequence[Shown]) -> None:
        """A table of samples."""
        ...

    def summary(self, axis: str, values: Mapping[str, str | float]) -> None:
        """What stands for the whole series, in place of what stood there."""
        ...

    def close(self) -> None: ...


TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    {
        "tensorboard": "nova_eval.trackers.tensorboard:TensorBoard",
        "wandb": "nova_eval.trackers.wandb:WandB",
        "mlflow": "nova_eval.trackers.mlflow:MLflow",
    },
)


class Tracking:
    """Trackers by their texts, such as ``tensorboard:FOLDER``; a context manager.

    NovaEvalError for one that cannot be had. One that fails later is said once, and ends nothing.
    """

    def __init__(self, texts: Sequence[str], series: str, say: Callable[[str], None]) -> None:
        self._say, self._failed = say, set[str]()
        self._trackers: dict[str, Tracker] = {}
        for text in dict.fromkeys(texts):
            name, _, place = text.partition(":")
            if not place:
                raise UsageError(f"--track {text!r} says no place", remedy="such as --track tensorboard:FOLDER")
            self._trackers[text] = TRACKERS.make(name, {"place": place, "series": series})

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        self.each(lambda tracker: tracker.close())

    def __iter__(self) -> Iterator[str]:
        return iter(self._trackers)

    def each(self, tell: Callable[[Tracker], None], texts: Sequence[str] | None = None) -> list[str]:
        """Tells all trackers, or some of them, something; the texts of those that took it."""
        return [text for text in (self._trackers if texts is None else texts) if self._told(text, tell)]

    def _told(self, text: str, tell: Callable[[Tracker], None]) -> bool:
        try:
            tell(self._trackers[text])
        except BaseException as error:
            if is_interrupt(error):
                raise
            if text not in self._failed:
                self._failed.add(text)
                self._say(f"tracker {text} failed, what it misses is not lost: {brief(error)}")
            return False
        return True
