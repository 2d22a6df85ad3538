"""A Ray cluster of this machine, in a process of its own: commands are forked from one that has no Ray."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nova_eval.engines.serving import die_with
from nova_eval.errors import PrerequisiteError

_PATIENCE_SECONDS = 120.0
NODES = 2
_MARK = "NOVA_EVAL_FAULTS_CLUSTER"  # in the environment of its processes: others on this machine are left alone
_SOON = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""When it is noticed that a node is gone: by Ray's own settings, half a minute later."""


class Cluster:
    """What a fault may do to it. ``address`` is where it is found."""

    def __init__(self, pipe: Connection, mark: str) -> None:
        self._pipe, self._mark = pipe, mark
        self.address = self._answer()

    def lose_node(self) -> None:
        """Kills the oldest node with all that is on it, and sends another into the field."""
        self._pipe.send("lose")
        self._answer()

    def add_node(self) -> None:
        self._pipe.send("add")
        self._answer()

    def keep(self) -> None:
        """Leaves as many nodes as there were in the beginning."""
        self._pipe.send("keep")
        self._answer()

    def actors(self) -> list[int]:
        """The processes of the product's actors in it."""
        mine = f"\0{_MARK}={self._mark}\0"
        return [pid for pid in _pids() if _called(pid).startswith("ray::Post") and mine in _text(pid, "environ")]

    def workers(self) -> list[int]:
        """Their worker processes."""
        posts = set(self.actors())
        return [pid for pid in _pids() if _parent(pid) in posts]

    def left(self, seconds: float) -> int:
        """How many actors are still there after so long."""
        deadline = time.monotonic() + seconds
        while (found := len(self.actors())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _answer(self) -> str:
        if not self._pipe.poll(_PATIENCE_SECONDS):
            raise PrerequisiteError("the Ray cluster of bench faults does not answer")
        return str(self._pipe.recv())


@contextmanager
def cluster() -> Iterator[Cluster]:
    """One that lives for the block."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_keep, args=(there, os.getpid()))
    process.start()
    there.close()
    try:
        yield Cluster(here, str(os.getpid()))
    finally:
        with suppress(OSError):
            here.send("end")
        process.join(_PATIENCE_SECONDS)
        process.kill()


def _keep(pipe: Connection, parent: int) -> None:
    """The process of the cluster."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    os.setsid()
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", _MARK: str(parent)})
    from ray.cluster_utils import Cluster as Nodes

    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": _SOON}
    made = Nodes(initialize_head=True, head_node_args=head)
    nodes: list[Any] = [made.add_node(num_cpus=1) for _ in range(NODES)]
    pipe.send(made.address)
    try:
        while (asked := pipe.recv()) != "end":
            if asked == "lose":
                made.remove_node(nodes.pop(0), allow_graceful=False)
            while asked == "keep" and len(nodes) > NODES:
                made.remove_node(nodes.pop(0), allow_graceful=False)
            while len(nodes) < NODES or asked == "add":
                nodes.append(made.add_node(num_cpus=1))
                asked = ""
            pipe.send("done")
    except (EOFError, OSError):
        pass
    made.shutdown()


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _called(pid: int) -> str:
    return _text(pid, "cmdline").replace("\0", " ")


def _parent(pid: int) -> int:
    facts = _text(pid, "stat").rpartition(")")[2].split()
    return int(facts[1]) if len(facts) > 1 and facts[0] != "Z" else 0


def _text(pid: int, name: str) -> str:
    try:
        return (Path("/proc") / str(pid) / name).read_text(errors="replace")
    except OSError:
        return ""
