"""Workers on every machine of a Ray cluster, one an accelerator (or core): nodes may join and leave.

This process alone writes. Units go to actors with the files that they need, and what is made comes back. No actor is
restarted and no unit retried by Ray: both are for the pool to count.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from nova_eval import environment, packages
from nova_eval.engines.desk import Disk, Media, SampleRows, ScoreRows
from nova_eval.engines.pool import Pool
from nova_eval.engines.ray_link import connect, leave, reachable
from nova_eval.engines.ray_post import Post
from nova_eval.engines.units import ANY, Ended, Fault, Job, Role, SampleUnit, Unit
from nova_eval.errors import MediaError, PrerequisiteError, brief

_LONELY_SECONDS = 600.0  # that no worker comes up anywhere before going on is pointless
_AHEAD = 8  # things said that wait for this process at most, a worker; then it waits
_LOOK_EVERY_SECONDS = 1.0  # at which nodes there are
_SILENT_SECONDS = 30.0  # that the head of a cluster may not be there: after a minute Ray would end this process, code 1
_SHORT = ("out of memory", "outofmemory", "low on memory", "(oom)", "oom killer")  # in Ray's words


@dataclass(frozen=True, slots=True)
class Places:
    """Who works where. ``workers`` is the most there may be, 0 for as many as there is room for.

    ``device`` is "auto", "cpu" or "cuda". ``light`` work takes a core, other work an accelerator, or a node without.
    ``roles`` say how many workers do what; without any all do both.
    """

    workers: int = 0
    device: str = "auto"
    light: bool = True
    roles: Mapping[Role, int] = field(default_factory=dict)

    def on(self, resources: Mapping[str, float]) -> tuple[int, str]:
        """How many workers a node of such resources takes, and the device of each."""
        accelerators = int(resources.get("GPU", 0))
        if self.device == "cuda" or (self.device == "auto" and not self.light and accelerators):
            return accelerators, "cuda:0"
        cores = int(resources.get("CPU", 0))
        return cores if self.light or self.workers or self.roles else min(1, cores), "cpu"


@dataclass(slots=True, eq=False)
class _Actor:
    """A worker on a node. ``stream`` is what it says of its unit, ``facts`` what it says of its node."""

    name: str
    role: Role
    about: str
    node: str
    handle: Any
    facts: Any
    ship: Callable[[Unit], tuple[Unit, dict[str, bytes]]]
    up: bool = False
    stream: Any = None

    def give(self, unit: Unit) -> None:
        how = {"num_returns": "streaming", "_generator_backpressure_num_objects": _AHEAD}
        self.stream = self.handle.do.options(**how).remote(*self.ship(unit))

    @property
    def awaited(self) -> Any:
        return self.stream if self.up else self.facts


class Actors:
    """A crew of actors. ``say`` hears of nodes that cannot be used; ``ends``: the connection ends with the crew."""

    def __init__(self, job: Job, disk: Disk, places: Places, say: Callable[[str], None], *, ends: bool) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._disk, self._places, self._say, self._ends = ray, disk, places, say, ends
        self._only_on = NodeAffinitySchedulingStrategy
        self._job = ray.put(job)
        self._own = environment.fingerprint()
        self._actor = ray.remote(max_restarts=0, max_task_retries=0)(Post)
        self._hands: list[_Actor] = []
        self._refused: dict[str, str] = {}
        self._nodes: list[dict[str, Any]] = []
        self._looked = -float("inf")
        self._head: str = ray.get_runtime_context().gcs_address
        self._reached = time.monotonic()  # when the head was last there
        self._company = time.monotonic()  # when a worker was last up
        self._started = 0

    @property
    def room(self) -> int:
        """How many workers there may be on the nodes that are there."""
        found = sum(self._places.on(node["Resources"])[0] for node in self._alive())
        most = self._places.workers or sum(self._places.roles.values())
        return min(found, most) if most else found

    def start(self, role: Role) -> _Actor | None:
        if self._places.workers and len(self._hands) >= self._places.workers:
            return None
        if self._places.roles and sum(hand.role == role for hand in self._hands) >= self._places.roles.get(role, 0):
            return None
        taken = Counter(hand.node for hand in self._hands)
        free = [
            (room - taken[node["NodeID"]], node, device)
            for node in self._alive()
            for room, device in [self._places.on(node["Resources"])]
            if room > taken[node["NodeID"]]
        ]
        if not free:
            return None
        _, node, device = max(free, key=lambda place: place[0])
        self._started += 1
        name, where = f"worker-{self._started}", node["NodeManagerAddress"]
        only_there = self._only_on(node["NodeID"], soft=False)
        needs = {"num_cpus": 0, "num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}
        handle = self._actor.options(scheduling_strategy=only_there, **needs).remote(
            self._job, name, device, os.getcwd()
        )
        about = f"started on {device} of node {where}, {node['NodeID'][:8]}"
        made = _Actor(name, role, about, node["NodeID"], handle, handle.facts.remote(), self._shipped)
        self._hands.append(made)
        return made

    def hear(self, hands: Sequence[_Actor], seconds: float) -> list[tuple[_Actor, Any]]:
        self._look()
        self._check_company()
        by_awaited = {hand.awaited: hand for hand in hands if hand.awaited is not None}
        if not by_awaited:
            time.sleep(seconds)
            return []
        awaited = list(by_awaited)
        ready, _ = self._ray.wait(awaited, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0)
        found = [(by_awaited[one], answer) for one in ready for answer in self._heard(by_awaited[one])]
        return [(hand, answer) for hand, answer in found if not self._unpacked(answer)]

    def let_go(self, hand: _Actor) -> None:
        hand.stream = None
        if hand in self._hands:
            self._hands.remove(hand)
        with suppress(Exception):  # it is gone
            self._ray.kill(hand.handle, no_restart=True)

    def close(self, hands: Sequence[_Actor], *, orderly: bool) -> None:
        for hand in list(self._hands):
            self.let_go(hand)
        if self._ends:
            leave()

    def _heard(self, hand: _Actor) -> Sequence[Any]:
        try:
            if not hand.up:
                return self._risen(hand, self._ray.get(hand.facts))
            said: Sequence[Any] = self._ray.get(next(hand.stream))
        except StopIteration:
            return [Ended("the worker broke off")]
        except self._ray.exceptions.RayError as error:
            return [_gone(error, dead=isinstance(error, self._ray.exceptions.RayActorError))]
        return said

    def _risen(self, hand: _Actor, facts: Mapping[str, str]) -> Sequence[Any]:
        differ = [
            f"{name} is {facts.get(name, 'absent')}, here {self._own.get(name, 'absent')}"
            for name in {**self._own, **facts}
            if facts.get(name) != self._own.get(name)
        ]
        if not differ:
            hand.up, self._company = True, time.monotonic()
            return []
        (where,) = (node["NodeManagerAddress"] for node in self._nodes if node["NodeID"] == hand.node)
        reason = f"node {where} is not as this machine: {'; '.join(differ)}"
        if hand.node not in self._refused:
            self._refused[hand.node] = reason
            self._say(f"{reason}; it does no work")
        return [Ended(reason, blameless=True)]

    def _alive(self) -> list[dict[str, Any]]:
        """The nodes that may be used."""
        self._look()
        return [node for node in self._nodes if node["Alive"] and node["NodeID"] not in self._refused]

    def _look(self) -> None:
        """Sees which nodes there are, now and then. PrerequisiteError where nobody is there to say it for long."""
        now = time.monotonic()
        if now - self._looked <= _LOOK_EVERY_SECONDS:
            return
        self._looked = now
        if reachable(self._head):  # who asks a head that is gone waits for it
            self._nodes, self._reached = self._ray.nodes(), now
        elif now - self._reached > _SILENT_SECONDS:
            raise PrerequisiteError(
                f"the head of the Ray cluster, {self._head}, is gone",
                remedy="start the cluster again; the same command goes on",
            )

    def _check_company(self) -> None:
        """PrerequisiteError where no worker is up, and none will be."""
        if any(hand.up for hand in self._hands):
            self._company = time.monotonic()
        elif self._refused and not self._alive():
            raise PrerequisiteError(next(iter(self._refused.values())), remedy="install the same on every node")
        elif time.monotonic() - self._company > _LONELY_SECONDS:
            raise PrerequisiteError(
                f"no worker could start for {_LONELY_SECONDS:g} s: no node of the Ray cluster has "
                f"{'a free accelerator' if self._places.device == 'cuda' else 'room'}",
                remedy="see `ray status`; call again to go on",
            )

    def _shipped(self, unit: Unit) -> tuple[Unit, dict[str, bytes]]:
        """A unit and the files that it is to look at; one that cannot be read is missing there too."""
        if isinstance(unit, SampleUnit):
            return unit, {}
        contents: dict[str, bytes] = {}
        work = []
        for sample, names in unit.work:
            path = sample.path
            if path.startswith("/"):
                path = f"elsewhere/{sha256(path.encode()).hexdigest()[:16]}/{PurePosixPath(path).name}"
            if path not in contents:
                with suppress(MediaError, OSError):
                    contents[path] = self._disk.store.media(sample).read_bytes()
            work.append((replace(sample, path=path), names))
        return replace(unit, work=tuple(work)), contents

    def _unpacked(self, answer: Any) -> bool:
        """Puts on disk what is to lie there; whether it was that."""
        if not isinstance(answer, Media | SampleRows | ScoreRows):
            return False
        answer.unpack(self._disk)
        return True


def on_ray(
    job: Job,
    places: Places,
    *,
    address: str = "",
    unit_timeout: float = 0.0,
    say: Callable[[str], None] = lambda text: None,
) -> Pool:
    """The engine on the cluster at ``address``; without one, on a cluster of this machine that ends with it.

    PrerequisiteError where Ray is not installed, or nobody answers.
    """
    packages.require("--engine ray", "ray")
    connected = connect(address)
    try:
        disk = Disk(job.folder.absolute())
        job = replace(job, folder=disk.store.folder)
        crew = Actors(job, disk, places, say, ends=connected)
        roles = tuple(places.roles) or ANY
        return Pool(job, crew, crew.room, disk=disk, roles=roles, unit_timeout=unit_timeout)
    except BaseException:
        if connected:
            leave()
        raise


def _gone(error: Exception, *, dead: bool) -> Ended | Fault:
    """Why an actor is gone. It runs no code but ours: where its memory was not what was short, no unit has a part."""
    said = f"{type(error).__name__}: {error}".lower()
    if any(words in said for words in _SHORT):
        return Ended("the worker was ended: its node ran out of memory", memory=True)
    if dead:
        return Ended("the worker's node or actor is gone", blameless=True)
    return Fault(f"the worker failed: {brief(error)}", spent=True)
