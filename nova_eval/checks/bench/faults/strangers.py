"""Faults by strangers: rows and prompts that are well-formed, and lead out of the run, or say what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from nova_eval.checks.bench.faults import holding
from nova_eval.checks.bench.faults.case import Case, paths_of
from nova_eval.errors import INCOMPLETE, OK, PREREQUISITE, USAGE
from nova_eval.identity import suite_digest
from nova_eval.records import Prompt
from nova_eval.store import RunStore

Row = dict[str, Any]
_OUTSIDE = (
    "../secret.png",
    "../../../../secret.png",
    "/etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "media/../../secret.png",
)
_NO_PATHS = ("", ".", "..", "media", "media/\0", "x" * 5000, "media/\udc80", None, 7, ["media"], {"path": "media"})
_NO_NUMBERS: tuple[Any, ...] = (float("nan"), float("inf"), -float("inf"), "0.5", [1], {"value": 1})
_NO_KEYS: tuple[Any, ...] = (
    [],
    ["a"],
    ["a", "b"],
    "ab",
    None,
    {"a": 1},
    ["../../x", 0],
    ["stranger/0000", 0],
    [["a"], 0],
)
_ALL = (OK, INCOMPLETE, USAGE, PREREQUISITE)


def of_samples(case: Case) -> None:
    """A row of samples with a path, a key or a number that cannot be."""
    fields: dict[str, Sequence[Any]] = {
        "path": (*_OUTSIDE, *_NO_PATHS),
        "key": _NO_KEYS,
        "bytes": (*_NO_NUMBERS, -1, 10**30),
        "width": (-1, 0, 10**9, "wide"),
        "part": ([0, 0, 9, 9], [-5, -5, 9, 9], [0, 0, 10**9, 10**9], "part", [1]),
        "digest": ("", 7, None, "0" * 64),
        "seconds": _NO_NUMBERS,
        "fps": _NO_NUMBERS,
        "stranger": (1,),
    }
    _changed(case, "samples/*.jsonl", fields)


def of_scores(case: Case) -> None:
    """A row of scores with a value, a weight or a key that cannot be."""
    fields: dict[str, Sequence[Any]] = {
        "value": _NO_NUMBERS,
        "weight": _NO_NUMBERS,
        "key": _NO_KEYS,
        "metric": ("stranger", "", None, 7, "../x", "\x1b[31m"),
        "detail": ("words", 7, [[[]]]),
        "reason": (7, None, ["why"]),
        "of": ("", None, 7, "0" * 64),
        "stranger": (1,),
    }
    _changed(case, "scores/*/*.jsonl", fields)


def _changed(case: Case, pattern: str, fields: dict[str, Sequence[Any]]) -> None:
    run = case.copy_finished()
    path = case.random.choice(paths_of(run, pattern))
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    name = case.random.choice(sorted(fields))
    for line in lines:
        line.pop("crc")
    row = case.random.choice(lines)
    row[name] = case.random.choice(fields[name])
    path.write_bytes(b"".join(map(holding.line, lines)))
    _looked_at(case, run, f"{path.parent.name}: {name} = {row[name]!r:.60}")


def of_prompts(case: Case) -> None:
    """Prompts whose ids, tags or references lead out of the run; the manifest speaks of just these."""
    run = case.copy_finished()
    lines = [json.loads(line) for line in (run / "prompts.jsonl").read_text().splitlines()]
    changes: dict[str, Callable[[Row], Row]] = {
        "id": lambda row: {"id": f"../../../../secret/{row['id']}"},
        "text": lambda row: {"text": "../" * 9 + "secret \x1b]0;owned\x07"},
        "tags": lambda row: {"tags": ["../../secret", *row["tags"]]},
        "no tags": lambda row: {"tags": []},
        "reference": lambda row: {
            "reference": {"include": [{"class": "../x", "count": 10**9}], "item": "../../secret"}
        },
        "no reference": lambda row: {"reference": {}},
    }
    name = case.random.choice(sorted(changes))
    victims = [row for row in lines if case.random.random() < 0.7] or lines
    for row in victims:
        row.update(changes[name](row))
    prompts = [Prompt(row["id"], row["text"], tuple(row["tags"]), row["reference"], row["rewritten"]) for row in lines]
    data = "".join(json.dumps(row) + "\n" for row in lines).encode()
    (run / "prompts.jsonl").write_bytes(data)
    store = RunStore(run)
    manifest = store.manifest() or {}
    facts = {"file": sha256(data).hexdigest(), "digest": suite_digest(prompts)}
    store.write_manifest({**manifest, "suite": {**manifest["suite"], **facts}})
    _looked_at(case, run, f"prompts: {name}", same=False)


def of_record(case: Case) -> None:
    """A manifest that leads out of the run, and is whole."""
    run = case.copy_finished()
    store = RunStore(run)
    manifest = store.manifest() or {}
    changes: dict[str, Callable[[], object]] = {
        "scorers": lambda: manifest["scorers"].update(dict.fromkeys(manifest["scorers"], "../../../../secret")),
        "results": lambda: manifest["options"].update(results="/nowhere"),
        "sampler": lambda: manifest["sampler"].update(settings={"folder": "/etc"}),
        "options": lambda: manifest.update(options=[]),
        "benchmark": lambda: manifest["spec"].update(benchmark="../../x.py:Evil"),
        "scoring": lambda: manifest["options"].update(scoring="generous"),
        "device": lambda: manifest.update(device="\x1b]0;owned\x07"),
    }
    name = case.random.choice(sorted(changes))
    changes[name]()
    store.write_manifest(manifest)
    _looked_at(case, run, f"manifest: {name}", same=False)


def _looked_at(case: Case, run: Path, what: str, *, same: bool = True) -> None:
    """Who looks gets an answer or a line, and nothing outside of the run is read into it, written or removed.

    ``same``: an answer at full coverage is the undisturbed one.
    """
    secret = case.results.parent / "secret.png"
    secret.write_bytes(paths_of(run, "media/**/*.*")[0].read_bytes())
    before = _outside(case, run)
    case.count.injected += 1
    wrong = case.count.wrong
    table = case.command("table", run, "--baselines", "none", "--json")
    if same:
        case.told(table)
    else:
        case.ended(table, *_ALL)
    target = case.folder / "out" / "exported"
    for words in (("verify", run), ("export", run, target), ("score", run)):
        done = case.command(*words)
        case.ended(done, *_ALL)
        if {"\x1b", "\x07", "\0"} & set(done.output + done.error):
            case.wrong("unclear", done, "a terminal would obey it")
    if _outside(case, run) != before:
        case.wrong("lost", note="something outside of the run changed")
    if case.count.wrong > wrong:
        case.notes.append(what)


def _outside(case: Case, run: Path) -> dict[str, int]:
    """What lies outside of the run and of what was exported, and when it was written."""
    apart = (run, case.folder / "out" / "exported", case.folder / "said")
    found = {path for path in case.folder.rglob("*") if not any(path.is_relative_to(folder) for folder in apart)}
    return {str(path): path.lstat().st_mtime_ns for path in found if not path.is_dir()}


KINDS: dict[str, Callable[[Case], None]] = {
    "samples of strangers": of_samples,
    "scores of strangers": of_scores,
    "prompts of strangers": of_prompts,
    "record of strangers": of_record,
}
