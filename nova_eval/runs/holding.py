"""Who works on a run: one process a shard, and nobody beside one that works on the whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import gcd

from nova_eval import locks
from nova_eval.store import RunStore


@contextmanager
def held(store: RunStore, run: str, part: int = 0, parts: int = 1) -> Iterator[None]:
    """Held while a process works on one of ``parts`` shards of a run, or on all of it.

    PrerequisiteError where another works on the same, on the whole, or on a shard of another division that has prompts
    in common with this one.
    """

    def name(part: int, parts: int) -> str:
        return f"shard {part}/{parts} of {run}" if parts > 1 else run

    with ExitStack() as stack:
        with locks.waiting(store.lock("driving")):
            for path, other, others in store.shard_locks():
                if (other, others) != (part, parts) and (other - part) % gcd(others, parts) == 0:
                    locks.check_free(path, name(other, others))
            stack.enter_context(locks.claimed(store.shard_lock(part, parts), name(part, parts)))
        yield


def at_work(store: RunStore) -> bool:
    """Whether a process says that it works on the run; it is believed as long as it can be alive."""
    return any(locks.is_claimed(path) for path, _, _ in store.shard_locks())
