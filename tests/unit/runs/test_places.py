"""Who works where: a generator and judges share an accelerator only where it was measured that they fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_eval import environment
from nova_eval.config import SamplerSpec
from nova_eval.engines import worker
from nova_eval.engines.units import UnitReport
from nova_eval.runs import pipeline, places
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.places import crew, devices
from nova_eval.runs.run import Run
from nova_eval.runs.stage import stage

GIB = 2**30
Opened = Callable[..., Run]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A run that needs an accelerator, on a machine that has ``cards`` of 80 GiB, and what it says."""
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "device_memory", lambda name: 80 * GIB)

    def make(split: str = "sample=1,score=1", cards: int = 1, **settings: Any) -> Run:
        monkeypatch.setattr(environment, "devices", lambda: ["a card"] * cards)
        asked = {"sampler": "oracle", "limit": 2, "devices": split, "results": tmp_path / "results"}
        said: list[str] = []
        made = open_run(*resolve("geneval", asked), said.append)
        spec = made.spec.model_copy(update={"sampler": SamplerSpec(name="oracle", settings=settings)})
        return replace(made, light=False, spec=spec)

    return make


def measured(run: Run, sampling: int, scoring: int) -> None:
    """As a run does that makes samples first, and scores them then."""
    with stage(run, "sampling", 3, "samples") as shown:
        for peak in (sampling, sampling // 2):
            shown.report(UnitReport(1, sampled=True, peak=peak * GIB))
    with stage(run, "scoring", 1, "samples") as shown:
        shown.report(UnitReport(1, peak=scoring * GIB))


def said(run: Run) -> list[str]:
    found: list[str] = run.say.__self__  # type: ignore[attr-defined]
    return found


def test_what_was_not_measured_is_done_in_turn_and_beside_each_other_once_it_fits(opened: Opened) -> None:
    run = opened()
    assert crew(run) == (["cuda:0"], ["any"])
    assert said(run) == [
        "how much of cuda:0 generator and judges take was not measured yet: samples are made first, and scored then"
    ]
    measured(run, 40, 30)
    assert crew(run) == (["cuda:0", "cuda:0"], ["sample", "score"])
    assert crew(run).split
    assert len(said(run)) == 1
    assert "sampling took at most 40.00 GiB" in (run.store.folder / "logs" / "run.log").read_text()


@pytest.mark.parametrize(
    ("sampling", "scoring", "split", "fits"),
    [
        (40, 32, "sample=1,score=1", True),
        (40, 33, "sample=1,score=1", False),  # a tenth is left
        (10, 37, "sample=1,score=1", False),  # in the end both score
        (20, 17, "sample=2,score=1", True),
        (20, 19, "sample=2,score=2", False),
    ],
)
def test_all_that_may_be_on_a_device_at_once_counts(
    opened: Opened, sampling: int, scoring: int, split: str, fits: bool
) -> None:
    run = opened(split)
    measured(run, sampling, scoring)
    assert crew(run).split == fits
    assert all("GiB where cuda:0 has room for 72.0" in text for text in said(run))


def test_what_another_run_measured_says_nothing_of_other_samplers_or_judges_or_machines(opened: Opened) -> None:
    measured(opened(), 10, 10)
    assert crew(opened()).split
    assert not crew(opened(quality=0.5)).split
    assert not crew(opened("sample=2,score=1", cards=2)).split
    other = opened()
    judging = replace(other.judging, plans=(replace(other.judging.plans[0], folder="color@1-other"),))
    assert not crew(replace(other, judging=judging)).split


def test_devices_that_are_not_shared_are_split_as_asked(opened: Opened) -> None:
    run = opened("sample=3,score=1", cards=4)
    assert crew(run) == ([f"cuda:{n}" for n in range(4)], ["sample"] * 3 + ["score"])
    assert said(run) == []
    assert crew(opened("")) == (["cuda:0"], ["any"])


def test_a_batch_that_free_memory_decides_is_never_left_to_what_judges_leave(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"batch_size": SimpleNamespace(default="auto")}
    monkeypatch.setattr(places, "settings_of", lambda sampler: known)
    run, fixed = opened(), opened(batch_size=8)
    for one in (run, fixed):
        measured(one, 1, 1)
    assert not crew(run).split
    assert said(run)[0].startswith("batch_size auto of the generator would depend on what judges on cuda:0 leave it")
    assert crew(fixed).split


def test_who_may_not_share_samples_first_and_scores_then(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened()
    stages: list[str] = []
    outcome = SimpleNamespace(summary=SimpleNamespace(coverage=SimpleNamespace(wanted=0, unscored=0)))
    monkeypatch.setattr(pipeline, "reduce", lambda run: outcome)
    for name in ("sample", "score", "sample_and_score"):
        monkeypatch.setattr(pipeline, name, lambda *given, name=name: stages.append(name))
    pipeline.run(run)
    measured(run, 1, 1)
    pipeline.run(run)
    assert stages == ["sample", "score", "sample_and_score"]


def test_ray_gives_an_accelerator_to_one_worker(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened()
    stages: list[str] = []
    outcome = SimpleNamespace(summary=SimpleNamespace(coverage=SimpleNamespace(wanted=0, unscored=0)))
    monkeypatch.setattr(pipeline, "reduce", lambda run: outcome)
    monkeypatch.setattr(pipeline, "engine_for", lambda *given: nullcontext())
    monkeypatch.setattr(pipeline, "sample_and_score", lambda *given: stages.append("at once"))
    pipeline.run(replace(run, options=replace(run.options, engine="ray")))
    assert stages == ["at once"]
    assert said(run) == []


def test_peaks_are_those_of_a_unit_and_what_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    cuda = SimpleNamespace(max_memory_reserved=lambda device: 5 * GIB, reset_peak_memory_stats=asked.append)
    monkeypatch.setitem(worker.sys.modules, "torch", SimpleNamespace(cuda=cuda))  # type: ignore[attr-defined]
    assert worker._taken("cpu") == 0
    assert worker._taken("cuda:0") == 6 * GIB
    assert asked == ["cuda:0"]


def test_workers_are_a_core_each_for_light_work_and_else_an_accelerator(opened: Opened) -> None:
    assert devices(opened("", cards=3)) == ["cuda:0", "cuda:1", "cuda:2"]
    assert devices(opened("", cards=0)) == ["cpu"]
    assert set(devices(replace(opened("", cards=3), light=True))) == {"cpu"}
