"""What is run of a training's checkpoints: what the reference was asked for, unless something else is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_eval import environment
from nova_eval.compare.sides import Side
from nova_eval.compare.trend.trend import series_folder
from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.errors import UsageError
from nova_eval.nova.parts import check_base
from nova_eval.nova.series import Saved
from nova_eval.options import RunOptions
from nova_eval.protocols import Checkable
from nova_eval.runs import opening, options
from nova_eval.runs.run import Run, Say
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import settings_of

_USUAL = "nova"


class Checkpoints:
    """``asked`` is as ``options.resolve`` takes it: flags, overrides, file; a sampler is named without its checkpoint.

    NovaEvalError where no checkpoint at all could be run so: nothing is written.
    """

    def __init__(
        self,
        reference: Side,
        asked: tuple[Mapping[str, Any], Sequence[str], Path | None],
        base: str = "",
        say: Say = lambda text: None,
    ) -> None:
        self._flags, self._sets, self._file = asked
        self._name, argument = options.split_name(str(self._flags.get("sampler") or _USUAL))
        if argument:
            raise UsageError(f"--sampler {self._name}:{argument} names a checkpoint", remedy=f"say {self._name} alone")
        known = settings_of(SAMPLERS.get(self._name))
        self._first = next(iter(known), "")
        if not self._first or "text" not in known[self._first].form:
            raise UsageError(f"sampler {self._name!r} takes no checkpoint", remedy="choose another --sampler")
        if base and "base" not in known:
            raise UsageError(f"sampler {self._name!r} knows no base", remedy="leave --base out")
        self._benchmark = reference.benchmark.config.name
        self._usual = options.as_before(reference.manifest, self._name)
        self._base, self._say = base, say
        spec, chosen, _ = self._resolved("CHECKPOINT")
        for name in ("name", "label", "shard"):
            if getattr(chosen, name):
                raise UsageError(f"a watch takes no {name}", remedy="leave it out: runs are named by folder and step")
        environment.known_device(chosen.device)
        opening.suites(spec, chosen)
        if base:
            check_base(base, offline=chosen.offline)
        self.results, self._spec, self._options = chosen.results, spec, chosen

    def open(self, one: Saved) -> Run:
        """The run of a checkpoint whose weights load; nothing is written. NovaEvalError where they do not."""
        base = {"sampler.base": self._base} if self._base and one.kind != "whole" else {}
        spec, chosen, config = self._resolved(str(one.folder), **base)
        opened = opening.open_run(spec, chosen, config, self._say)
        placed = opening.placed(spec, chosen).sampler
        sampler = SAMPLERS.make(placed.name, placed.settings)
        if isinstance(sampler, Checkable):
            sampler.check()
        return opened

    def folder(self, training: Path) -> Path:
        """Where the trend of a training lies; another part of the benchmark, or other settings, make another."""
        place = training.expanduser().absolute()
        return series_folder(self._options, self._benchmark, place.name, [place, self._spec])

    def _resolved(self, checkpoint: str, **further: str) -> tuple[RunSpec, RunOptions, BenchmarkConfig]:
        flags = {**self._flags, "sampler": self._name, f"sampler.{self._first}": checkpoint, **further}
        return options.resolve(self._benchmark, flags, self._sets, self._file, self._usual)
