"""MLflow: metrics with steps of their own, samples as artefacts, the summary as tags."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from nova_eval.identity import digest
from nova_eval.packages import needed_by
from nova_eval.trackers import Shown

_EXPERIMENT, _SERIES = "nova_eval", "nova_eval.series"


class MLflow:
    """``place`` is a tracking URI, such as ``http://host:5000`` or ``sqlite:///mlflow.db``. No global state is touched.

    A series has one run of the experiment ``nova_eval``, found again by a tag.
    """

    def __init__(self, place: str, series: str) -> None:
        with needed_by("tracker 'mlflow'"):
            package: Any = import_module("mlflow")
        self._entities: Any = package.entities
        self._client: Any = package.MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(_EXPERIMENT)
        tag = digest(series)[:16]
        before = self._client.search_runs([experiment], filter_string=f"tags.`{_SERIES}` = '{tag}'", max_results=1)
        run = before[0] if before else self._client.create_run(experiment, run_name=series, tags={_SERIES: tag})
        self._run: str = run.info.run_id

    def log(self, axis: str, step: int, values: Mapping[str, float]) -> None:
        now = round(1000 * time.time())
        metric = self._entities.Metric
        rows = [metric(f"{axis}/{name}", value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=rows)

    def media(self, axis: str, step: int, samples: Sequence[Shown]) -> None:
        """The files in a folder of the step, and a table of them beside."""
        rows = []
        for place, sample in enumerate(samples):
            folder = f"{axis}/step-{step}/{place}"
            self._client.log_artifact(self._run, str(sample.path), folder)
            file = f"{folder}/{sample.path.name}"
            rows.append({"file": file, "prompt": sample.prompt, "index": sample.index, **sample.scores})
        self._client.log_text(self._run, json.dumps(rows, indent=1), f"{axis}/step-{step}/samples.json")

    def summary(self, axis: str, values: Mapping[str, str | float]) -> None:
        for name, value in values.items():
            self._client.set_tag(self._run, f"{axis}/{name}", str(value))

    def close(self) -> None:
        self._client.set_terminated(self._run)
