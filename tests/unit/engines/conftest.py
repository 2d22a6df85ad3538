"""A job over prompts that say how their samples misbehave, and what is on disk after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from misbehaving import LOOKER, MAKER

from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.engines.units import Job, ScorerPlan, ScoreUnit
from nova_eval.judges import filed_under
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.store import RunStore

PLANS = (
    ScorerPlan("temporal_flickering", "temporal_flickering@1-pixels", None),
    ScorerPlan("aesthetic_quality", f"aesthetic_quality@1-{filed_under(LOOKER, 'looker')}", LOOKER),
)


class World:
    """A run folder and the keys of its prompts, one sample each, by text."""

    def __init__(self, folder: Path, texts: tuple[str, ...]) -> None:
        prompts = [Prompt(f"test/{n:04}", text, ("temporal_flickering",)) for n, text in enumerate(texts)]
        sampler = SamplerSpec(name=MAKER, settings={"folder": str(folder)})
        spec = RunSpec(benchmark="vbench", variant="official", sampler=sampler)
        self.job = Job(folder, spec, "official", {prompt.id: prompt for prompt in prompts}, PLANS, "cpu")
        self.store = RunStore(folder)
        self.keys = tuple(SampleKey(prompt.id, 0) for prompt in prompts)
        self._texts = dict(zip(self.keys, texts, strict=True))

    def score_unit(self, *keys: SampleKey) -> ScoreUnit:
        """Every scorer over these samples, or over all."""
        samples, _ = self.store.samples()
        names = tuple(plan.name for plan in PLANS)
        return ScoreUnit(tuple((samples[key], names) for key in keys or self.keys), frozenset({LOOKER}))

    def sampled(self) -> Counter[str]:
        """How often each text was sampled."""
        return Counter({self._texts[key]: len(found) for key, found in self.store.sample_rows()[0].items()})

    def failures(self) -> dict[str, str]:
        return {self._texts[key]: reason for key, reason in self.store.samples()[1].items()}

    def scores(self, scorer: str) -> dict[str, Score]:
        (plan,) = (plan for plan in PLANS if plan.name == scorer)
        samples, _ = self.store.samples()
        return {self._texts[key]: score for (key, _), score in self.store.scores(plan.folder, samples).items()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    monkeypatch.setenv("MISBEHAVING", str(tmp_path))
    return lambda *texts: World(tmp_path, texts)
