"""Weights & Biases. Its own steps only increase, so that evaluations that come late have an axis of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from nova_eval.identity import digest
from nova_eval.packages import needed_by
from nova_eval.trackers import Shown


class WandB:
    """``place`` is a project, or ``entity/project``. A run that is open in this process is used, and left open."""

    def __init__(self, place: str, series: str) -> None:
        with needed_by("tracker 'wandb'"):
            self._wandb: Any = import_module("wandb")
        entity, _, project = place.rpartition("/")
        self._own = self._wandb.run is None
        self._run: Any = self._wandb.run or self._wandb.init(
            project=project,
            entity=entity or None,
            id=digest(series)[:16],
            name=series,
            job_type="evaluation",
            resume="allow",
        )
        self._axes: set[str] = set()

    def log(self, axis: str, step: int, values: Mapping[str, float]) -> None:
        self._log(axis, step, {f"{axis}/{name}": value for name, value in values.items()})

    def media(self, axis: str, step: int, samples: Sequence[Shown]) -> None:
        """A table, and each sample by itself: pictures and clips of tables are small."""
        names = list(dict.fromkeys(name for sample in samples for name in sample.scores))
        table = self._wandb.Table(columns=["prompt", "index", "sample", *names], allow_mixed_types=True)
        shown = {}
        for place, sample in enumerate(samples):
            scores = [sample.scores.get(name) for name in names]
            table.add_data(sample.prompt, sample.index, self._media(sample), *scores)
            shown[f"{axis}/sample {place}"] = self._media(sample)
        self._log(axis, step, {f"{axis}/samples": table, **shown})

    def summary(self, axis: str, values: Mapping[str, str | float]) -> None:
        self._run.summary.update({f"{axis}/{name}": value for name, value in values.items()})

    def close(self) -> None:
        if self._own:
            self._run.finish()

    def _media(self, sample: Shown) -> Any:
        caption = f"{sample.prompt} [{sample.index}]"
        if sample.path.suffix == ".mp4":
            return self._wandb.Video(str(sample.path), caption=caption, format="mp4")
        return self._wandb.Image(str(sample.path), caption=caption)

    def _log(self, axis: str, step: int, values: Mapping[str, Any]) -> None:
        if axis not in self._axes:
            self._axes.add(axis)
            self._run.define_metric(f"{axis}/step")
            self._run.define_metric(f"{axis}/*", step_metric=f"{axis}/step")
        self._run.log({f"{axis}/step": step, **values})
