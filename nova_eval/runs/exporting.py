"""From a run to a folder that a benchmark's own scripts read: media under official names, scores in official files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nova_eval import files, media
from nova_eval.adapters.names import Names, case_collisions, check_distinct, part_of_grid
from nova_eval.adapters.own_names import OwnNames
from nova_eval.adapters.prompt_files import TABLES
from nova_eval.adapters.results import OfficialResults
from nova_eval.config import CUSTOM
from nova_eval.errors import MediaError, PrerequisiteError, UsageError, unknown
from nova_eval.progress import progress
from nova_eval.protocols import Frames
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.store import RunStore

_OFFICIAL = "official"
_SEPARATE = "separate"  # the names of images that share no picture, and the folder that holds them beside grids


class Exported(NamedTuple):
    """What was written and what was left out, a line each, and how many samples are not the bytes of their rows."""

    lines: list[str]
    damaged: int


def export_run(opened: Run, target: Path, *, names: str = "", link: bool = False) -> Exported:
    """Fills ``target``, a folder that is new or empty. Nothing is written where a name would leave it.

    Media keep their bytes, and those whose bytes are not what their row says are left out. Samples that have to share a
    picture (DPG-Bench's grids) are put together without loss, and stand beside as they are, so that an import finds the
    same bytes. Result files are of official scoring alone. ``names``, when empty, are official ones; media of own
    prompts keep their own, and a table says whose they are.
    """
    choices = _choices(opened)
    names = names or next(iter(choices))
    if names not in choices:
        raise unknown(f"names of {opened.spec.benchmark}", names, choices)
    chosen = choices[names]
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not an empty folder", remedy="name a new folder")
    samples, _ = opened.samples()
    samples = {key: samples[key] for key in opened.wanted if key in samples}
    if not samples:
        raise UsageError(f"{opened.name} has no sample to export", remedy="sample or import some first")
    by_id = {prompt.id: prompt for prompt in opened.suite}
    refused = {key for key in samples if chosen.refusal(by_id[key.prompt_id], key.index)}
    kept = {key: Path(sample.path) for key, sample in samples.items() if key not in refused}
    root = target / chosen.folder
    shared = chosen.side > 1
    made = {key for key in kept if shared == (samples[key].part is None)}  # put together or cut, as PNG
    called = chosen.official(
        opened.suite, {key: ".png" if key in made else _ending(path) for key, path in kept.items()}
    )
    if not shared:
        check_distinct(called)
    alone = choices[_SEPARATE].official(opened.suite, {key: _ending(kept[key]) for key in made}) if shared else {}
    beside = chosen.beside(opened.suite, kept)
    _check_names((*called.values(), *alone.values(), *beside))
    absent = len(opened.wanted) - len(samples)
    samples = {key: samples[key] for key in kept}
    damaged = {key: reason for key, sample in samples.items() if (reason := _damage(opened.store, sample))}
    for key in damaged:
        del samples[key], called[key]
        alone.pop(key, None)
    try:
        written = _write_media(opened.store, samples, called, root, chosen, link=link)
        further = chosen.beside(opened.suite, written)
        further |= _table(opened.suite, {key: called[key] for key in written}) if names == CUSTOM else {}
        for name, data in further.items():
            files.write(files.inside(root, name), data)
        for key, name in alone.items():
            files.place(opened.store.media(samples[key]), files.inside(target / _SEPARATE, name), link=link)
        results = _write_results(opened, {key: root / called[key] for key in written}, target)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {target}: {error.strerror or error}", remedy="free space, or choose another folder"
        ) from error
    unread = sorted({_ending(Path(samples[key].path)) for key in written} - set(choices[_OFFICIAL].read_officially))
    foreign = [f"the official scripts do not read {', '.join(unread)}"] if unread else []
    alike = case_collisions({called[key] for key in written})
    if alike:
        results.append(f"{len(alike)} names are another's where case is ignored, such as {alike[0][1]!r}")
    left_out = {
        "the run does not have them": absent,
        next(iter(damaged.values()), ""): len(damaged),
        "no file can be named after their prompts": len(refused),
    }
    lines = [f"{len(written)} of {len(opened.wanted)} samples in {root}"]
    lines += [f"left out {number} samples: {reason}" for reason, number in left_out.items() if number]
    if apart := len(samples) - len(written):
        lines.append(f"{apart} samples are in {_SEPARATE}/ only: a grid takes four images of one size")
    return Exported([*lines, *foreign, *results], len(damaged))


def _choices(opened: Run) -> dict[str, Names]:
    """The names that media of a run may be given, the usual ones first."""
    official = opened.benchmark.names()
    return {
        **({CUSTOM: OwnNames(())} if opened.spec.variant == CUSTOM else {}),
        _OFFICIAL: official,
        **({_SEPARATE: opened.benchmark.names(side=1)} if official.side > 1 else {}),
    }


def _table(prompts: Sequence[Prompt], called: Mapping[SampleKey, str]) -> dict[str, bytes]:
    """The prompt of each file, as VBench's --prompt_file has it."""
    texts = {prompt.id: prompt.text for prompt in prompts}
    table = {name: texts[key.prompt_id] for key, name in called.items()}
    return {TABLES[0]: json.dumps(table, ensure_ascii=False, indent=1).encode()}


def _ending(path: Path) -> str:
    """A file's ending as official scripts look for it: in small letters."""
    return path.suffix.lower()


def _write_media(
    store: RunStore,
    samples: Mapping[SampleKey, Sample],
    called: Mapping[SampleKey, str],
    root: Path,
    names: Names,
    *,
    link: bool,
) -> list[SampleKey]:
    """The samples that were written; those of a grid that cannot be put together are not."""
    shared = names.side > 1
    groups: dict[str, list[SampleKey]] = {}
    for key, name in called.items():
        groups.setdefault(name, []).append(key)
    written: list[SampleKey] = []
    with progress("exporting", len(called), "samples") as bar:
        for name, keys in groups.items():
            first = samples[keys[0]]
            if shared == (first.part is not None):  # the file is what the name means: a grid, or one sample
                files.place(store.media(first), files.inside(root, name), link=link)
                written += keys
            else:
                data = _grid([samples[key] for key in keys], store, names.side) if shared else _cut(first, store)
                if data is not None:
                    files.write(files.inside(root, name), data)
                    written += keys
            bar.advance(len(keys))
    return written


def _grid(samples: Sequence[Sample], store: RunStore, side: int) -> bytes | None:
    """The picture that samples share, rows first; ``None`` unless all of them are there and of one size."""
    by_index = {sample.key.index: sample for sample in samples}
    sizes = {(sample.width, sample.height) for sample in samples}
    if set(by_index) != set(range(side**2)) or len(sizes) != 1:
        return None
    ((width, height),) = sizes
    picture = np.zeros((side * height, side * width, 3), np.uint8)
    for index, sample in by_index.items():
        left, top, _, _ = part_of_grid(side * width, side * height, index, side)
        picture[top : top + height, left : left + width] = _pixels(sample, store)
    return media.encode_image(picture)


def _cut(sample: Sample, store: RunStore) -> bytes:
    return media.encode_image(_pixels(sample, store))


def _pixels(sample: Sample, store: RunStore) -> Frames:
    frame: Frames = media.read(store.media(sample), as_stored=sample.part is not None).frames[0]
    if sample.part is None:
        return frame
    left, top, width, height = sample.part
    return np.ascontiguousarray(frame[top : top + height, left : left + width])


def _write_results(opened: Run, paths: Mapping[SampleKey, Path], target: Path) -> list[str]:
    if opened.options.scoring != "official":
        return [f"no official result file: the run has {opened.options.scoring} scoring"]
    outcome = summarise(opened)
    counted = opened.benchmark.rows(opened.prompts, opened.wanted, outcome.rows, opened.options.scoring)
    results = OfficialResults(
        model=opened.model,
        prompts=opened.prompts,
        rows=_with_numbers(outcome.rows, paths),
        counted=_with_numbers(counted, paths),
        metrics=outcome.summary.metrics,
        paths={key: path.relative_to(target).as_posix() for key, path in paths.items()},
    )
    if not results.counted:
        return ["no official result file: nothing is scored yet"]
    texts = opened.benchmark.result_files(results)
    for name, text in texts.items():
        files.write(files.inside(target, name), text)
    partial = outcome.summary.coverage.unscored
    lines = [f"official result files: {', '.join(texts)}"]
    return lines + ([f"they are of a part of the run: {partial} scores are missing"] if partial else [])


def _check_names(names: Iterable[str]) -> None:
    """Before anything is written."""
    for name in names:
        files.relative(name)


def _damage(store: RunStore, sample: Sample) -> str:
    """Why the media of a row is not what the row says, "" where it is."""
    try:
        store.whole_media(sample)
    except MediaError as error:
        return error.problem
    return ""


def _with_numbers(rows: Iterable[Score], paths: Mapping[SampleKey, Path]) -> list[Score]:
    return [row for row in rows if row.value is not None and row.weight > 0 and row.key in paths]
