"""Readers of runs: records, suites and rows that a stranger may have made, and what the cache remembers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from nova_eval import download, locks
from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.checks.crosscheck.official import read_answers
from nova_eval.compare import reference
from nova_eval.compare.sides import of_run
from nova_eval.records import Failure, Sample, SampleKey, Score
from nova_eval.runs import opening, options, pipeline
from nova_eval.runs.catalogue import entry
from nova_eval.runs.exporting import export_run
from nova_eval.runs.finding import scored_in
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.runs.verifying import verify
from nova_eval.samplers.looks import Looks
from nova_eval.store import RunStore
from nova_eval.weights import catalogue

_SHARD = "fuzz.jsonl"
_MEDIA = b"not looked into"


def readers() -> Iterator[Reader]:
    record, suite = "manifest.json", "prompts.jsonl"
    yield Reader("manifest.json of a run", record, "json", partial(_run, "vbench", record), _told, 0.1)
    for part in ("samples", "scores"):
        yield Reader(f"{part} of a run", _SHARD, "rows", partial(_run, "vbench", part), partial(_rows, part), 0.2)
    for name in ("vbench", "geneval", "t2i_compbench", "dpg_bench"):
        made = partial(_run, name, suite)
        yield Reader(f"prompts.jsonl of a run of {name}", suite, "jsonl", made, _told, 0.05)
        yield Reader(f"export of a run of {name}", suite, "jsonl", made, _exported, 0.02)
    yield Reader("reference of a run", "x.parquet", "bytes", _reference, reference.load, 0.1)
    yield Reader("verify", suite, "jsonl", partial(_run, "vbench", suite), _verified, 0.02)
    yield Reader("list runs", record, "json", partial(_run, "vbench", record), _listed, 0.5)
    yield Reader("memory of a folder", "looks.json", "json", _looks, _looked)
    yield Reader("note of a download", "x.part.json", "json", _note, _noted)
    yield Reader("holder of a lock", "x.lock", "json", _lock, _free)
    yield Reader("digest of a weight file", ".x.pth.sha256.json", "json", _digest, _digested)
    yield Reader("answers of an official package", "answers.jsonl", "jsonl", _answers, read_answers)


def _opened(name: str, folder: Path) -> Run:
    """Two samples of each of three prompts, of a sampler that is never asked."""
    chosen = folder / "mine.txt"
    prompts = load_benchmark(name).suite("sprites").prompts
    chosen.write_text("".join(f"{prompt.id}\n" for prompt in prompts[5 :: len(prompts) // 3]))
    asked = {"sampler": "noise", "samples_per_prompt": 2, "prompts": chosen, "variant": "sprites"}
    opened = opening.open_run(*options.resolve(name, asked))
    return replace(opened, store=RunStore(folder))


def _run(name: str, file: str, folder: Path) -> Iterable[bytes]:
    """A run in ``folder``; the whole content of ``file``, or of the rows of a part."""
    opened = _opened(name, folder)
    pipeline.begin(opened)
    samples = [_sample(opened, key) for key in opened.wanted]
    writer = opened.store.sample_writer()
    writer.append_samples([*samples, Failure(SampleKey(samples[0].key.prompt_id, 9), "no room")])
    writer.close()
    for plan in opened.judging.plans:
        scores = opened.store.score_writer(plan.folder)
        detail = {"seen": ["red", 1, None]}
        scores.append_scores((Score(sample.key, plan.name, 0.5, detail=detail), sample) for sample in samples)
        scores.close()
    pipeline.reduce(opened)
    manifest = json.loads((folder / "manifest.json").read_bytes())  # as earlier versions wrote it, without digests
    del manifest["check"]
    manifest["suite"] = {"source": manifest["suite"]["source"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    part = next(iter(folder.glob(f"{file}/**/*.jsonl")), None)
    if part is None:
        return [(folder / file).read_bytes()]
    content = part.read_bytes()
    part.unlink()
    return [content]


def _sample(opened: Run, key: SampleKey) -> Sample:
    path = opened.store.media_name(key, ".mp4")
    opened.store.write(path, _MEDIA)
    return Sample(key, 7, path, sha256(_MEDIA).hexdigest(), len(_MEDIA), 64, 64, 17, 8.0, 0.5)


def _told(path: Path) -> object:
    """What ``table`` reads."""
    return summarise(opening.reopen(path.parent)).summary


def _rows(part: str, path: Path) -> object:
    store = RunStore(path.parent)
    places = [path.parent / "samples", *sorted(path.parent.glob("scores/*"))]
    path.replace((places[0] if part == "samples" else places[1]) / _SHARD)
    samples, _ = store.samples()
    return [store.scores(place.name, samples) for place in places[1:]], list(store.shard_files())


def _reference(folder: Path) -> Iterable[bytes]:
    list(_run("vbench", "manifest.json", folder))
    return [reference.save(of_run(folder), folder / "x.parquet").read_bytes()]


def _exported(path: Path) -> object:
    target = path.with_name("out")
    shutil.rmtree(target, ignore_errors=True)
    return export_run(opening.reopen(path.parent), target)


def _verified(path: Path) -> object:
    return list(verify(path.parent))


def _listed(path: Path) -> object:
    return entry(path.parent), scored_in(path.parent)


def _looks(folder: Path) -> Iterable[bytes]:
    media = folder / "a.mp4"
    media.write_bytes(_MEDIA)
    looks = Looks(folder / "looks.json")
    looks.digest(media)
    for look in looks._looks.values():
        look.settled = True
    looks.keep()
    return [(folder / "looks.json").read_bytes()]


def _looked(path: Path) -> object:
    looks = Looks(path)
    return looks.digest(path.with_name("a.mp4")), looks.known_problem(path.with_name("a.mp4"))


def _note(folder: Path) -> Iterable[bytes]:
    return [json.dumps({"url": "http://x", "validator": '"1"'}).encode()]


def _noted(path: Path) -> object:
    return download._noted("http://x", path.with_name("x.part"))


def _lock(folder: Path) -> Iterable[bytes]:
    return [json.dumps(locks._myself()).encode()]


def _free(path: Path) -> object:
    with locks._opened(path) as number:
        holder = locks._holder(number)
    return locks._is_gone(holder), "process {pid} on {host}, since {since}".format(**locks._UNKNOWN | {**holder})


def _digest(folder: Path) -> Iterable[bytes]:
    (folder / "x.pth").write_bytes(_MEDIA)
    catalogue.remember(folder / "x.pth", "0" * 64)
    return [(folder / ".x.pth.sha256.json").read_bytes()]


def _digested(path: Path) -> object:
    catalogue._digest.cache_clear()
    return catalogue.digest(path.with_name("x.pth"))


def _answers(folder: Path) -> Iterable[bytes]:
    rows = [{"dimension": "color", "score": 0.5, "videos": [{"video_path": "a"}], "wall": [0.1], "load": 1.0}] * 2
    return ["".join(f"{json.dumps(row)}\n" for row in rows).encode()]
