"""Work timed in turns: one clock for every bench, and one table of what takes how many times as long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seconds:
    """What a piece of work took: wall time, and processor time of all cores of this process."""

    wall: float
    cpu: float

    def steady(self, device: str) -> float:
        """Processor time on the CPU, which other programs disturb less; wall time where another device computes."""
        return self.cpu if device == "cpu" else self.wall


@dataclass(frozen=True, slots=True)
class Turns(Generic[T]):
    """What one way of doing the work answered in its last turn, and what each turn took."""

    answer: T
    seconds: Sequence[Seconds]

    def median(self, device: str) -> float:
        return median(taken.steady(device) for taken in self.seconds)


@dataclass(frozen=True, slots=True)
class Beside:
    """One line of the table: seconds of ours, seconds of another way, and how many times as long that takes."""

    name: str
    ours: float
    other: float
    ratio: float
    remark: str = ""


def clock(device: str) -> str:
    """In words, what ``Seconds.steady`` counts."""
    return "processor" if device == "cpu" else "wall"


def timed(work: Callable[[], T], device: str = "cpu") -> tuple[T, Seconds]:
    """What ``work`` answers, and what it took until the device was done with it."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    _wait(device)
    return answer, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(
    ways: Mapping[str, Callable[[int], T]],
    repeats: int,
    device: str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Turns[T]]:
    """Every way once, then every way again, so that a busy machine slows all. A way is told which repeat it is."""
    answers: dict[str, T] = {}
    seconds: dict[str, list[Seconds]] = {name: [] for name in ways}
    for repeat in range(repeats):
        say(f"repeat {repeat + 1} of {repeats}")
        for name, way in ways.items():
            answers[name], taken = timed(partial(way, repeat), device)
            seconds[name].append(taken)
    return {name: Turns(answers[name], seconds[name]) for name in ways}


def matrix_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Floating-point operations a second of a square matrix product, the best of several; on a CPU, of each core."""
    import torch

    a = torch.ones(side, side, device=device, dtype=dtype)
    return 2.0 * side**3 / min(timed(lambda: torch.mm(a, a), device)[1].steady(device) for _ in range(5))


def table(heads: tuple[str, str], rows: Sequence[Beside]) -> list[str]:
    """The lines of a table for people, titles first."""
    ours, other = heads
    size = max(24, *(len(row.name) + 2 for row in rows))
    width = max(9, len(ours) + 2, len(other) + 2)
    return [
        f"{'':<{size}}{ours:>{width}}{other:>{width}}{'ratio':>8}",
        *(
            f"{row.name:<{size}}{row.ours:>{width}.2f}{row.other:>{width}.2f}{row.ratio:>7.2f}×{row.remark}".rstrip()
            for row in rows
        ),
    ]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
