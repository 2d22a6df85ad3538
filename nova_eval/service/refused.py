"""A request that is not answered as it was meant."""

from __future__ import annotations


class Refused(Exception):
    """A request that is answered with a status and one line; ``wait``: seconds after which to come again."""

    def __init__(self, status: int, problem: str, wait: int | None = None) -> None:
        super().__init__(problem)
        self.status, self.problem, self.wait = status, problem, wait
