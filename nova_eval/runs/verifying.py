"""Whether a run's folder is what it says: every file is read, and what can be mended is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from nova_eval import files
from nova_eval.config import RunSpec
from nova_eval.errors import CorruptStoreError, MediaError, NovaEvalError
from nova_eval.identity import suite_digest
from nova_eval.records import Sample, SampleKey
from nova_eval.rows import fields_of
from nova_eval.runs import opening, pipeline
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.store import RunStore

_REMEDY = "--fix"


class Fault(NamedTuple):
    """One thing that is not as it should be. ``mended`` says what was done; without it, ``remedy`` what can be."""

    what: str
    mended: str = ""
    remedy: str = ""


def verify(folder: Path, *, fix: bool = False) -> Iterator[Fault]:
    """Reads manifest, suite, rows, media and tables of a run.

    Nothing is changed unless ``fix``. Then rows that are none are moved aside (``*.jsonl.broken``), as are media whose
    bytes are in no row (``*.damaged``), so that ``run`` makes them anew, and scores of no sample (``*.stray``); suite
    and tables are written anew from what they are made of. A manifest that cannot be read is told, and then nothing
    else is known.
    """
    store = RunStore(folder)
    try:
        manifest = store.manifest()
    except CorruptStoreError as error:
        yield Fault(error.problem, remedy=error.remedy)
        return
    if manifest is None:
        yield Fault(f"{folder} has no manifest.json: it is no run", remedy="call the run's own `run` command again")
        return
    yield from _suite(store, fix)
    broken = list(_rows(store, fix))
    yield from broken
    try:
        opened = opening.reopen(folder)
        rows = store.sample_rows()[0]
    except NovaEvalError as error:
        yield Fault(f"scores and tables were not looked at: {error.problem}", remedy=error.remedy)
        return
    yield from _media(opened, rows, fix)
    if all(finding.mended for finding in broken):  # else they are of rows that cannot be read
        yield from _scores(opened, rows, fix)
        yield from _tables(opened, fix)


def _suite(store: RunStore, fix: bool) -> Iterator[Fault]:
    try:
        store.prompts()
        return
    except CorruptStoreError as error:
        problem, remedy = error.problem, error.remedy
    manifest = store.manifest() or {}
    try:
        spec = RunSpec.model_validate(manifest["spec"])
        suite, _ = opening.suites(spec, opening.recorded_options(manifest))
    except (NovaEvalError, KeyError, TypeError, ValueError):
        yield Fault(problem, remedy=remedy)
        return
    if suite_digest(suite.prompts) != manifest.get("suite", {}).get("digest"):
        yield Fault(problem, remedy=remedy)
    elif fix:
        store.write_prompts(suite.prompts, anew=True)
        yield Fault(problem, mended="written anew from the benchmark's own prompts")
    else:
        yield Fault(problem, remedy=_REMEDY)


def _rows(store: RunStore, fix: bool) -> Iterator[Fault]:
    for path, whole, broken in store.shard_files():
        if not broken:
            continue
        what = f"{path}: {len(broken)} lines are not whole rows, the first is line {broken[0]}"
        if fix:
            yield Fault(what, mended=f"{_only(path, whole, 'broken')}; `run` makes the rest anew")
        else:
            yield Fault(what, remedy=_REMEDY)


def _only(path: Path, lines: Sequence[bytes], ending: str) -> str:
    """Leaves only these lines in a file of rows; says where all are."""
    aside = _aside(path, ending)
    files.write(path, b"".join(line + b"\n" for line in lines))
    return f"kept {len(lines)} rows; all is in {aside.name}"


def _media(opened: Run, rows: dict[SampleKey, list[Sample]], fix: bool) -> Iterator[Fault]:
    """What no row is of: bytes that changed, files that are gone, files that no row names."""
    store = opened.store
    named: dict[str, list[Sample]] = {}
    for sample in (sample for samples in rows.values() for sample in samples):
        named.setdefault(sample.path, []).append(sample)
    for name, samples in sorted(named.items()):
        reasons = [_wrong(store, sample) for sample in samples]
        if "" in reasons:
            continue
        try:
            path = store.media(samples[0])
        except MediaError as error:
            yield Fault(error.problem, remedy="`run` makes it anew, or bring the file back")
            continue
        ours = not name.startswith("/")
        if fix and ours:
            yield Fault(reasons[0], mended=f"moved to {_aside(path, 'damaged').name}; `run` makes it anew")
        else:
            yield Fault(reasons[0], remedy=_REMEDY if ours else "bring the file back as it was, or run again")
    there = {str(path.relative_to(store.folder)) for path in store.folder.glob("media/**/*") if not path.is_dir()}
    spare = sorted(name for name in there - named.keys() if Path(name).suffix not in (".damaged", ".tmp"))
    if spare:
        yield Fault(f"{len(spare)} files are in no row, such as {spare[0]}", remedy="nothing reads them; remove them")


def _wrong(store: RunStore, sample: Sample) -> str:
    try:
        store.whole_media(sample)
    except MediaError as error:
        return error.problem
    return ""


def _scores(opened: Run, rows: dict[SampleKey, list[Sample]], fix: bool) -> Iterator[Fault]:
    """Folders of scores that the record names and that are not there, and scores of bytes that no sample ever had."""
    known = {(*key, sample.digest) for key, samples in rows.items() for sample in samples}
    for path, lines, _ in list(opened.store.shard_files()):
        kept = [line for line in lines if path.parent.name == "samples" or _speaks_of(line) in known]
        if len(kept) == len(lines):
            continue
        what = f"{path}: {len(lines) - len(kept)} of {len(lines)} scores are of no sample that is recorded"
        if fix:
            yield Fault(what, mended=_only(path, kept, "stray"))
        else:
            yield Fault(what, remedy=f"`run` makes lost samples anew; {_REMEDY} moves the scores aside")
    for plan in opened.judging.plans:
        if not opened.store.inside(f"scores/{plan.folder}").is_dir() and opened.samples()[0]:
            yield Fault(f"{plan.name}: scores/{plan.folder} is not there", remedy="call `score RUN`")


def _speaks_of(line: bytes) -> tuple[str, int, str]:
    fields = fields_of(line + b"\n")
    return str(fields["key"][0]), int(fields["key"][1]), str(fields.get("of"))


def _tables(opened: Run, fix: bool) -> Iterator[Fault]:
    """Tables and coverage against what the rows on disk say now."""
    outcome = summarise(opened)
    elsewhere = any(sample.path.startswith("/") for sample in outcome.samples.values())
    if elsewhere and outcome.summary.coverage.unscored:  # why files are missing there is known to their sampler alone
        return
    folder = opened.store.inside("tables")
    with TemporaryDirectory() as made:
        named = replace(outcome.summary, run=(opened.store.manifest() or {}).get("run", opened.name))
        written = pipeline.write_tables(opened, replace(outcome, summary=named), Path(made))  # under the name of then
        stale = [path.name for path in written if not _alike(folder / path.name, path)]
    told = (opened.store.manifest() or {}).get("coverage", {}).get("fraction")
    if told not in (None, outcome.summary.coverage.fraction):
        stale.append("manifest.json")
    if not stale:
        return
    what = f"{', '.join(stale)}: not what the rows say"
    if fix:
        with pipeline.driving(opened):
            pipeline.reduce(opened)
        yield Fault(what, mended="written anew from the rows")
    else:
        yield Fault(what, remedy=_REMEDY)


def _alike(path: Path, made: Path) -> bool:
    """Whether a table is as it would be made now; Parquet by its content, whose bytes depend on its writer."""
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        there, anew = files.read(path, 1 << 28), made.read_bytes()
        if there == anew or made.suffix != ".parquet":
            return there == anew
        tables = [parquet.read_table(arrow.BufferReader(x), page_checksum_verification=True) for x in (there, anew)]
        return bool(tables[0].equals(tables[1]))
    except (OSError, ValueError, arrow.ArrowException):
        return False


def _aside(path: Path, ending: str) -> Path:
    """Moves a file beside itself under a name that nothing reads."""
    aside = path.with_name(f"{path.name}.{ending}")
    path.rename(aside)
    files.sync_folder(path.parent)
    return aside
