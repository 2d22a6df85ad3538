"""What is counted of a server, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

_EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0)


class Figures:
    """Counts of one process, kept by one thread."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._rows: Counter[str] = Counter()
        self._under: Counter[float] = Counter()
        self._seconds = 0.0
        self._timed = 0

    def ended(self, path: str, status: int, seconds: float | None = None) -> None:
        """A request was answered, or, with the status 499, its client had gone; ``seconds`` where it was for scores."""
        self._requests[path, status] += 1
        if seconds is not None:
            self._timed += 1
            self._seconds += seconds
            self._under.update(edge for edge in _EDGES if seconds <= edge)

    def said(self, state: str, number: int) -> None:
        """So many rows were said that are ``scored``, ``excluded`` or ``unscored``."""
        self._rows[state] += number

    @property
    def mean_seconds(self) -> float:
        """Of requests for scores; 1 before the first."""
        return self._seconds / self._timed if self._timed else 1.0

    def text(self, now: Mapping[str, tuple[float, str]]) -> str:
        """All figures; ``now`` are gauges with what they mean."""
        return "".join(f"{line}\n" for line in self._lines(now))

    def _lines(self, now: Mapping[str, tuple[float, str]]) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests by path and status; 499: the client had gone.")
        for (path, status), number in sorted(self._requests.items()):
            yield f'nova_eval_requests_total{{path="{path}",status="{status}"}} {number}'
        yield from _head("rows_total", "counter", "Rows of scores that were said.")
        for state, number in sorted(self._rows.items()):
            yield f'nova_eval_rows_total{{state="{state}"}} {number}'
        yield from _head("score_seconds", "histogram", "Seconds from the head of a request for scores to its answer.")
        for edge in _EDGES:
            yield f'nova_eval_score_seconds_bucket{{le="{edge:g}"}} {self._under[edge]}'
        yield f'nova_eval_score_seconds_bucket{{le="+Inf"}} {self._timed}'
        yield f"nova_eval_score_seconds_sum {self._seconds!r}"
        yield f"nova_eval_score_seconds_count {self._timed}"
        for name, (value, meaning) in now.items():
            yield from _head(name, "gauge", meaning)
            yield f"nova_eval_{name} {value:g}"


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP nova_eval_{name} {meaning}"
    yield f"# TYPE nova_eval_{name} {kind}"
