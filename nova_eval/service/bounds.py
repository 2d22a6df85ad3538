"""How much a server takes in, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from nova_eval.errors import UsageError


@dataclass(frozen=True)
class Bounds:
    """What every request is held to."""

    queue: int = 64
    "Requests that are waiting or at work; more are answered with 429 and told when to come again."
    seconds: float = 300.0
    "Seconds until a request's turn comes; and those after which judges that say nothing at it are ended and replaced."
    body_bytes: int = 256 << 20
    "Bytes of one request."
    held_bytes: int = 2 << 30
    "Bytes of all requests together."
    decoded_bytes: int = 1 << 30
    "Bytes of the frames in a file that a request brings."
    arrival_seconds: float = 60.0
    "Seconds until a request is there in full."
    connections: int = 512
    "Connections at a time."
    drain_seconds: float = 30.0
    "Seconds that what is at work has to end after SIGTERM or Ctrl-C; what waits is refused at once."

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                raise UsageError(f"{name.replace('_', '-')} is {value}", remedy="give a number above 0")
