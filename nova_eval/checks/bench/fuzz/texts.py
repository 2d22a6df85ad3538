"""Readers of what people write and fetch: prompts, tables, settings, recordings, notes in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from nova_eval.adapters import load_benchmark, own
from nova_eval.adapters.dpg_bench import questions
from nova_eval.adapters.geneval import metadata
from nova_eval.adapters.sources import files_of, load_sources
from nova_eval.adapters.suite import Suite
from nova_eval.adapters.suite import read_entries as read_suite
from nova_eval.adapters.t2i_compbench import parses
from nova_eval.adapters.t2i_compbench.prompts import prompts as compbench_prompts
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.compare import votes
from nova_eval.config import CUSTOM, Facts, data_folder, read_benchmark
from nova_eval.errors import PrerequisiteError
from nova_eval.reading import toml_file
from nova_eval.records import Prompt, SampleKey
from nova_eval.report.baselines import load_baselines
from nova_eval.report.presets import load_preset

_FEW = 4


def readers() -> Iterator[Reader]:
    yield from _prompts()
    yield from _tables()
    yield from _facts()
    yield Reader("blind votes", "votes.json", "json", _always(_ballot()), votes.read)


# --- prompts --------------------------------------------------------------------------------------------------------


def _prompts() -> Iterator[Reader]:
    for name in ("vbench", "geneval", "t2i_compbench", "dpg_bench"):
        use = partial(_own, name)
        yield Reader(f"own prompts json, {name}", "prompts.json", "json", _always(*_json_forms(name)), use, 0.4)
        yield Reader(f"own prompts jsonl, {name}", "prompts.jsonl", "jsonl", _always(_lines(_rows(name))), use, 0.4)
    yield Reader("own prompts txt", "prompts.txt", "text", _always(_texts()), partial(_own, "vbench"), 0.5)
    yield Reader("own prompts csv", "prompts.csv", "csv", _always(*_csv_forms()), partial(_own, "vbench"), 0.5)
    yield Reader("own questions csv", "mine.csv", "csv", _always(_questions()), partial(_own, "dpg_bench"), 0.5)
    yield Reader("text beside media", "a.txt", "text", _beside_media, _own_folder, 0.5)
    yield Reader("table in a folder", "prompts.json", "json", _beside_media_table, _own_folder, 0.5)
    yield Reader(
        "suite file", "sprites.json", "json", _always(_dumped(_rows("vbench"))), partial(read_suite, suite="x")
    )
    yield Reader("metadata of GenEval", "metadata.jsonl", "jsonl", _always(_metadata()), _owners())
    yield Reader("prompts of T2I-CompBench", "color_val.txt", "text", _always(_texts()), _compbench)


def _own(name: str, path: Path) -> object:
    """As ``run --prompts`` reads them, until it is known what judges them."""
    benchmark = load_benchmark(name)
    chosen = own.own_suite(benchmark.config, path, CUSTOM, _nowhere)
    prompts = chosen.suite.prompts
    return chosen.suite.digest, list(benchmark.pairs(prompts, [SampleKey(prompt.id, 0) for prompt in prompts]))


def _own_folder(path: Path) -> object:
    return _own("vbench", path.parent)


def _nowhere(variant: str) -> Suite:
    raise PrerequisiteError(f"no {variant} prompts")


def _beside_media(folder: Path) -> Iterable[bytes]:
    (folder / "a.mp4").write_bytes(b"not looked into")
    return [b"a cat on a roof\n"]


def _beside_media_table(folder: Path) -> Iterable[bytes]:
    _beside_media(folder)
    return [_dumped({"a.mp4": "a cat", "sub/b.mp4": {"prompt_en": "a dog", "dimension": ["scene"]}})]


def _rows(name: str) -> list[Any]:
    """A few prompts of the embedded world, of different kinds."""
    rows: list[Any] = json.loads((data_folder("prompts") / name / "sprites.json").read_text(encoding="utf-8"))
    return rows[:: max(1, len(rows) // _FEW)]


def _json_forms(name: str) -> list[bytes]:
    rows = _rows(name)
    table = {f"{place}.mp4": row for place, row in enumerate(rows)}
    return [_dumped(rows), _dumped([row["prompt_en"] for row in rows]), _dumped(table)]


def _csv_forms() -> list[bytes]:
    return [
        b"id,prompt,dimension,file\nx1,a cat,scene;color,a.mp4\nx2,a dog,,b.mp4\n",
        b'prompt,auxiliary_info\na cat,"{""color"": ""red""}"\n',
        _questions(),
    ]


def _texts() -> bytes:
    return "".join(f"{row['prompt_en']}\n" for row in _rows("vbench")).encode()


def _metadata() -> bytes:
    rows = [
        {"tag": row["dimension"][0], **row["auxiliary_info"], "prompt": row["prompt_en"]} for row in _rows("geneval")
    ]
    return _dumped(rows[1]) + b"\n"


def _owners() -> Callable[[Path], object]:
    known = metadata.Owners(
        [
            Prompt(f"geneval/{n:04d}", row["prompt_en"], tuple(row["dimension"]), row["auxiliary_info"])
            for n, row in enumerate(_rows("geneval"))
        ]
    )
    return lambda path: known.of(metadata.read(path))


def _compbench(path: Path) -> object:
    return list(compbench_prompts("complex", path, (["a cat"], ["a dog"])))


# --- tables ---------------------------------------------------------------------------------------------------------


def _tables() -> Iterator[Reader]:
    yield Reader("questions of DPG-Bench", "dpg_bench.csv", "csv", _always(_questions()), questions.load_table)
    yield Reader("parsed prompts", "parses.json", "json", _always(_parsed()), parses.load_parses)
    for name in ("vbench", "t2i_compbench"):
        config = load_benchmark(name).config
        table = (data_folder("benchmarks") / name / "baselines.csv").read_bytes().split(b"\n")
        made = _always(b"\n".join(table[:4]) + b"\n")
        yield Reader(f"published rows, {name}", "baselines.csv", "csv", made, partial(load_baselines, config=config))


def _questions() -> bytes:
    head = "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    head += "question_natural_language"
    rows = [
        f'{item},a boat {item},,{n},"{parent}",entity,whole,entity - whole (a{n}),Is there a {n}?'
        for item in ("0", "COCO1")
        for n, parent in ((1, "0"), (2, "1"), (3, "1,2"))
    ]
    return "\n".join([head, *rows, ""]).encode()


def _ballot() -> bytes:
    cast = [{"key": ["a/0", n], "check": "0123456789abcdef", "vote": word} for n, word in enumerate(("left", "same"))]
    return _dumped({"kind": votes.KIND, "schema": votes.SCHEMA, "report": "a", "seed": 0, "votes": cast})


def _parsed() -> bytes:
    entry = {"tokens": [["a", "DET"], ["red", "ADJ"], ["cat", "NOUN"]], "noun_phrases": ["a red cat"]}
    return _dumped({"parser": "spaCy", "prompts": {"a red cat": entry, "b": entry}})


# --- facts of benchmarks --------------------------------------------------------------------------------------------


def _facts() -> Iterator[Reader]:
    for name in ("vbench", "dpg_bench"):
        content = (data_folder("benchmarks") / name / "benchmark.toml").read_bytes()
        yield Reader(f"benchmark.toml, {name}", "benchmark.toml", "toml", _always(content), _benchmark, 0.1)
    pins = (data_folder("prompts") / "dpg_bench" / "SOURCE.toml").read_bytes()
    listing = (data_folder("prompts") / "dpg_bench" / "prompts.sha256").read_bytes().split(b"\n")[:4]
    yield Reader("SOURCE.toml", "SOURCE.toml", "toml", partial(_pins, b"\n".join(listing), pins), _sources)
    made = partial(_pins, pins, b"\n".join(listing), name="SOURCE.toml")
    yield Reader("list of pinned files", "prompts.sha256", "text", made, _sources)
    presets = (data_folder("benchmarks") / "presets.toml").read_bytes()
    yield Reader("presets.toml", "presets.toml", "toml", _always(presets), _preset, 0.03)


def _benchmark(path: Path) -> object:
    return read_benchmark(Facts("x", path.parent, path.parent))


def _pins(beside: bytes, content: bytes, folder: Path, name: str = "prompts.sha256") -> Iterable[bytes]:
    (folder / name).write_bytes(beside)
    return [content]


def _sources(path: Path) -> object:
    return [files_of(source) for source in load_sources(Facts("dpg_bench", path.parent, path.parent))]


def _preset(path: Path) -> object:
    return load_preset(toml_file(path, dict[str, Any]), "paper-t2i")


def _always(*contents: bytes) -> Callable[[Path], Iterable[bytes]]:
    return lambda folder: contents


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(rows: Iterable[Any]) -> bytes:
    return b"".join(_dumped(row) + b"\n" for row in rows)
