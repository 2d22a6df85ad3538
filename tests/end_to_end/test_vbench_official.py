"""VBench with its official judges, end to end on H.264 clips: complete, once each, and the same however it is cut."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import official_world as world
import torch

from nova_eval.checks.bench.faults.holding import facts
from nova_eval.checks.parity.weight_files import write_folder
from nova_eval.weights.catalogue import FOLDER_VARIABLE

SMALL = ("raft_things", "amt_s", "musiq_spaq")
METRICS = ("dynamic_degree", "motion_smoothness", "imaging_quality", "temporal_flickering")
SIZE = (5, 128, 128)


@pytest.fixture(scope="module")
def weights(parity: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_folder(parity / "vbench", folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    world.film(folder, PROMPTS, *SIZE)
    return folder


PROMPTS = tuple(
    world.Prompt(prompt.id, prompt.text, tuple(tag for tag in prompt.tags if tag in METRICS))
    for prompt in world.suite({"subject": 1, "overall": 2, "flickering": 1})
)


@pytest.fixture(scope="module", autouse=True)
def _settled(weights: Path) -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(weights))
        yield


@pytest.fixture(scope="module")
def together(
    clips: Path, mirror: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[world.Outcome, world.Cost, Path]:
    """A run of all clips in one unit, what it cost, and where its results are."""
    results = tmp_path_factory.mktemp("together")
    return *world.scored(clips, PROMPTS, results, mirror, batch=8), results


def test_everything_is_scored_decoded_once_and_loaded_once(
    clips: Path, together: tuple[world.Outcome, world.Cost, Path]
) -> None:
    outcome, cost, _ = together
    found = world.values(outcome)
    assert outcome.summary.coverage.fraction == 1
    assert all(found[name] is not None for name in METRICS)
    assert dict(cost.decoded) == dict.fromkeys((path.name for path in clips.iterdir()), 1)
    assert sorted(cost.loaded.values()) == [1, 1, 1]


@pytest.mark.parametrize(
    "flags",
    [{"batch": 1, "order": "shuffled:7"}, pytest.param({"batch": 2, "workers": 2}, marks=pytest.mark.slow)],
)
def test_rows_do_not_depend_on_units_order_or_processes(
    flags: dict[str, object],
    clips: Path,
    mirror: Path,
    together: tuple[world.Outcome, world.Cost, Path],
    tmp_path: Path,
) -> None:
    rows = []
    apart, _ = world.scored(clips, PROMPTS, tmp_path, mirror, **flags)
    for outcome, results in ((together[0], together[2]), (apart, tmp_path)):
        assert outcome.summary.coverage.fraction == 1
        (manifest,) = results.glob("runs/*/*/manifest.json")
        scores = facts(manifest.parent)["scores"]
        rows.append({(name, key): value for name, lines in scores.items() for key, value in map(_numbers, lines)})
    assert rows[1] == pytest.approx(rows[0], abs=1e-6)


def _numbers(line: str) -> tuple[tuple[object, ...], float]:
    row = json.loads(line)
    return tuple(row["key"]), row["value"]


@pytest.mark.slow
def test_all_sixteen_dimensions_give_a_total_within_six_gibibytes(parity: Path, mirror: Path, tmp_path: Path) -> None:
    write_folder(parity / "vbench", tmp_path / "weights")
    script = Path(world.__file__)
    words = (script, tmp_path / "weights", tmp_path, mirror, *SIZE)
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, cwd=script.parent
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["fraction"] == 1
    assert answer["values"]["total"] is not None
    assert answer["peak_bytes"] <= 6 * 2**30
    assert set(answer["decoded"].values()) == {1}
    assert set(answer["loaded"].values()) == {1}
