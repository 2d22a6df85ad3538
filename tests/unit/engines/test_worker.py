"""One process at work: the generator leaves before judges come, and what fails takes nothing else along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from misbehaving import CROWDED, LOOKER

from nova_eval.engines.questions import OutOfMemory
from nova_eval.engines.units import SampleUnit
from nova_eval.engines.worker import Worker
from nova_eval.judges import JUDGES


@pytest.fixture
def looker() -> Iterator[type]:
    """The judge's class as the worker loads it, without memories."""
    found = JUDGES.get(LOOKER)
    found.alive_at_birth.clear()
    found.asked.clear()
    yield found
    found.alive_at_birth.clear()


class TestMemory:
    def test_the_generator_is_gone_before_a_judge_is_made(self, world, looker) -> None:
        here = world("fine", "fine")
        worker = Worker(here.job)
        worker.do(SampleUnit(here.keys))
        assert worker._sampler is not None
        report = worker.do(here.score_unit())
        worker.close()
        assert looker.alive_at_birth == [False]
        assert (report.done, report.failed) == (2, 0)

    def test_a_unit_of_samples_after_one_of_scores_loads_it_again(self, world, looker) -> None:
        here = world("fine", "fine")
        worker = Worker(here.job)
        worker.do(SampleUnit(here.keys[:1]))
        worker.do(here.score_unit(here.keys[0]))
        assert worker.do(SampleUnit(here.keys[1:])).failed == 0
        worker.close()
        assert here.sampled() == {"fine": 1}
        assert len(here.store.samples()[0]) == 2

    def test_a_judge_is_made_anew_with_the_batch_that_a_unit_allows(self, world) -> None:
        here = world("fine", judge=CROWDED)
        worker = Worker(here.job)
        worker.do(SampleUnit(here.keys))
        unit = here.score_unit()
        assert worker.prepare(unit) == 2
        with pytest.raises(OutOfMemory, match="aesthetic_quality of 1 samples: RuntimeError: CUDA out of memory"):
            worker.do(unit)
        less = replace(unit, halvings=1)
        assert worker.prepare(less) == 1
        assert (worker.do(less).done, worker.do(less).failed) == (1, 0)
        worker.close()
        assert here.scores("aesthetic_quality")["fine"].value == 100 / 25 / 10


class TestSampler:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("float", "sampler returned float32 (3, 32, 32, 3), not uint8 (T, H, W, 3)"),
            ("nan", "sampler returned float64 (3, 32, 32, 3), not uint8 (T, H, W, 3)"),
            ("gray", "sampler returned uint8 (3, 32, 32), not uint8 (T, H, W, 3)"),
            ("four channels", "sampler returned uint8 (3, 32, 32, 4), not uint8 (T, H, W, 3)"),
            ("empty", "sampler returned uint8 (0, 32, 32, 3), not uint8 (T, H, W, 3)"),
            ("list", "sampler returned list, not uint8 (T, H, W, 3)"),
            ("words", "sampler returned str, not uint8 (T, H, W, 3)"),
            ("none", "sampler returned None, not uint8 (T, H, W, 3)"),
            ("raises", "sampler failed: RuntimeError: no such thought"),
            ("too few", "sampler failed: ValueError: the sampler returned 0 results for 1 prompts"),
            ("nothing at all", "sampler failed: TypeError: the sampler returned None, not one array a prompt"),
        ],
    )
    def test_what_is_no_clip_is_a_row_with_the_reason_and_its_neighbors_are_kept(self, world, text, reason) -> None:
        here = world("fine", text, "unbearable")
        worker = Worker(here.job)
        report = worker.do(SampleUnit(here.keys))
        worker.close()
        assert (report.done, report.failed, report.last_failure) == (3, 1, reason)
        assert here.failures() == {text: reason}
        assert here.sampled() == {"fine": 1, "unbearable": 1}


class TestJudge:
    def test_an_item_that_it_cannot_look_at_stays_unscored_and_its_neighbors_are_scored(self, world, looker) -> None:
        here = world("fine", "unbearable", "also fine")
        worker = Worker(here.job)
        worker.do(SampleUnit(here.keys))
        report = worker.do(here.score_unit())
        worker.close()
        rated = here.scores("aesthetic_quality")
        assert rated["unbearable"].value is None
        assert rated["unbearable"].reason == report.last_failure == "RuntimeError: too bright to look at"
        assert rated["fine"].value == rated["also fine"].value == pytest.approx(0.4, abs=0.01)
        assert all(row.value == 1.0 for row in here.scores("temporal_flickering").values())
        assert (report.done, report.failed) == (3, 1)
        assert looker.asked == [9, 3, 3, 3]  # together, and then one by one to find who it was

    def test_a_sample_whose_file_was_changed_is_not_shown_to_it(self, world, looker) -> None:
        here = world("fine", "also fine")
        worker = Worker(here.job)
        worker.do(SampleUnit(here.keys))
        unit = here.score_unit()
        path = here.job.folder / unit.work[0][0].path
        path.write_bytes(path.read_bytes()[::-1])
        report = worker.do(unit)
        worker.close()
        assert here.scores("aesthetic_quality")["fine"].reason == report.last_failure
        assert "not the bytes that were sampled" in report.last_failure
        assert here.scores("aesthetic_quality")["also fine"].value is not None
