"""From a folder of finished media to a run: its files are copied (or linked) into the run and recorded as samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nova_eval.errors import UsageError, quoted
from nova_eval.plan import units
from nova_eval.progress import progress
from nova_eval.protocols import Listing
from nova_eval.records import Failure, Sample, SampleKey
from nova_eval.runs import pipeline
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome
from nova_eval.samplers.folder import FolderSampler

_GRID = "grid"  # the name of a file that holds all samples of a prompt


def import_folder(opened: Run, source: FolderSampler, *, link: bool = False) -> Outcome:
    """Puts every wanted sample that ``source`` holds into the run, and why it does not hold the others.

    Calling it again adds what is new. UsageError when a sample is there already with other bytes.
    """
    listing = source.locate(opened.whole, opened.wanted)
    for line in source.describe(listing, opened.whole):
        opened.say(line)
    digests = {path: source.looks.digest(path) for path in dict.fromkeys(listing.found.values())}
    source.looks.keep()
    with pipeline.driving(opened):
        standing, failures = opened.store.samples()
        _check_same(opened, listing, standing, digests)
        pipeline.begin(opened)
        new = [key for key in listing.found if key not in standing]
        writer = opened.store.sample_writer()
        with progress("importing", len(new), "samples") as bar:
            for unit in units(new, pipeline.FILES_A_ROW_BATCH):
                rows = [_imported(opened, listing, key, digests[listing.found[key]], link) for key in unit]
                writer.append_samples(rows)
                bar.advance(len(rows), sum(isinstance(row, Failure) for row in rows))
        absent = listing.absent("the file was missing when the folder was imported")
        writer.append_samples(Failure(key, reason) for key, reason in absent.items() if failures.get(key) != reason)
        writer.close()
        return pipeline.reduce(opened)


def _imported(opened: Run, listing: Listing, key: SampleKey, digest: str, link: bool) -> Sample | Failure:
    row = pipeline.found_row(listing, key, digest)
    if isinstance(row, Failure):
        return row
    found = listing.found[key]
    name = opened.store.media_name(key, found.suffix.lower())
    if key in listing.parts:
        name = str(Path(name).with_name(f"{_GRID}{found.suffix.lower()}"))
    target = opened.store.folder / name
    if not (target.exists() and target.samefile(found)):
        opened.store.adopt(name, found, link=link)
    return replace(row, path=name)


def _check_same(opened: Run, listing: Listing, standing: dict[SampleKey, Sample], digests: dict[Path, str]) -> None:
    other = [key for key, path in listing.found.items() if key in standing and standing[key].digest != digests[path]]
    if other:
        texts = {prompt.id: prompt.text for prompt in opened.prompts}
        first = f"{quoted(texts[other[0].prompt_id])} [{other[0].index}]"
        raise UsageError(
            f"{opened.name} holds other bytes for {len(other)} of these samples, such as {first}",
            remedy="import them under another --model",
        )
