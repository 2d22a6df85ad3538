"""An open run: what was asked for, what it is called, where it lies, and which scorers and samples it has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.selection import select
from nova_eval.adapters.suite import load_suite
from nova_eval.config import BenchmarkConfig, RunOptions, RunSpec, load_benchmark_config
from nova_eval.engines.worker import ScorerPlan
from nova_eval.errors import CorruptStoreError, NovaEvalError, UsageError
from nova_eval.identity import digest, file_digest
from nova_eval.judges import JUDGES
from nova_eval.plan import wanted_keys
from nova_eval.protocols import Benchmark, Listing, MediaSource, SamplerInfo, Scorer
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.samplers import SAMPLERS
from nova_eval.store import RunStore
from nova_eval.weights import catalogue as weights

Say = Callable[[str], None]


class ExternalMedia:
    """Files that somebody else made, looked at once a command."""

    def __init__(self, source: MediaSource, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> None:
        self._source, self._prompts, self._wanted = source, prompts, wanted

    @cached_property
    def listing(self) -> Listing:
        return self._source.locate(self._prompts, self._wanted)

    @cached_property
    def digests(self) -> dict[SampleKey, str]:
        """sha256 of each file that was found: a file that changed since the last run is another sample."""
        by_path = {path: file_digest(path) for path in dict.fromkeys(self.listing.found.values())}
        return {key: by_path[path] for key, path in self.listing.found.items()}

    @cached_property
    def lines(self) -> list[str]:
        """What was found and what was not, one line a kind."""
        return self._source.describe(self.listing, self._prompts)


@dataclass(frozen=True, slots=True)
class Judging:
    """The scorers whose judge is at hand, and why the others' is not (by scorer name)."""

    plans: tuple[ScorerPlan, ...]
    unavailable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is open. ``prompts`` and ``wanted`` are the part asked for, ``suite`` all there are.

    ``light`` says that neither its sampler nor its judges use an accelerator or much memory.
    """

    spec: RunSpec
    options: RunOptions
    config: BenchmarkConfig
    benchmark: Benchmark
    suite: tuple[Prompt, ...]
    suite_facts: Mapping[str, Any]
    prompts: tuple[Prompt, ...]
    wanted: tuple[SampleKey, ...]
    info: SamplerInfo
    external: ExternalMedia | None
    judging: Judging
    light: bool
    store: RunStore
    say: Say = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.spec.benchmark}/{self.store.folder.name}"

    @property
    def model(self) -> str:
        return self.store.folder.name.rpartition("-")[0]

    def pairs(self, keys: Sequence[SampleKey] | None = None) -> list[tuple[SampleKey, str]]:
        """The (sample, scorer name) pairs that the metrics need of ``keys`` (default: of all that is wanted)."""
        needed = self.benchmark.pairs(self.prompts, self.wanted)
        if keys is None:
            return list(needed)
        places = {key: place for place, key in enumerate(keys)}
        return sorted((pair for pair in needed if pair[0] in places), key=lambda pair: places[pair[0]])


def open_run(spec: RunSpec, options: RunOptions, config: BenchmarkConfig, say: Say = lambda text: None) -> Run:
    """Loads the suite and the sampler's identity and finds the run's folder. Nothing is written."""
    maker: Any = SAMPLERS.get(spec.sampler.name)
    sampler = maker(**spec.sampler.settings)
    info: SamplerInfo = sampler.info
    if info.modality != config.modality:
        raise UsageError(
            f"sampler {info.name!r} makes {info.modality}s, {spec.benchmark} judges {config.modality}s",
            remedy="choose another --sampler or benchmark",
        )
    suite = load_suite(spec.benchmark, spec.variant, mirror=options.mirror, offline=options.offline)
    prompts, wanted = _asked_for(suite.prompts, config, options)
    benchmark = load_benchmark(spec.benchmark)
    judging, light_judges = _judging(_needed(benchmark, options, prompts, wanted), _judge_set(spec, config))
    # A sampler's settings count as its info states them, defaults included.
    asked = {**spec.model_dump(mode="json"), "sampler": spec.sampler.name}
    identity = digest({"spec": asked, "sampler": info, "suite": suite.digest})
    folder = options.results / "runs" / spec.benchmark / f"{_slug(info.name)}-{identity[:8]}"
    return Run(
        spec=spec,
        options=options,
        config=config,
        benchmark=benchmark,
        suite=suite.prompts,
        suite_facts={
            "digest": suite.digest,
            "source": suite.source,
            "prompts": len(suite.prompts),
            "notes": list(suite.notes),
        },
        prompts=prompts,
        wanted=wanted,
        info=info,
        external=ExternalMedia(sampler, suite.prompts, wanted) if isinstance(sampler, MediaSource) else None,
        judging=judging,
        light=light_judges and bool(getattr(sampler, "light", False)),
        store=RunStore(folder),
        say=say,
    )


def survey(spec: RunSpec, options: RunOptions, config: BenchmarkConfig, say: Say = lambda text: None) -> Run:
    """``open_run`` for looking ahead: imports no network, reads no weight file, downloads nothing but prompts.

    The generator and the judges are known by their names and by the files they need. An earlier run of the same spec
    is found by its manifest; without one the folder has no name yet.
    """
    maker: Any = SAMPLERS.get(spec.sampler.name)
    if getattr(maker, "light", False):
        sampler, small = maker(**spec.sampler.settings), True
        info: SamplerInfo = sampler.info
    else:
        tell = getattr(maker, "light_with", None)
        sampler, small = None, tell is not None and tell(spec.sampler.settings)
        given = str(spec.sampler.settings.get("checkpoint", spec.sampler.name))
        info = SamplerInfo(Path(given).name, config.modality, settings=spec.sampler.settings)
    suite = load_suite(spec.benchmark, spec.variant, mirror=options.mirror, offline=options.offline)
    prompts, wanted = _asked_for(suite.prompts, config, options)
    benchmark = load_benchmark(spec.benchmark)
    folder, scored = _earlier(spec, suite.digest, options.results)
    judging, light = _named(_needed(benchmark, options, prompts, wanted), _judge_set(spec, config), scored)
    return Run(
        spec=spec,
        options=options,
        config=config,
        benchmark=benchmark,
        suite=suite.prompts,
        suite_facts={"digest": suite.digest, "source": suite.source, "prompts": len(suite.prompts)},
        prompts=prompts,
        wanted=wanted,
        info=info,
        external=ExternalMedia(sampler, suite.prompts, wanted) if isinstance(sampler, MediaSource) else None,
        judging=judging,
        light=light and small,
        store=RunStore(folder or options.results / "runs" / spec.benchmark / f"{_slug(info.name)}-new"),
        say=say,
    )


def _earlier(spec: RunSpec, suite: str, results: Path) -> tuple[Path | None, Mapping[str, str]]:
    """The latest run of ``spec`` over the suite of this digest, and where it keeps the scores of each scorer."""
    found: list[tuple[str, Path, Mapping[str, str]]] = []
    asked = spec.model_dump(mode="json")
    for path in (results / "runs" / spec.benchmark).glob("*/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if manifest["spec"] == asked and manifest["suite"]["digest"] == suite:
                found.append((manifest.get("started", ""), path.parent, manifest["scorers"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # whoever opens this run is told; it is not ours
    _, folder, scored = max(found, key=lambda row: row[:2], default=("", None, {}))
    return folder, scored


def reopen(folder: Path) -> Run:
    """A run as its manifest tells it, for reading: needs neither its sampler nor its judges, and no official files."""
    store = RunStore(folder)
    manifest = store.manifest()
    if manifest is None:
        raise UsageError(f"{folder} is not a run: it has no manifest.json", remedy="see `nova-eval list runs`")
    try:
        spec = RunSpec.model_validate(manifest["spec"])
        options = RunOptions.model_validate(manifest["options"])
        info = SamplerInfo(**manifest["sampler"])
        suite = tuple(_prompt(line) for line in (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines())
        plans = tuple(ScorerPlan(name, where, None) for name, where in manifest["scorers"].items())
        judging = Judging(plans, manifest["unavailable"])
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptStoreError(f"{folder}: manifest.json or prompts.jsonl cannot be read ({reason})") from error
    config = load_benchmark_config(spec.benchmark)
    prompts, wanted = _asked_for(suite, config, options)
    return Run(
        spec=spec,
        options=options,
        config=config,
        benchmark=load_benchmark(spec.benchmark),
        suite=suite,
        suite_facts=manifest.get("suite", {}),
        prompts=prompts,
        wanted=wanted,
        info=info,
        external=None,
        judging=judging,
        light=True,
        store=store,
        say=lambda text: None,
    )


def reopen_to_score(folder: Path, change: Callable[[RunOptions], RunOptions], say: Say = lambda text: None) -> Run:
    """A run as its manifest tells it, with the judges at hand now: needs neither its sampler nor official files."""
    old = reopen(folder)
    options = change(old.options)
    prompts, wanted = _asked_for(old.suite, old.config, options)
    judging, light = _judging(_needed(old.benchmark, options, prompts, wanted), _judge_set(old.spec, old.config))
    return replace(old, options=options, prompts=prompts, wanted=wanted, judging=judging, light=light, say=say)


def current_samples(opened: Run) -> tuple[dict[SampleKey, Sample], dict[SampleKey, str]]:
    """The samples that stand, and why others that are wanted do not."""
    if opened.external is None:
        return opened.store.samples()
    rows, failures = opened.store.sample_rows()
    listing, digests = opened.external.listing, opened.external.digests
    standing = {
        key: row
        for key, found in digests.items()
        for row in rows.get(key, ())
        if row.digest == found and row.path == str(listing.found[key]) and row.part == listing.parts.get(key)
    }
    reasons = {key: f"unreadable: {reason}" for key, reason in listing.unreadable.items()}
    reasons.update((key, f"wrong size: {reason}") for key, reason in listing.wrong_size.items())
    reasons.update((key, "the file is missing") for key in listing.missing)
    return standing, {**failures, **reasons}


def _asked_for(
    suite: Sequence[Prompt], config: BenchmarkConfig, options: RunOptions
) -> tuple[tuple[Prompt, ...], tuple[SampleKey, ...]]:
    prompts = select(_serving(suite, options.metrics), options.limit)
    return prompts, tuple(wanted_keys(prompts, config, options))


def _serving(prompts: Iterable[Prompt], metrics: Sequence[str]) -> list[Prompt]:
    """The prompts that serve one of ``metrics`` (all without any), with only those tags."""
    if not metrics:
        return list(prompts)
    kept = ((prompt, tuple(tag for tag in prompt.tags if tag in metrics)) for prompt in prompts)
    return [replace(prompt, tags=tags) for prompt, tags in kept if tags]


def _needed(
    benchmark: Benchmark, options: RunOptions, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]
) -> list[Scorer]:
    names = {name for _, name in benchmark.pairs(prompts, wanted)}
    return [scorer for scorer in benchmark.scorers(options.scoring) if scorer.name in names]


def _judge_set(spec: RunSpec, config: BenchmarkConfig) -> Mapping[str, str]:
    return config.judges[config.variants[spec.variant].judges]


def _judging(scorers: Sequence[Scorer], judge_set: Mapping[str, str]) -> tuple[Judging, bool]:
    """Finds every judge's digest, which names its scores; a judge that cannot be had makes its scorers unavailable."""
    digests: dict[str, str] = {}
    plans: list[ScorerPlan] = []
    unavailable: dict[str, str] = {}
    light = True
    for scorer in scorers:
        judge = None if scorer.role is None else judge_set.get(scorer.role)
        suffix = "pixels"
        try:
            if scorer.role is not None:
                if judge is None:
                    raise UsageError(f"no judge is named for the role {scorer.role!r}")
                if judge not in digests:
                    if judge not in JUDGES:
                        raise UsageError(f"judge {judge!r} is not part of this version of nova_eval")
                    made: Any = JUDGES.get(judge)()
                    digests[judge] = made.digest
                    light = light and bool(getattr(made, "light", False))
                suffix = digests[judge][:8]
        except NovaEvalError as error:
            unavailable[scorer.name] = str(error)
            continue
        plans.append(ScorerPlan(scorer.name, f"{scorer.name}@{scorer.version}-{suffix}", judge))
    return Judging(tuple(plans), unavailable), light


def _named(scorers: Sequence[Scorer], judge_set: Mapping[str, str], scored: Mapping[str, str]) -> tuple[Judging, bool]:
    """``_judging`` from names: a judge can be had when its files are here. ``scored``: folders of an earlier run."""
    plans: list[ScorerPlan] = []
    unavailable: dict[str, str] = {}
    light = True
    for scorer in scorers:
        judge = None if scorer.role is None else judge_set.get(scorer.role)
        if scorer.role is not None and (judge is None or judge not in JUDGES):
            unavailable[scorer.name] = f"judge {judge or scorer.role!r} is not part of this version of nova_eval"
        elif judge is not None and (missing := weights.missing(judge)):
            names = " ".join(row.name for row in missing)
            unavailable[scorer.name] = f"weights are missing; python -m nova_eval weights fetch {names}"
        else:
            folder = scored.get(scorer.name, f"{scorer.name}@{scorer.version}-new")
            plans.append(ScorerPlan(scorer.name, folder, judge))
        light = light and (judge is None or not weights.needs(judge))
    return Judging(tuple(plans), unavailable), light


def _prompt(line: str) -> Prompt:
    row = json.loads(line)
    return Prompt(row["id"], row["text"], tuple(row["tags"]), row["reference"], row["rewritten"])


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.") or "model"
