"""Weights, judges and code that are exchanged under a run: a worker refuses them, and a new run is another one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import LOOKER, MAKER

from nova_eval.engines.units import SampleUnit
from nova_eval.engines.worker import Worker
from nova_eval.errors import PrerequisiteError
from nova_eval.judges import JUDGES, filed_under
from nova_eval.protocols import SamplerInfo
from nova_eval.registry import Registry
from nova_eval.samplers import SAMPLERS

INFO = SamplerInfo("maker", "video", fps=8.0)


def test_the_sampler_that_the_run_began_with_works(world) -> None:
    here = world("fine")
    worker = Worker(replace(here.job, info=INFO, code=SAMPLERS.code(MAKER)))
    assert worker.do(SampleUnit(here.keys)).failed == 0
    worker.close()


@pytest.mark.parametrize(
    "known",
    [
        {"info": replace(INFO, checkpoint="of the old weights")},
        {"info": replace(INFO, settings={"steps": 3})},
        {"info": replace(INFO, fps=9.0)},
        {"code": "0" * 64},
    ],
)
def test_another_sampler_is_refused_and_makes_nothing(world, known) -> None:
    here = world("fine")
    worker = Worker(replace(here.job, **known))
    with pytest.raises(PrerequisiteError, match="changed while the run was at work; run again"):
        worker.do(SampleUnit(here.keys))
    worker.close()
    assert here.sampled() == {}


def test_another_judge_is_refused_and_says_nothing(world) -> None:
    here = world("fine")
    plans = [replace(plan, folder="aesthetic_quality@1-00000000") if plan.judge else plan for plan in here.job.scorers]
    worker = Worker(replace(here.job, scorers=tuple(plans)))
    worker.do(SampleUnit(here.keys))
    with pytest.raises(PrerequisiteError, match=r"judge .* changed while the run was at work"):
        worker.do(here.score_unit())
    worker.close()
    assert not (here.job.folder / "scores").exists()


def test_code_counts_where_it_is_not_the_product_s_own(tmp_path: Path) -> None:
    assert SAMPLERS.code("oracle") == JUDGES.code("dino_vitb16") == ""
    assert SAMPLERS.code("not known") == SAMPLERS.code(f"{tmp_path}/none.py:Mine") == ""
    assert len(SAMPLERS.code(MAKER)) == 64
    assert filed_under("sprites", "0123456789") == "01234567"
    assert filed_under(LOOKER, "0123456789") != "01234567"


def test_what_is_loaded_is_the_file_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits of one length within a second, which a cache of compiled files cannot tell apart."""
    file = tmp_path / "mine.py"
    seen = {}
    for value in (1, 2, 3):
        file.write_text(f"class Mine:\n    value = {value}\n")
        os.utime(file, (1e9, 1e9))
        registry: Registry[type] = Registry("sampler", {})
        found = registry.get(f"{file}:Mine")
        seen[registry.code(f"{file}:Mine")] = found.value  # type: ignore[attr-defined]
        monkeypatch.delitem(__import__("sys").modules, found.__module__)
    assert sorted(seen.values()) == [1, 2, 3]
