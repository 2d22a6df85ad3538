"""The instrument tells better generators from worse ones: oracle, nova-mini, an early nova-mini, and noise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.nova.motion import motion_score
from nova_eval.records import Prompt
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.samplers.nova import NovaSampler

LADDER = ("oracle", "nova:nova-mini", "nova:nova-mini-early", "noise")
PICTURED = ("single_object", "colors")
SEMANTIC = tuple(
    name for name, dimension in load_benchmark("vbench").config.dimensions.items() if dimension.group == "semantic"
)


def values(benchmark: str, results: Path, **flags: object) -> dict[str, dict[str, float | None]]:
    """The metrics of every sampler of the ladder."""
    found = {}
    for sampler in LADDER:
        asked = {"sampler": sampler, "results": results, "workers": 1, **flags}
        summary = run(open_run(*resolve(benchmark, asked))).summary
        found[sampler] = {metric.name: metric.value for metric in summary.metrics}
    return found


@pytest.fixture(scope="module")
def geneval(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float | None]]:
    """12 prompts of each of the two tasks in which an early checkpoint is right one time in five."""
    folder = tmp_path_factory.mktemp("geneval")
    return values("geneval", folder, limit=24, samples_per_prompt="1", metrics=PICTURED)


@pytest.fixture(scope="module")
def vbench(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float | None]]:
    """5 or 6 prompts a semantic dimension."""
    folder = tmp_path_factory.mktemp("vbench")
    return values("vbench", folder, limit=50, samples_per_prompt="1", metrics=SEMANTIC)


@pytest.mark.parametrize(("better", "worse"), pairwise(LADDER))
def test_each_step_is_above_the_next_on_pictures(
    geneval: dict[str, dict[str, float | None]], better: str, worse: str
) -> None:
    mean = {name: {"mean": sum(metrics[task] or 0.0 for task in PICTURED)} for name, metrics in geneval.items()}
    assert above(mean, "mean", better, worse)


@pytest.mark.parametrize(("better", "worse"), pairwise(LADDER))
def test_each_step_is_above_the_next_on_clips(
    vbench: dict[str, dict[str, float | None]], better: str, worse: str
) -> None:
    assert len(SEMANTIC) == 9
    mean = {sampler: {"mean": sum(metrics[name] or 0.0 for name in SEMANTIC)} for sampler, metrics in vbench.items()}
    assert above(mean, "mean", better, worse)


@pytest.mark.parametrize("dimension", ["object_class", "temporal_style", "overall_consistency"])
def test_the_order_holds_where_all_but_noise_know_something(
    vbench: dict[str, dict[str, float | None]], dimension: str
) -> None:
    assert all(above(vbench, dimension, *pair) for pair in pairwise(LADDER))


@pytest.mark.parametrize(("step", "least"), zip(pairwise(LADDER), (7, 7, 5), strict=True))
def test_each_step_shows_on_most_semantic_dimensions(
    vbench: dict[str, dict[str, float | None]], step: tuple[str, str], least: int
) -> None:
    """Where a step does not show, two neighbours share an end of the scale.

    One sample a prompt does not show what an early checkpoint gets right once in fifty (multiple objects, human action,
    spatial relationship), so fewer tell it from noise here.
    """
    shown = [name for name in SEMANTIC if above(vbench, name, *step)]
    assert len(shown) >= least, shown


@pytest.mark.slow
def test_the_whole_order_holds_on_seven_semantic_dimensions(tmp_path: Path) -> None:
    """Strictly, with all five samples of every prompt, as in results/reference/ladder."""
    full = values("vbench", tmp_path, metrics=SEMANTIC)
    ordered = [name for name in SEMANTIC if all(above(full, name, *pair) for pair in pairwise(LADDER))]
    assert len(ordered) >= 7, ordered


def test_no_step_is_the_other_way_round(vbench: dict[str, dict[str, float | None]]) -> None:
    """Where two neighbours differ by as much as a percent."""
    values = {
        sampler: {name: round(metrics[name] or 0.0, 2) for name in SEMANTIC} for sampler, metrics in vbench.items()
    }
    turned = [(name, *pair) for name in SEMANTIC for pair in pairwise(LADDER) if above(values, name, *reversed(pair))]
    assert not turned


def test_training_shows_wherever_an_early_checkpoint_is_not_perfect(vbench: dict[str, dict[str, float | None]]) -> None:
    early = vbench["nova:nova-mini-early"]
    worse = [
        name
        for name in SEMANTIC
        if early[name] != 1.0 and not above(vbench, name, "nova:nova-mini", "nova:nova-mini-early")
    ]
    assert not worse


@pytest.mark.parametrize(
    ("dimension", "least"),
    [("object_class", 0.7), ("color", 0.8), ("scene", 0.8), ("multiple_objects", 0.4), ("spatial_relationship", 0.7)],
)
def test_nova_mini_keeps_what_it_has_learnt(
    vbench: dict[str, dict[str, float | None]], dimension: str, least: float
) -> None:
    value = vbench["nova:nova-mini"][dimension]
    assert value is not None
    assert value >= least


def test_a_higher_motion_score_moves_clips_more() -> None:
    things = ("a red circle rising", "a blue square falling", "A person is bouncing", "A person is swaying")
    prompts = [Prompt(f"test/{i}", text) for i, text in enumerate(things)]
    settings = load_benchmark("vbench").config.profiles["mini"].sampler
    options = {name: value for name, value in settings.items() if name not in ("name", "checkpoint", "fps")}
    little, much = (
        sum(map(motion_score, NovaSampler("nova-mini", **{**options, "motion_flow": flow}).sample(prompts, range(4))))
        for flow in (0.5, 10.0)
    )
    assert much > 1.1 * little


def above(found: Mapping[str, Mapping[str, float | None]], metric: str, better: str, worse: str) -> bool:
    """Whether ``better`` beats ``worse``; both must have a value."""
    high, low = found[better][metric], found[worse][metric]
    assert high is not None
    assert low is not None
    return high > low


def test_the_same_run_gives_the_same_rows_with_one_worker_and_with_two(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        flags = {"limit": 6, "samples_per_prompt": "1", "results": tmp_path / str(workers), "workers": workers}
        opened = open_run(*resolve("geneval", flags))
        outcome = run(opened)
        found.append(({key: sample.digest for key, sample in outcome.samples.items()}, outcome.summary.metrics))
    assert len(found[0][0]) == 6
    assert found[0] == found[1]
