"""Every way to an open run: of a spec to be run or looked ahead at, of a folder to be read or scored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nova_eval import environment, reading
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.own import own_suite
from nova_eval.adapters.suite import Suite
from nova_eval.config import CUSTOM, BenchmarkConfig, RunSpec, SamplerSpec
from nova_eval.engines.sampling import info_of
from nova_eval.engines.units import ScorerPlan
from nova_eval.errors import CorruptStoreError, NotHere, PrerequisiteError, UsageError
from nova_eval.identity import digest
from nova_eval.options import THERE, RunOptions
from nova_eval.protocols import MediaSource, SamplerInfo, is_light
from nova_eval.records import Prompt
from nova_eval.runs.cost import PEAK_TFLOPS
from nova_eval.runs.departures import departures
from nova_eval.runs.external import ExternalMedia
from nova_eval.runs.finding import home, identity_of, label_in, scored_in
from nova_eval.runs.judging import Judging, Look, judging, made, named
from nova_eval.runs.options import validated
from nova_eval.runs.part import Part, asked, recorded, within
from nova_eval.runs.run import Run, Say
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.folder import FolderSampler
from nova_eval.samplers.settings import settings_of
from nova_eval.store import RunStore

_LONGEST = 150  # letters of a model's name in its folder's


def open_run(
    spec: RunSpec,
    options: RunOptions,
    config: BenchmarkConfig,
    say: Say = lambda text: None,
    media_source: FolderSampler | None = None,
    *,
    sampling: bool = True,
) -> Run:
    """Loads the suite and the sampler's identity and finds the run's folder. Nothing is written.

    ``media_source`` is the folder that samples are to be imported from, where they are. Without ``sampling`` a run that
    is there is looked at as far as it goes: no sample that it does not want already becomes wanted.
    """
    _known_device(options)
    at_hand = placed(spec, options)
    if SAMPLERS.is_own(spec.sampler.name) and options.engine == "local":
        environment.known_device(str(at_hand.sampler.settings.get("device", "auto")))
    sampler = _sampler(at_hand)
    info = info_of(sampler, spec.sampler.name)
    if info.modality != config.modality:
        raise UsageError(
            f"sampler {info.name!r} makes {info.modality}s, {spec.benchmark} judges {config.modality}s",
            remedy="choose another --sampler or benchmark",
        )
    suite, whole = suites(spec, options)
    options = _counted(options, sampler if media_source is None else media_source, suite)
    identity = _identity(spec, info, suite)
    folder = _folder(spec, options, info, identity)
    options = replace(options, label=options.label or label_in(folder))
    for note in suite.notes if options.prompts else ():
        say(note)
    return assemble(
        spec,
        options,
        config,
        suite=suite.prompts,
        suite_facts=_facts(suite),
        info=info,
        source=sampler,
        look=made,
        whole=whole,
        light=is_light(sampler),
        folder=folder,
        part=None if sampling else _there(folder, suite.prompts, config, options, say),
        identity=identity,
        departs=departures(spec, info, config),
        say=say,
    )


def _known_device(options: RunOptions) -> None:
    """UsageError for a device that is not here; those of other machines are what Ray gives to a worker."""
    if options.engine == "local":
        environment.known_device(options.device)
    elif options.device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {options.device!r} cannot be asked of Ray", remedy="use auto, cpu or cuda")


def survey(spec: RunSpec, options: RunOptions, config: BenchmarkConfig) -> Run:
    """``open_run`` for looking ahead: loads no network, downloads nothing but prompts, and makes no judge.

    The run has the name that ``open_run`` gives it; where the generator's files are not on this machine it has none
    yet, as its name depends on them. An earlier run of that name says where scores lie.
    """
    device = "cuda" if options.device in PEAK_TFLOPS else options.device
    try:
        sampler = _sampler(placed(spec, replace(options, offline=True, device=device)))
        info = info_of(sampler, spec.sampler.name)
    except NotHere:
        model = spec.sampler.settings[next(iter(settings_of(SAMPLERS.get(spec.sampler.name))))]
        sampler, info = None, SamplerInfo(Path(model).name, config.modality, settings=spec.sampler.settings)
    suite, whole = suites(spec, options)
    folder = _folder(spec, options, info, "new" if sampler is None else _identity(spec, info, suite))
    options = _counted(options, sampler, suite)
    return assemble(
        spec,
        options,
        config,
        suite=suite.prompts,
        suite_facts=_facts(suite),
        info=info,
        source=sampler,
        look=named,
        whole=whole,
        scored=scored_in(folder),
        light=is_light(sampler),
        folder=folder,
    )


def placed(spec: RunSpec, options: RunOptions) -> RunSpec:
    """The spec with what says where its sampler works, in so far as that has settings for it. No sample depends on it.

    Code that is not the product's own is moved to its device, if it can be, and not told of it.
    """
    known = settings_of(SAMPLERS.get(spec.sampler.name))
    where: dict[str, Any] = {"offline": True} if options.offline and "offline" in known else {}
    if options.device != "auto" and "device" in known and SAMPLERS.is_own(spec.sampler.name):
        where["device"] = options.device
    return spec.model_copy(
        update={"sampler": SamplerSpec(name=spec.sampler.name, settings=spec.sampler.settings | where)}
    )


def _sampler(spec: RunSpec) -> Any:
    return SAMPLERS.make(spec.sampler.name, spec.sampler.settings)


def _identity(spec: RunSpec, info: SamplerInfo, suite: Suite) -> str:
    """A sampler's settings count as its info states them, defaults included; other code makes other samples."""
    asked = {**spec.model_dump(mode="json"), "sampler": spec.sampler.name}
    code = {"code": code} if (code := SAMPLERS.code(spec.sampler.name)) else {}
    return digest({"spec": asked, "sampler": info, "suite": suite.digest, **code})[:8]


def suites(spec: RunSpec, options: RunOptions) -> tuple[Suite, tuple[Prompt, ...]]:
    """The suite of a run, and the prompts by whose order official files are numbered: those it is a part of."""
    benchmark = load_benchmark(spec.benchmark)
    load = partial(benchmark.suite, mirror=options.mirror, offline=options.offline)
    if options.prompts is None:
        try:
            suite = load(spec.variant)
        except PrerequisiteError as error:
            if spec.sampler.name != "folder":
                raise
            raise PrerequisiteError(
                error.problem, remedy=f"{error.remedy}; media under names of their own need none: --variant {CUSTOM}"
            ) from error
        return suite, suite.prompts
    chosen = own_suite(benchmark.config, options.prompts, spec.variant, load)
    return chosen.suite, chosen.whole.prompts


def reopen(folder: Path) -> Run:
    """A run as its manifest tells it, for reading: needs neither its sampler nor its judges, and no official files."""
    manifest = RunStore(folder).manifest()
    if manifest is None:
        raise UsageError(f"{folder} is not a run: it has no manifest.json", remedy="see `nova-eval runs list`")
    try:
        spec = RunSpec.model_validate(manifest["spec"])
        options = recorded_options(manifest)
        info = reading.typed(manifest["sampler"], "sampler", SamplerInfo)
        look = recorded_judging(manifest)
    except (OSError, KeyError, TypeError, ValueError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptStoreError(f"{folder}: manifest.json cannot be read ({reason})") from error
    suite = RunStore(folder).prompts()
    config, facts = load_benchmark(spec.benchmark).config, manifest.get("suite", {})
    part = recorded_part(manifest, suite, config)
    return assemble(
        spec,
        options,
        config,
        suite=suite,
        suite_facts=facts,
        info=info,
        look=look,
        part=part,
        folder=folder,
        identity=identity_of(manifest),
        departs=tuple(map(str, manifest.get("departs", ()))),
    )


_ELSEWHERE: Mapping[str, Any] = {"shard": None, "engine": "local", "address": "", "devices": ""}
"""Who worked on a run says nothing of who scores it now."""


def reopen_to_score(folder: Path, change: Callable[[RunOptions], RunOptions], say: Say = lambda text: None) -> Run:
    """A run as its manifest tells it, with the judges at hand now: needs neither its sampler nor official files.

    Of a changed limit, dimensions or samples a prompt, only what the run has is looked at: scoring makes no samples.
    """
    old = reopen(folder)
    options = change(replace(old.options, **_ELSEWHERE))  # of all shards, here, unless it is asked for
    _known_device(options)
    part = Part(old.prompts, old.wanted)
    if _choice(options) != _choice(old.options):
        limit = None if options.limit == old.options.limit else options.limit
        part = _looked_at(part, old.suite, old.config, options, limit)
    return assemble(
        old.spec,
        options,
        old.config,
        suite=old.suite,
        suite_facts=old.suite_facts,
        info=old.info,
        look=made,
        part=part,
        folder=folder,
        identity=old.identity,
        departs=old.departs,
        say=say,
    )


def _looked_at(
    part: Part, suite: Sequence[Prompt], config: BenchmarkConfig, options: RunOptions, limit: int | None
) -> Part:
    found = within(part, suite, config, limit=limit, metrics=options.metrics, samples=options.samples_per_prompt)
    if not found.wanted:
        raise UsageError(f"the run has no sample that serves {', '.join(options.metrics) or 'what is asked for'}")
    return found


def _there(
    folder: Path, suite: Sequence[Prompt], config: BenchmarkConfig, options: RunOptions, say: Say
) -> Part | None:
    """What the run in a folder has of what is asked for; ``None`` where there is no run."""
    manifest = RunStore(folder).manifest()
    if manifest is None:
        return None
    there = _looked_at(recorded_part(manifest, suite, config), suite, config, options, options.limit)
    wanted, kept = len(asked(suite, config, options).wanted), len(there.wanted)
    if kept < wanted:
        say(f"{kept} of the {wanted} samples asked for are part of this run; scoring makes no others, `run` does")
    return there


def recorded_part(manifest: Mapping[str, Any], suite: Sequence[Prompt], config: BenchmarkConfig) -> Part:
    """The part of the suite that the run's record is of. CorruptStoreError where the manifest does not tell."""
    try:
        if "part" in manifest:
            return recorded(suite, manifest["part"])
        return asked(suite, config, recorded_options(manifest))
    except (KeyError, TypeError, IndexError, UsageError) as error:
        raise CorruptStoreError(f"manifest.json does not say what was asked for ({error})") from error


def recorded_options(manifest: Mapping[str, Any]) -> RunOptions:
    """From ``RunOptions.record``."""
    record = manifest["options"]
    shard = record["shard"]
    return validated(RunOptions, {**record, "shard": shard and "{}/{}".format(*shard)})


def recorded_judging(manifest: Mapping[str, Any]) -> Judging:
    """The scorers of the record."""
    judges = manifest.get("judges", {})
    plans = tuple(ScorerPlan(name, where, judges.get(name)) for name, where in manifest["scorers"].items())
    return Judging(plans, manifest["unavailable"])


def _choice(options: RunOptions) -> tuple[object, ...]:
    return options.limit, tuple(options.metrics), options.samples_per_prompt


def assemble(
    spec: RunSpec,
    options: RunOptions,
    config: BenchmarkConfig,
    *,
    suite: Sequence[Prompt],
    info: SamplerInfo,
    look: Look | Judging,
    folder: Path,
    suite_facts: Mapping[str, Any],
    source: object = None,
    whole: Sequence[Prompt] | None = None,
    scored: Mapping[str, str] | None = None,
    part: Part | None = None,
    light: bool = True,
    identity: str = "",
    departs: tuple[str, ...] = (),
    say: Say = lambda text: None,
) -> Run:
    """The one place that makes a run.

    ``part`` is what ``options`` ask for unless it is given. ``look`` says which judges are at hand, or is the answer of
    an earlier look; ``scored`` is as ``judging`` takes it. ``source`` is the sampler where there is one: a MediaSource
    makes the run one of external media. ``light`` is what the sampler says of itself. ``whole`` is what official
    names count, by default ``suite``.
    """
    benchmark = load_benchmark(spec.benchmark)
    whole = tuple(suite if whole is None else whole)
    prompts, wanted = asked(suite, config, options) if part is None else part
    if not isinstance(look, Judging):
        names = {name for _, name in benchmark.pairs(prompts, wanted)}
        scorers = [scorer for scorer in benchmark.scorers(options.scoring) if scorer.name in names]
        look = judging(scorers, config.judges_of(spec.variant, options.judges), look, scored, spec.benchmark)
    return Run(
        spec=spec,
        options=options,
        config=config,
        benchmark=benchmark,
        suite=tuple(suite),
        suite_facts=suite_facts,
        prompts=prompts,
        wanted=wanted,
        info=info,
        whole=whole,
        external=ExternalMedia(source, whole, wanted) if isinstance(source, MediaSource) else None,
        judging=look,
        light=light and look.light,
        store=RunStore(folder),
        identity=identity,
        departs=departs,
        say=say,
    )


def _counted(options: RunOptions, source: object, suite: Suite) -> RunOptions:
    if options.samples_per_prompt != THERE:
        return options
    return replace(options, samples_per_prompt=source.most(suite.prompts) if isinstance(source, FolderSampler) else 1)


def _facts(suite: Suite) -> dict[str, Any]:
    return {
        "digest": suite.digest,
        "source": suite.source,
        "prompts": len(suite.prompts),
        "notes": list(suite.notes),
    }


def _folder(spec: RunSpec, options: RunOptions, info: SamplerInfo, identity: str) -> Path:
    model = re.sub(r"[^A-Za-z0-9._]+", "-", info.name)[:_LONGEST].strip("-.") or "model"
    return home(options.results / "runs" / spec.benchmark, model, identity, options.name)
