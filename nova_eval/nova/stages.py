"""What each stage of sampling costs: wall time and peak memory, summed over a call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

STAGES = ("text", "temporal", "spatial", "denoise", "vae")


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds and peak bytes by stage (text, temporal, spatial, denoise, vae), and the autoregressive steps taken.

    Bytes are device memory allocated on a GPU, and the process's resident set at the end of a stage on a CPU.
    """

    seconds: dict[str, float]
    peak_bytes: dict[str, int]
    ar_steps: int = 0

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@dataclass
class Stages:
    """Adds up stages. On a GPU it measures with events, so that timing does not wait for the device."""

    device: torch.device
    steps: int = 0
    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _peaks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    _events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = field(default_factory=list)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Counts the body towards ``stage``."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            yield
            end.record()
            self._events.append((stage, begin, end))
            peak = torch.cuda.max_memory_allocated(self.device)
        else:
            started = time.perf_counter()
            yield
            self._seconds[stage] += time.perf_counter() - started
            peak = _resident_bytes()
        self._peaks[stage] = max(self._peaks[stage], peak)

    def times(self) -> StageTimes:
        """The sums so far; waits for the device."""
        if self._events:
            torch.cuda.synchronize(self.device)
            for stage, begin, end in self._events:
                self._seconds[stage] += begin.elapsed_time(end) / 1000
            self._events.clear()
        return StageTimes(dict(self._seconds), dict(self._peaks), self.steps)


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
