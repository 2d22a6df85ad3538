"""A job over prompts that say how their samples misbehave, and what is on disk after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from misbehaving import LOOKER, MAKER

from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.engines.local import LocalEngine
from nova_eval.engines.pool import Engine
from nova_eval.engines.units import Job, ScorerPlan, ScoreUnit
from nova_eval.judges import filed_under
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.store import RunStore


class World:
    """A run folder and the keys of its prompts, one sample each, by text."""

    def __init__(self, folder: Path, texts: tuple[str, ...], judge: str) -> None:
        self.judge = judge
        self.plans = (
            ScorerPlan("temporal_flickering", "temporal_flickering@1-pixels", None),
            ScorerPlan("aesthetic_quality", f"aesthetic_quality@1-{filed_under(judge, 'looker')}", judge),
        )
        prompts = [Prompt(f"test/{n:04}", text, ("temporal_flickering",)) for n, text in enumerate(texts)]
        sampler = SamplerSpec(name=MAKER, settings={"folder": str(folder)})
        spec = RunSpec(benchmark="vbench", variant="official", sampler=sampler)
        self.job = Job(folder, spec, "official", {prompt.id: prompt for prompt in prompts}, self.plans, "cpu")
        self.store = RunStore(folder)
        self.keys = tuple(SampleKey(prompt.id, 0) for prompt in prompts)
        self._texts = dict(zip(self.keys, texts, strict=True))

    def score_unit(self, *keys: SampleKey) -> ScoreUnit:
        """Every scorer over these samples, or over all."""
        samples, _ = self.store.samples()
        names = tuple(plan.name for plan in self.plans)
        return ScoreUnit(tuple((samples[key], names) for key in keys or self.keys), frozenset({self.judge}))

    def sampled(self) -> Counter[str]:
        """How often each text was sampled."""
        return Counter({self._texts[key]: len(found) for key, found in self.store.sample_rows()[0].items()})

    def failures(self) -> dict[str, str]:
        return {self._texts[key]: reason for key, reason in self.store.samples()[1].items()}

    def scores(self, scorer: str) -> dict[str, Score]:
        (plan,) = (plan for plan in self.plans if plan.name == scorer)
        samples, _ = self.store.samples()
        return {self._texts[key]: score for (key, _), score in self.store.scores(plan.folder, samples).items()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Makes one; ``birth`` is what happens where its sampler or judge is made."""
    monkeypatch.setenv("MISBEHAVING", str(tmp_path))

    def make(*texts: str, birth: str = "", judge: str = LOOKER) -> World:
        if birth:
            (tmp_path / "birth").write_text(birth)
        return World(tmp_path, texts, judge)

    return make


class Local:
    """Makes engines of processes."""

    here = True

    def __call__(self, job: Job, workers: int, **how: Any) -> Engine:
        return LocalEngine(job, ("cpu",) * workers, **how)


class OnRay:
    """Makes engines of actors, on a cluster that is there."""

    here = False

    def __call__(self, job: Job, workers: int, **how: Any) -> Engine:
        from nova_eval.engines.ray import Places, on_ray

        return on_ray(job, Places(workers), **how)


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster of this machine, whose workers know the folder of a test by the link that is yielded."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    link = tmp_path_factory.mktemp("cluster") / "now"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MISBEHAVING", str(link))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=6, include_dashboard=False, logging_level="error")
    yield link
    ray.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Local | OnRay:
    """What makes the engine of a job, for each kind."""
    if request.param == "local":
        return Local()
    link: Path = request.getfixturevalue("ray_cluster")
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path)
    return OnRay()
