"""Scores of one sample, with judges that stay loaded: the rules of runs, without a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nova_eval import __version__, environment, media
from nova_eval.adapters import benchmark_names, load_benchmark
from nova_eval.config import CUSTOM
from nova_eval.engines.units import Event, ScorerPlan, Tell, untold
from nova_eval.errors import MediaError, PrerequisiteError, UsageError, unknown
from nova_eval.identity import canonical_json, plain
from nova_eval.judges import JUDGES, filed_under
from nova_eval.records import Score
from nova_eval.runs.in_memory import Found, scored
from nova_eval.runs.judging import AtHand, Judging, judging, made
from nova_eval.runs.options import scoring_of
from nova_eval.service import body


@dataclass(frozen=True)
class Offer:
    """What is served: which benchmarks (all without any), by which set of judges ("": official), on which device.

    ``decoded`` is how many bytes of frames a file may hold.
    """

    benchmarks: tuple[str, ...] = ()
    judges: str = ""
    device: str = "auto"
    decoded: int = 1 << 30


class Answer(NamedTuple):
    """JSON, and how many of its rows are scored, excluded and unscored."""

    content: bytes
    counts: Mapping[str, int]


@dataclass
class Scores:
    """Says scores; to be asked by one thread at a time. A judge is loaded when it is first asked, and kept.

    It can be pickled until then: what it has seen of judges is known where it arrives.
    """

    offer: Offer
    _judges: dict[str, Any] = field(default_factory=dict)
    _seen: dict[str, AtHand] = field(default_factory=dict)
    _tell: Tell = untold

    def __post_init__(self) -> None:
        environment.known_device(self.offer.device)
        for name in self.offer.benchmarks:
            load_benchmark(name).config.judges_of(CUSTOM, self.offer.judges)

    @property
    def benchmarks(self) -> Sequence[str]:
        return self.offer.benchmarks or benchmark_names()

    def at_hand(self, benchmark: str) -> Judging:
        """Which rules of a benchmark can work here, and why the others cannot."""
        adapter = load_benchmark(benchmark)
        judge_of = adapter.config.judges_of(CUSTOM, self.offer.judges)
        rule = scoring_of(adapter.config, CUSTOM, self.offer.judges)
        return judging(adapter.scorers(rule), judge_of, self._look, benchmark=benchmark)

    def told(self) -> list[dict[str, Any]]:
        """Every benchmark with its dimensions: the judge of each, what a prompt has to bring, why it cannot be said."""
        return [self._told(name) for name in self.benchmarks]

    def _told(self, name: str) -> dict[str, Any]:
        config, found = load_benchmark(name).config, self.at_hand(name)
        judge_of = config.judges_of(CUSTOM, self.offer.judges)
        return {
            "name": name,
            "version": config.version,
            "modality": config.modality,
            "scoring": scoring_of(config, CUSTOM, self.offer.judges),
            "dimensions": [
                {"name": one, "judge": judge_of.get(facts.role, ""), "needs": list(facts.needs)}
                for one, facts in config.dimensions.items()
            ],
            "unavailable": dict(found.unavailable),
        }

    def __call__(self, content: body.Content, form: str, folder: Path, tell: Tell = untold) -> Answer:
        """The answer to a body of a media type. NovaEvalError for what cannot be.

        Its file is put into ``folder``. ``tell`` hears which judge is about to be loaded.
        """
        self._tell = tell
        asked, sent = body.read(content, form)
        if asked.benchmark not in self.benchmarks:
            raise unknown("benchmark", asked.benchmark, self.benchmarks)
        if not isinstance(sent, body.File):
            return self._answer(asked, sent)
        path = folder / f"sample.{sent.kind}"
        path.write_bytes(sent.content)
        self._hold_decoded(path, sent.kind)
        return self._answer(asked, path)

    def _hold_decoded(self, path: Path, kind: str) -> None:
        facts = media.probe(path)
        size = 3 * facts.frames * facts.height * facts.width
        if size > self.offer.decoded:
            raise MediaError(f"the {kind} holds {size:,} bytes of frames, at most {self.offer.decoded:,} are taken")

    def _answer(self, asked: body.Asked, sent: Any) -> Answer:
        try:
            found = scored(
                [asked.told],
                [sent],
                self._hold,
                benchmark=asked.benchmark,
                metrics=asked.metrics,
                fps=asked.fps,
                judges=self.offer.judges,
                scoring=asked.scoring,
                look=self._look,
            )
        except MediaError as error:
            raise MediaError(error.problem.replace(f"{Path(str(sent)).name}: ", ""), remedy=error.remedy) from error
        except UsageError as error:
            raise UsageError(error.problem.replace(str(sent), "the file"), remedy=error.remedy) from error
        told = {
            "nova_eval": __version__,
            "benchmark": asked.benchmark,
            "scoring": found.scoring,
            "prompt": found.prompts[0].id,
            "rows": [_row(row) for row in found.rows],
            "scorers": self._scorers(asked.benchmark, found),
        }
        return Answer(canonical_json(told).encode(), Counter(map(_state, found.rows)))

    def _scorers(self, benchmark: str, found: Found) -> dict[str, Any]:
        """The version of every rule that looked, its judge, and what of the judge's digest names a folder of scores."""
        versions = {one.name: one.version for one in load_benchmark(benchmark).scorers(found.scoring)}
        return {plan.name: _scorer(plan, versions[plan.name]) for plan in found.plans}

    def _look(self, name: str) -> AtHand:
        if name not in self._seen:
            self._seen[name] = made(name)
        return self._seen[name]

    def _hold(self, name: str, light: bool) -> Any:
        if name not in self._judges:
            device = environment.device_for(self.offer.device, light=light)
            self._tell(Event("judges", f"loads judge {name} for {device}", "loads"))
            judge = JUDGES.make(name)
            if filed_under(name, judge.digest) != (self._look(name).digest or "")[:8]:
                raise PrerequisiteError(f"judge {name!r} changed while the server was at work", remedy="start it again")
            self._judges[name] = judge.to(device)
        return self._judges[name]


def _scorer(plan: ScorerPlan, version: str) -> dict[str, Any]:
    return {"version": version, "judge": plan.judge, "digest": plan.folder.rpartition("-")[2]}


def _row(row: Score) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "value": row.value,
        "weight": row.weight,
        "reason": row.reason,
        "detail": plain(row.detail),
    }


def _state(row: Score) -> str:
    return "scored" if row.value is not None else "excluded" if row.decided else "unscored"
