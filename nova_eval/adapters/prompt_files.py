"""Prompts of one's own as people keep them: text, CSV, JSON, JSON lines, or a folder of media and what lies beside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from posixpath import basename, splitext
from typing import Any

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.media.folders import files_below

LONGEST_TEXT = 10_000  # characters; the longest official prompt has under 2,000
TABLES = ("prompts.json", "prompts.jsonl", "prompts.csv", "metadata.jsonl", "metadata.csv")
"""Files in a folder of media that say what each of them was made for, the first that is there."""
SIDE_ENDINGS = frozenset({".txt", ".json", ".jsonl", ".csv", ".md"})

_TEXT = ("prompt_en", "prompt", "text", "caption")
_FILE = ("file", "file_name", "filename", "video_path", "image_path")
_TAGS = ("dimension", "dimensions", "category", "tag", "tags")
_REFERENCE = ("auxiliary_info", "reference")
_QUESTION = frozenset({"proposition_id", "tuple", "question_natural_language"})
_LEAST_WORDS = 3  # a name of fewer words, such as "take 3" or "0001", says nothing of what was asked for
_WORD = re.compile(r"[^\W\d_]+")
_NUMBERED = re.compile(r"(.*?)[-_]([0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file or folder says of one prompt. ``tags`` is ``None`` where it does not say what to judge it on.

    ``files`` are the media that it names, as it names them; ``text`` is "" for media that nothing is known of.
    """

    where: str
    text: str
    id: str | None = None
    tags: tuple[str, ...] | None = None
    reference: Mapping[str, Any] = field(default_factory=dict)
    rewritten: str | None = None
    files: tuple[str, ...] = ()


def read_entries(path: Path, endings: Collection[str]) -> list[Entry]:
    """The entries of a file, by its ending, or of a folder of media with ``endings``. UsageError, one line each.

    txt: a prompt a line. csv: a column prompt, maybe id, dimension, file; others are reference. json: a list of texts
    or of objects (the schema of VBench_full_info.json among them), or an object from file names to prompts. jsonl: an
    object a line (GenEval's evaluation_metadata.jsonl among them).
    """
    if path.is_dir():
        return _of_folder(path, endings)
    readers = {".txt": _lines, ".csv": _csv, ".json": _json, ".jsonl": _json_lines}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{path} has no ending of a file of prompts" if path.exists() else f"the prompt file {path} does not exist",
            remedy=f"name it with one of {', '.join(readers)}, or name a folder",
        )
    entries = list(reader(_text(path), path.name))
    if not entries:
        raise UsageError(f"{path} holds no prompt", remedy="write one prompt a line, or name another file")
    return entries


def sayable(text: object, where: str, *, empty: bool = False) -> str:
    """``text`` without blanks around it. UsageError for what is no text that a model could be asked with."""
    if not isinstance(text, str):
        raise UsageError(f"{where}: the prompt is a {type(text).__name__}, not a text")
    stripped = text.strip()
    if not (stripped or empty) or (stripped and all(unicodedata.category(one) == "Cf" for one in stripped)):
        raise UsageError(f"{where}: the prompt is empty", remedy="give it a text, or leave it out")
    if len(stripped) > LONGEST_TEXT:
        raise UsageError(f"{where}: the prompt has {len(stripped):,} characters, at most {LONGEST_TEXT:,} are taken")
    for character in stripped:
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t":
            raise UsageError(
                f"{where}: the prompt holds the control character U+{ord(character):04X}", remedy="take it out"
            )
    return stripped


def spoken(stem: str) -> tuple[str, int] | None:
    """The prompt and index that a file's stem states, where it has the words of a prompt; ``None`` where it has not."""
    numbered = _NUMBERED.fullmatch(stem)
    text = (numbered[1] if numbered else stem).strip()
    if " " not in text or len(_WORD.findall(text)) < _LEAST_WORDS:
        return None
    return text, int(numbered[2]) if numbered else 0


def _text(path: Path) -> str:
    return reading.text(path, remedy="name a file of prompts, or a folder")


def _lines(text: str, name: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if stripped := line.strip():
            if stripped[0] in "[{" and number == 1:
                raise UsageError(f"{name} looks like JSON and is read as text", remedy="name it .json or .jsonl")
            yield Entry(f"{name}, line {number}", sayable(line, f"{name}, line {number}"))


def _csv(text: str, name: str) -> Iterable[Entry]:
    """A prompt a row; of DPG-Bench's table, whose rows are questions, a prompt an item."""
    entries = list(_table(text, name))
    if not entries or not all(entry.reference.keys() >= _QUESTION for entry in entries):
        return entries
    items: dict[str, Entry] = {}
    for entry in entries:
        row = {"dependency": "0", **entry.reference}
        first = items.setdefault(
            entry.text, replace(entry, reference={"item": row.get("item_id", ""), "questions": []})
        )
        first.reference["questions"].append({key: row[key] for key in (*sorted(_QUESTION), "dependency")})
    return items.values()


def _table(text: str, name: str) -> Iterator[Entry]:
    columns = reading.csv_columns(text, name)
    if not set(columns) & {*_TEXT}:
        raise UsageError(f"{name} has no column 'prompt'", remedy=f"its columns are {', '.join(columns[:6]) or 'none'}")
    for where, row in reading.csv_table(text, name):
        if cells := {column: cell for column, cell in row.items() if cell.strip()}:
            yield entry_of({column: _cell(column, cell, where) for column, cell in cells.items()}, where)


def _cell(column: str, cell: str, where: str) -> Any:
    if cell.lstrip()[:1] not in {"{", "["} or column in _TEXT:
        return cell
    return reading.json_text(cell, f"{where}, {column}", Any)


def _json(text: str, name: str) -> Iterator[Entry]:
    content = reading.json_text(text, name, Any)
    if isinstance(content, list):
        for place, row in enumerate(content):
            where = f"{name}, entry {place}"
            yield Entry(where, sayable(row, where)) if isinstance(row, str) else entry_of(row, where)
    elif isinstance(content, dict):
        for file, row in content.items():
            where = f"{name}, {file!r}"
            if not PurePosixPath(file).suffix:
                raise UsageError(f"{where} is no file name", remedy="a JSON object goes from file names to prompts")
            told = row if isinstance(row, dict) else {_TEXT[0]: row}
            yield entry_of({**told, _FILE[0]: file}, where)
    else:
        raise UsageError(f"{name} holds a JSON {type(content).__name__}, not prompts", remedy="it needs a list")


def _json_lines(text: str, name: str) -> Iterator[Entry]:
    for where, row in reading.json_lines(text, name, Any):
        yield Entry(where, sayable(row, where)) if isinstance(row, str) else entry_of(row, where)


def entry_of(row: Any, where: str) -> Entry:
    """What an object, as JSON has it, says of a prompt."""
    if not isinstance(row, Mapping):
        raise UsageError(f"{where}: a {type(row).__name__} where a text or an object with 'prompt' is needed")
    known: dict[str, Any] = {}
    for meaning, keys in (("text", _TEXT), ("file", _FILE), ("tags", _TAGS), ("reference", _REFERENCE)):
        known[meaning] = next((row[key] for key in keys if row.get(key) is not None), None)
    if known["text"] is None and known["file"] is None and isinstance(row.get("id"), str):
        known["text"] = row["id"]  # of a suite's prompt, which says the rest
    if known["text"] is None and known["file"] is None:
        raise UsageError(f"{where}: no 'prompt'", remedy=f"its keys are {', '.join(map(str, list(row)[:6])) or 'none'}")
    own_id, rewritten, reference = row.get("id"), row.get("rewritten"), known["reference"] or {}
    if not isinstance(reference, Mapping):
        raise UsageError(f"{where}: 'auxiliary_info' must be an object")
    further = {*_TEXT, *_FILE, *_TAGS, *_REFERENCE, "id", "rewritten"}
    named = known["file"] if isinstance(known["file"], list) else [known["file"]] if known["file"] else []
    if not all(isinstance(file, str) and file for file in named):
        raise UsageError(f"{where}: 'file' must be a name or a list of names")
    return Entry(
        where,
        sayable("" if known["text"] is None else known["text"], where, empty=bool(named)),
        None if own_id is None else str(own_id) if type(own_id) in (str, int) else _refuse(where, "id"),
        None if known["tags"] is None else _tags(known["tags"], where),
        {**{key: value for key, value in row.items() if key not in further}, **reference},
        None if rewritten is None else sayable(rewritten, f"{where}, 'rewritten'"),
        tuple(named),
    )


def _tags(value: Any, where: str) -> tuple[str, ...]:
    named = [part.strip() for part in re.split("[,;]", value)] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(name, str) and name for name in named):
        _refuse(where, "dimension")
    return tuple(dict.fromkeys(named))


def _refuse(where: str, key: str) -> str:
    raise UsageError(f"{where}: {key!r} must be a text")


def _of_folder(folder: Path, endings: Collection[str]) -> list[Entry]:
    """A table in the folder, else what stands beside each file or in its name; texts alone where there is no media."""
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is not None:
        return read_entries(table, endings)
    names = files_below(folder)
    media = [name for name in names if splitext(name)[1].lower() in endings]
    texts = [folder / name for name in names if name.lower().endswith(".txt")]
    if media:
        there = frozenset(names)
        return list(_united(_of_media(name, folder, there) for name in media))
    if not texts:
        raise UsageError(
            f"{folder} holds neither media nor texts", remedy=f"known endings: {', '.join(sorted(endings))}"
        )
    return [
        Entry(path.name, sayable(_text(path), path.name), _named(path.stem), reference={"item": path.stem})
        for path in sorted(texts)
    ]


def _named(stem: str) -> str | None:
    return stem if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", stem) else None


def _of_media(name: str, folder: Path, there: Collection[str]) -> Entry:
    stem = splitext(name)[0]
    beside = folder / f"{stem}.txt" if f"{stem}.txt" in there else None
    if beside is not None and beside.is_file():
        return Entry(beside.name, sayable(_text(beside), beside.name), files=(name,))
    item, samples, inside = name.rpartition("/samples/")
    if samples and "/" not in inside and (folder / item / "metadata.jsonl").is_file():
        (first, *_) = read_entries(folder / item / "metadata.jsonl", ())
        return Entry(first.where, first.text, first.id, first.tags, first.reference, first.rewritten, (name,))
    said = spoken(basename(stem))
    return Entry(name, sayable(said[0], name) if said else "", files=(name,))


def _united(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Media of one text are samples of one prompt; media without a text are each their own."""
    first: dict[str, Entry] = {}
    for place, entry in enumerate(entries):
        key = entry.text or f"\0{place}"
        old = first.get(key)
        first[key] = entry if old is None else replace(old, files=(*old.files, *entry.files))
    yield from first.values()
