"""What a Ray actor does: it keeps one worker process on its node, hands it units, and passes on what it says.

The process is the one that works on a single machine too, so whatever a sampler or a judge does to it (it ends, hangs,
closes files, prints) is seen and told as there; code that is not ours never runs inside of Ray's own process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

from nova_eval import environment
from nova_eval.engines.desk import Media
from nova_eval.engines.process import Process
from nova_eval.engines.scratch import Scratch
from nova_eval.engines.serving import Units
from nova_eval.engines.units import Ended, Fault, Job, Unit, UnitReport
from nova_eval.errors import NovaEvalError

_LOOK_EVERY_SECONDS = 1.0


class Post:
    """An actor. ``here`` is the folder that the driver is in: relative names mean what they mean there."""

    def __init__(self, job: Job, name: str, device: str, here: str) -> None:
        with suppress(OSError):
            os.chdir(here)
        self._scratch = Scratch()
        self._job, self._name = replace(job, folder=self._scratch.folder, device=device, away=True), name
        self._process: Process | None = None

    def facts(self) -> dict[str, str]:
        """What must be alike on all nodes."""
        return environment.fingerprint()

    def do(self, unit: Unit, contents: Mapping[str, bytes]) -> Iterator[list[Any]]:
        """What the worker process says of a unit, as it says it; the last is how it went."""
        if self._process is None:
            self._process = Process(Units(self._job, self._name), self._name, self._job.device)
        with self._scratch.holding(contents):
            self._process.give(unit)
            over = False
            while not over:
                wait([self._process.pipe], _LOOK_EVERY_SECONDS)
                said, over = self._heard(self._process)
                if said:
                    yield said

    def _heard(self, process: Process) -> tuple[list[Any], bool]:
        """All that was said by now, up to one finished sample; whether it was the last."""
        said: list[Any] = []
        while (answer := process.hear()) is not None:
            said.append(answer)
            if isinstance(answer, UnitReport | Fault | NovaEvalError | Ended):
                return said, True
            if isinstance(answer, Media):
                break
        return said, False
