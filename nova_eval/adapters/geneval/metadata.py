"""GenEval's metadata.jsonl: a folder's images are of the prompt whose tag and clauses it states.

The official evaluator judges by tag and clauses and uses the text as a label only, so generators that rewrite prompts
leave another text there. No two official prompts have the same tag and clauses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_eval import reading
from nova_eval.adapters.names import Texts
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.records import Prompt

_READ = ("class", "count", "color", "position")  # what the official evaluator reads of a clause
_LARGEST = 1 << 20  # bytes; an official file has about 200
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Owners:
    """The prompts of a suite by what their metadata says."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._texts = Texts(prompts)
        self._by_clauses: dict[str, list[tuple[str, str]]] = {}  # clauses → (tag, prompt id)
        for prompt in prompts:
            tag = prompt.tags[0] if prompt.tags else ""
            self._by_clauses.setdefault(_clauses(prompt.reference), []).append((tag, prompt.id))

    def of(self, metadata: Mapping[str, Any]) -> list[str]:
        """The ids of the prompts that a metadata object may mean, none where it is of another suite.

        Tag and clauses decide. The text decides between prompts that have the same, and where no clause is stated.
        """
        by_text = self._texts.find(str(metadata.get("prompt", "")))
        if not {"include", "exclude"} & metadata.keys():
            return [by_text[0]] if by_text else []
        tag = metadata.get("tag")
        alike = [prompt_id for other, prompt_id in self._by_clauses.get(_clauses(metadata), ()) if tag in (None, other)]
        return [by_text[0]] if by_text and by_text[0] in alike else alike


def read(path: Path) -> dict[str, Any]:
    """The one object of a metadata file, which may begin with a mark, be repeated, or have commas and blank lines.

    UsageError, without the file's name, for anything else.
    """
    try:
        data = reading.data(path, most=_LARGEST)
    except NovaEvalError as error:
        raise UsageError(f"cannot be read ({error.problem})") from error
    try:
        objects = list(_objects(data.decode(_MARKS.get(data[:2], "utf-8-sig"))))
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON ({' '.join(str(error).split())[:80]})") from error
    if not objects:
        raise UsageError("is empty")
    if wrong := reading.unsound(objects):
        raise UsageError(f"says {wrong}")
    stated = [_checked(found) for found in objects]
    if any(_statement(other) != _statement(stated[0]) for other in stated[1:]):
        raise UsageError(f"holds {len(stated)} objects that differ")
    return stated[0]


def _objects(text: str) -> Iterator[object]:
    """Every JSON value of a text, whatever blanks and commas stand between."""
    decoder, place, skipped = json.JSONDecoder(), 0, " \t\r\n,\0"
    while place < len(text):
        if text[place] in skipped:
            place += 1
            continue
        found, place = decoder.raw_decode(text, place)
        yield from found if isinstance(found, list) else (found,)


def _checked(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UsageError("holds something else than an object")
    lists = [found[name] for name in ("include", "exclude") if name in found]
    if not all(isinstance(clauses, list) and all(isinstance(c, dict) for c in clauses) for clauses in lists):
        raise UsageError("has an 'include' or 'exclude' that is no list of clauses")
    if not lists and not isinstance(found.get("prompt"), str):
        raise UsageError("states neither clauses nor a prompt")
    return found


def _statement(metadata: Mapping[str, Any]) -> tuple[object, ...]:
    stated = bool({"include", "exclude"} & metadata.keys())
    return metadata.get("tag"), _clauses(metadata), None if stated else metadata.get("prompt")


def _clauses(metadata: Mapping[str, Any]) -> str:
    """What the official evaluator reads of ``include`` and ``exclude``, as comparable text."""
    read = [
        [{key: clause[key] for key in _READ if key in clause} for clause in metadata.get(name) or ()]
        for name in ("include", "exclude")
    ]
    return json.dumps(read, sort_keys=True)
