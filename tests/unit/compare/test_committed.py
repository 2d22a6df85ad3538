"""The references in the repository are read, small, and say what they are there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval.compare import comparing, gates, reference
from nova_eval.compare.deciding import planned, state, worse
from nova_eval.compare.sides import Side
from nova_eval.compare.stopping import GROUPS

FOLDER = Path(__file__).resolve().parents[3] / "results/reference"
BENCHMARKS = ("vbench", "geneval", "dpg_bench", "t2i_compbench")


def opened(model: str, benchmark: str, name: str = "reference") -> Side:
    return reference.load(FOLDER / model / benchmark / f"{name}.parquet")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("model", ["nova-mini", "nova-mini-early"])
def test_each_is_whole_small_and_of_no_machine(model: str, benchmark: str) -> None:
    path = FOLDER / model / benchmark / "reference.parquet"
    assert path.stat().st_size < 500_000
    side = reference.load(path)
    assert (side.model, side.benchmark.config.name) == (model, benchmark)
    assert all(row.decided for row in side.rows)
    assert not {"results", "mirror"} & side.manifest["options"].keys()


def test_the_early_checkpoint_fails_the_gate_and_what_it_cannot_do_is_named() -> None:
    old, new = opened("nova-mini", "vbench"), opened("nova-mini-early", "vbench")
    [found] = comparing.compare(old, [new], gates.gates_of(old.benchmark.config)).comparisons
    assert gates.exit_code([found]) == 1
    named = {finding.metric for finding in found.regressed}
    assert {"object_class", "multiple_objects", "human_action", "color", "spatial_relationship", "total"} <= named
    assert named.isdisjoint({"scene", "background_consistency", "motion_smoothness", "imaging_quality"})
    limits = gates.gates_of(old.benchmark.config)
    early = state(planned(old, new, GROUPS), old, new, limits, GROUPS)
    assert early.looks < 5
    assert {one.metric for one in worse(early.settled)} <= named


@pytest.mark.parametrize(("benchmark", "name"), [("vbench", "seed-1"), ("vbench", "seed-2"), ("geneval", "seed-1")])
def test_the_same_checkpoint_with_another_seed_passes(benchmark: str, name: str) -> None:
    old, new = opened("nova-mini", benchmark), opened("nova-mini", benchmark, name)
    limits = gates.gates_of(old.benchmark.config)
    [found] = comparing.compare(old, [new], limits).comparisons
    assert gates.exit_code([found]) == 0
    assert not found.regressed
    assert not worse(state(planned(old, new, GROUPS), old, new, limits, GROUPS, every=True).settled)
