"""Who works where on this machine, and whether a generator and judges may be on one accelerator at a time."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from nova_eval import environment
from nova_eval.engines.units import Role
from nova_eval.runs import peaks
from nova_eval.runs.run import Run
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import settings_of

_ROOM = 0.9  # of an accelerator's memory: peaks are of other samples than those to come


class Crew(NamedTuple):
    """A device and a role for each worker process."""

    devices: list[str]
    roles: list[Role]

    @property
    def split(self) -> bool:
        """Whether some score what others have just made."""
        return "score" in self.roles


def devices(opened: Run) -> list[str]:
    """One entry a worker process: every accelerator, or as many CPU workers as there are cores for light work."""
    asked, workers = opened.options.device, opened.options.workers or sum(opened.options.split.values())
    if asked != "auto":
        names = [asked]
    elif opened.light:
        names = ["cpu"] * environment.cpu_count()
    else:
        names = environment.device_names() or ["cpu"]
    return [names[index % len(names)] for index in range(workers)] if workers else names


def crew(opened: Run) -> Crew:
    """The processes of a run, split as is asked unless that would put what is not known to fit on one accelerator.

    That is said, and each of them does both in turn then.
    """
    names = devices(opened)
    roles: list[Role] = [role for role, number in opened.options.split.items() for _ in range(number)]
    if not roles:
        return Crew(names, ["any"] * len(names))
    for name in dict.fromkeys(names):
        there = Counter(role for device, role in zip(names, roles, strict=True) if device == name)
        if name != "cpu" and len(there) > 1 and (why := _crowded(opened, name, there)):
            opened.say(f"{why}: samples are made first, and scored then")
            kept = list(dict.fromkeys(names))
            return Crew(kept, ["any"] * len(kept))
    return Crew(names, roles)


def _crowded(opened: Run, device: str, there: Counter[Role]) -> str:
    """Why these may not be on one accelerator, "" where they fit. Who samples scores, too, in the end."""
    sampler = opened.spec.sampler
    usual = settings_of(SAMPLERS.get(sampler.name)).get("batch_size")
    if sampler.settings.get("batch_size", usual and usual.default) == "auto":  # what memory is free decides: other bits
        return f"batch_size auto of the generator would depend on what judges on {device} leave it"
    sampling, scoring = peaks.recall(opened)
    if not sampling or not scoring:
        return f"how much of {device} generator and judges take was not measured yet"
    most = max(there["sample"] * sampling + there["score"] * scoring, there.total() * scoring)
    room = round(_ROOM * environment.device_memory(device))
    if most <= room:
        return ""
    return f"generator and judges took {most / 2**30:.1f} GiB where {device} has room for {room / 2**30:.1f}"
