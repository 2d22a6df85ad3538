"""The four sentences of the product: sample, score, reduce, and run, which says the three in a row.

Each looks at what is on disk first and does only what is missing, so calling it again is how a run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nova_eval import __version__, environment, files, locks, media
from nova_eval.adapters import BENCHMARKS
from nova_eval.engines.alarm import can_wake
from nova_eval.engines.local import LocalEngine
from nova_eval.engines.pool import Engine
from nova_eval.engines.units import Job, SampleUnit, Work
from nova_eval.errors import CorruptStoreError, MediaError, brief, is_interrupt
from nova_eval.judges import JUDGES
from nova_eval.plan import cut, share, units
from nova_eval.progress import progress
from nova_eval.protocols import Listing, Sampler
from nova_eval.records import Failure, Sample, SampleKey
from nova_eval.rows import many
from nova_eval.runs.beside import Finished
from nova_eval.runs.external import ExternalMedia
from nova_eval.runs.holding import held
from nova_eval.runs.log import RunLog
from nova_eval.runs.opening import placed, recorded_judging, recorded_options, recorded_part
from nova_eval.runs.part import Part, asked, union
from nova_eval.runs.places import Crew, crew
from nova_eval.runs.run import Run
from nova_eval.runs.stage import stage
from nova_eval.runs.summary import Outcome, clips_of, summarise
from nova_eval.samplers import SAMPLERS
from nova_eval.store import suite_file_digest
from nova_eval.weights.catalogue import family

FILES_A_ROW_BATCH = 32
_REDUCED_AGAIN = 5  # at most, where others write rows meanwhile


def run(opened: Run, *, sampling: bool = True, scoring: bool = True, live: Sampler | None = None) -> Outcome:
    """Samples what is missing, scores what is missing, and reduces everything there is.

    A sampler that is ``live`` is one of this process, which then does all the work.

    PrerequisiteError where another process is at work on the same part of the run.
    """
    if opened.external is not None:
        _ = opened.external.listing  # where nothing in a folder can be meant, no run is begun
    with driving(opened):
        begin(opened)
        if scoring:
            for reason, names in _grouped(opened.judging.unavailable).items():
                opened.say(f"stays unscored: {', '.join(names)} ({reason})")
        at_work = None if opened.options.engine == "ray" else crew(opened)  # Ray gives an accelerator to one worker
        split = bool(opened.options.split) if at_work is None else at_work.split and live is None
        with _logged(opened), engine_for(opened, live, at_work) as engine:
            standing = None
            if sampling and scoring and split and opened.external is None:
                sample_and_score(opened, engine)
                scoring = False
            elif sampling:
                standing = sample(opened, engine)
            if scoring:
                score(opened, engine, standing)
        outcome = reduce(opened)
        coverage = outcome.summary.coverage
        RunLog(opened).write(f"decided {coverage.wanted - coverage.unscored} of {coverage.wanted} scores")
        return outcome


@contextmanager
def _logged(opened: Run) -> Iterator[None]:
    """Writes into the run's log that the block begins, and how it ends."""
    log = RunLog(opened)
    part, parts = opened.options.part
    shard = f", shard {part}/{parts}" if parts > 1 else ""
    log.write(f"begins {opened.name}: {len(opened.wanted)} samples wanted{shard}; nova_eval {__version__}")
    try:
        yield
    except BaseException as error:
        log.write("interrupted" if is_interrupt(error) else f"ended by: {brief(error)}")
        raise


def driving(opened: Run) -> AbstractContextManager[None]:
    """Held while a process works on its shard of a run, so that no second one does."""
    return held(opened.store, opened.name, *opened.options.part)


def engine_for(opened: Run, live: Sampler | None = None, at_work: Crew | None = None) -> Engine:
    """The workers of a run, not started yet; a context manager. ``at_work`` is by default its ``crew``."""
    options = opened.options
    job = Job(
        folder=opened.store.folder,
        spec=placed(opened.spec, opened.options),
        scoring=opened.options.scoring,
        prompts={prompt.id: prompt for prompt in opened.prompts},
        scorers=opened.judging.plans,
        device="cpu",
        info=opened.info,
        code=SAMPLERS.code(opened.spec.sampler.name),
    )
    if options.engine == "ray":
        from nova_eval.engines.ray import Places, on_ray

        places = Places(options.workers, options.device, opened.light, options.split)
        return on_ray(job, places, address=options.address, unit_timeout=options.unit_timeout, say=opened.say)
    workers, roles = at_work or crew(opened)
    if live is not None:
        return LocalEngine(job, workers[:1], here=True, live=live)
    here = len(workers) == 1 and opened.light and _all_own(opened) and (can_wake() or not options.unit_timeout)
    return LocalEngine(job, workers, here=here, unit_timeout=options.unit_timeout, roles=roles)


def _all_own(opened: Run) -> bool:
    """Whether no code but the product's own is at work: only that may work in this process."""
    judges = {plan.judge for plan in opened.judging.plans if plan.judge is not None}
    own = [BENCHMARKS.is_own(opened.spec.benchmark), SAMPLERS.is_own(opened.spec.sampler.name)]
    return all(own) and all(JUDGES.is_own(judge) for judge in judges)


def begin(opened: Run) -> None:
    """Removes what killed processes left half-written; writes suite and manifest of a new run.

    A suite on disk that is not the run's is written anew, and that is said. The record grows by what is asked for.
    """
    with locks.waiting(opened.store.lock("record")):
        opened.store.sweep()
        manifest = opened.store.manifest()
        if manifest is None:
            opened.store.write_prompts(opened.suite)
            opened.store.write_manifest(manifest_of(opened, status="started", started=_now()))
            return
        try:
            opened.store.check_suite()
        except CorruptStoreError as error:
            opened.say(f"written anew: {error.problem}")
            opened.store.write_prompts(opened.suite, anew=True)
        whole = _whole(opened, manifest)
        if (whole.prompts, whole.wanted) != recorded_part(manifest, opened.suite, opened.config):
            opened.store.write_manifest(manifest_of(whole, status="started", started=manifest.get("started", _now())))


def sample(opened: Run, engine: Engine) -> Mapping[SampleKey, Sample] | None:
    """Makes the samples of this shard that are wanted and not there, or finds them where they lie.

    The samples that stand where none was missing; ``None`` where they are to be read anew.
    """
    if opened.external is not None:
        _record(opened, opened.external)
        return None
    standing, _ = opened.store.samples()
    missing = _missing(opened, standing)
    with stage(opened, "sampling", len(missing), "samples") as shown:
        for report in engine.run(_sample_units(opened, engine, missing), shown.tell):
            shown.report(report)
    _say_failure(opened, "failed", shown.last_failure)
    return None if missing else standing


def score(opened: Run, engine: Engine, standing: Mapping[SampleKey, Sample] | None = None) -> None:
    """Lets every scorer whose judge is at hand look at the samples of this shard that it has not scored.

    ``standing`` are the samples, where they were read a moment ago.
    """
    work = unscored(opened, opened.samples()[0] if standing is None else standing)
    with stage(opened, "scoring", len(work), "samples") as shown:
        finished = Finished(work, {}, _families(opened), opened.options.batch)
        finished.over = True
        for report in engine.run((), shown.tell, finished.units()):
            shown.report(report)
    _say_failure(opened, "stay unscored", shown.last_failure)


def sample_and_score(opened: Run, engine: Engine) -> None:
    """Both at once, for devices that are split: finished samples are scored while others are made."""
    samples, _ = opened.samples()
    missing = _missing(opened, samples)
    work = unscored(opened, samples)
    finished = _finished(opened, work)
    left = len(missing)
    with stage(opened, "sampling and scoring", 2 * len(missing) + len(work), "steps") as shown:
        finished.over = not left
        for report in engine.run(_sample_units(opened, engine, missing), shown.tell, finished.units()):
            shown.report(report)
            finished.add(report.made)
            left -= report.done if report.sampled else 0
            finished.over = not left
    _say_failure(opened, "failed or stay unscored", shown.last_failure)


def _missing(opened: Run, standing: Mapping[SampleKey, Sample]) -> list[SampleKey]:
    return [key for key in share(opened.wanted, opened.options) if key not in standing]


def _sample_units(opened: Run, engine: Engine, missing: Sequence[SampleKey]) -> Iterator[SampleUnit]:
    return (SampleUnit(keys) for keys in cut(missing, opened.options.batch, engine.workers))


def _finished(opened: Run, work: Sequence[Work]) -> Finished:
    """What waits for scorers: ``work``, and later all that is made."""
    names: dict[SampleKey, list[str]] = {}
    families = _families(opened)
    for key, name in opened.pairs(share(opened.wanted, opened.options)):
        if name in families:
            names.setdefault(key, []).append(name)
    return Finished(work, {key: tuple(todo) for key, todo in names.items()}, families, opened.options.batch)


def _families(opened: Run) -> dict[str, str | None]:
    return {plan.name: plan.judge and family(plan.judge) for plan in opened.judging.plans}


def _say_failure(opened: Run, what: str, last: str) -> None:
    if last:
        opened.say(f"some samples {what}, the last with: {last}")


@many()
def reduce(opened: Run) -> Outcome:
    """Metrics, coverage and latency of the wanted samples.

    Replaces the manifest and everything under ``tables/``, which are of all that was ever asked of the run, by the rows
    on disk: under a lock, so that the last one knows of all rows; and once more where rows came meanwhile.
    """
    with locks.waiting(opened.store.lock("record")):
        for _ in range(_REDUCED_AGAIN):
            before = opened.store.extent()
            outcome = _reduced(opened)
            if opened.store.extent() == before:
                break
    return outcome


def _reduced(opened: Run) -> Outcome:
    old = opened.store.manifest() or {}
    whole = _whole(opened, old) if old else opened
    outcome = summarise(opened)
    record = outcome if whole is opened else summarise(whole)
    coverage = record.summary.coverage
    state = {
        "started": old.get("started", _now()),
        "coverage": {**asdict(coverage), "fraction": coverage.fraction},
        "metrics": {metric.name: metric.value for metric in record.summary.metrics},
    }
    if coverage.unscored:
        opened.store.write_manifest(manifest_of(whole, status="started", **state))
    else:
        finished = old.get("finished") or _now()
        opened.store.write_manifest(manifest_of(whole, status="complete", finished=finished, **state))
    _write_derived(whole, record)
    return outcome


def _whole(opened: Run, manifest: Mapping[str, Any]) -> Run:
    """The run that the record is of: what was asked for now and before. ``opened`` itself where that is all."""
    old, new = recorded_part(manifest, opened.suite, opened.config), Part(opened.prompts, opened.wanted)
    if old == new:
        return opened
    both = union(opened.suite, old, new)
    if both.record() == new.record():
        return opened
    before = recorded_judging(manifest)
    if both.record() == old.record():  # a look at a part: what is known of the whole stays
        options, judging = recorded_options(manifest), before.over(opened.judging)
    else:
        larger = len(new.wanted) >= len(old.wanted)
        options = opened.options if larger else recorded_options(manifest)
        judging = opened.judging.over(before)
    asked_before, asked_now = recorded_options(manifest).metrics, opened.options.metrics
    every = tuple(dict.fromkeys((*asked_before, *asked_now))) if asked_before and asked_now else ()
    options = replace(options, metrics=every)
    return replace(opened, options=options, prompts=both.prompts, wanted=both.wanted, judging=judging, external=None)


@many()
def unscored(opened: Run, samples: Mapping[SampleKey, Sample]) -> list[tuple[Sample, tuple[str, ...]]]:
    """The samples of this shard with the scorers that have to look at them and have not decided yet."""
    decided = {
        plan.name: {key for (key, _), row in opened.store.scores(plan.folder, samples).items() if row.decided}
        for plan in opened.judging.plans
    }
    names: dict[SampleKey, list[str]] = {}
    for key, name in opened.pairs(share(opened.wanted, opened.options)):
        if key in samples and name in decided and key not in decided[name]:
            names.setdefault(key, []).append(name)
    return [(samples[key], tuple(todo)) for key, todo in names.items()]


def _record(opened: Run, external: ExternalMedia) -> None:
    """Records files that somebody else made as samples. Nothing is copied, and no frame is decoded yet."""
    listing = external.listing
    for line in external.lines:
        opened.say(line)
    standing, _ = opened.samples()
    new = [key for key in share(opened.wanted, opened.options) if key in listing.found and key not in standing]
    writer = opened.store.sample_writer()
    with progress("reading", len(new), "files") as bar:
        for unit in units(new, FILES_A_ROW_BATCH):
            rows = [found_row(listing, key, external.digests[key]) for key in unit]
            writer.append_samples(rows)
            bar.advance(len(rows), sum(isinstance(row, Failure) for row in rows))
    writer.close()


def found_row(listing: Listing, key: SampleKey, digest: str) -> Sample | Failure:
    """The row of a sample that somebody else made, who is not known here."""
    path, part = listing.found[key], listing.parts.get(key)
    try:
        facts = media.probe(path)
    except MediaError as error:
        return Failure(key, str(error))
    return Sample(
        key=key,
        seed=0,
        path=str(path),
        digest=digest,
        bytes=path.stat().st_size,
        width=facts.width if part is None else part[2],
        height=facts.height if part is None else part[3],
        frames=facts.frames,
        fps=facts.fps,
        seconds=0.0,
        part=part,
    )


def manifest_of(opened: Run, **state: Any) -> dict[str, Any]:
    """What the run's record says of it, and ``state``."""
    accelerators = [] if opened.light else environment.devices()
    return {
        **state,
        "run": opened.name,
        "identity": opened.identity,
        "model": opened.model,
        "spec": opened.spec.model_dump(mode="json"),
        "options": opened.options.record(),
        **_part_record(opened),
        "sampler": asdict(opened.info),
        **({"departs": list(opened.departs)} if opened.departs else {}),
        "suite": {**opened.suite_facts, "file": suite_file_digest(opened.suite)},
        "benchmark": {"name": opened.config.name, "version": opened.config.version},
        "scorers": {plan.name: plan.folder for plan in opened.judging.plans},
        "judges": {plan.name: plan.judge for plan in opened.judging.plans},
        "unavailable": dict(opened.judging.unavailable),
        "environment": environment.capture(),
        "device": ", ".join(accelerators) or environment.cpu_name()
        if opened.options.engine == "local"
        else "a Ray cluster",
    }


def _part_record(opened: Run) -> dict[str, Any]:
    """Which samples the record is of, where the options alone do not say it."""
    part = Part(opened.prompts, opened.wanted).record()
    return {} if asked(opened.suite, opened.config, opened.options).record() == part else {"part": part}


def write_tables(opened: Run, outcome: Outcome, folder: Path) -> tuple[Path, ...]:
    """All that ``tables/`` holds of an outcome: the run's table as md, csv and tex, and its scores one by one."""
    from nova_eval.report import export
    from nova_eval.report.baselines import load_published
    from nova_eval.report.formats import to_csv
    from nova_eval.report.parquet import write_scores

    tables = export.write_tables(outcome.summary, load_published(opened.spec.benchmark), folder)
    scores = write_scores(outcome.rows, outcome.samples, opened.prompts, folder)
    if not opened.own:
        return *tables, scores
    return *tables, scores, files.write(folder / "samples.csv", to_csv(clips_of(opened, outcome)))


def _write_derived(opened: Run, outcome: Outcome) -> None:
    from nova_eval.report.baselines import load_published
    from nova_eval.report.export import write_latency

    write_tables(opened, outcome, opened.store.inside("tables"))
    write_latency(outcome.summary, load_published(opened.spec.benchmark), opened.store.inside("logs"))


def _grouped(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason, []).append(name)
    return groups


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
