"""Where a training says that the parts were which it did not train: ``pipeline.paths`` of its ``config.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_eval import files, reading
from nova_eval.errors import PrerequisiteError
from nova_eval.packages import needed_by

_LARGEST = 1 << 20
_REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_DEEPEST = 20


def recorded_parts(transformer: Path) -> tuple[Path | None, dict[str, Path]]:
    """The nearest record, at most three folders above ``transformer``, and the folders that it names, by part.

    None where there is no record. References such as ``${pipeline.paths.pretrained_path}/vae`` are followed; a part
    whose reference leads nowhere is left out. Relative paths start at the current folder, as the training's did, else
    at the record's. PrerequisiteError for a record that cannot be read.
    """
    place, real = transformer.absolute(), transformer.resolve()
    for folder in dict.fromkeys([place, *place.parents[:3], real, *real.parents[:3]]):
        record = folder / "config.yaml"
        if record.is_file():
            values = _read(record)
            paths = _at(values, "pipeline.paths")
            if isinstance(paths, Mapping):
                return record, _folders(values, paths, folder)
    return None, {}


def _folders(values: Any, paths: Mapping[str, Any], beside: Path) -> dict[str, Path]:
    named = paths.get("module_dict")
    texts = dict(named) if isinstance(named, Mapping) else {}
    whole = paths.get("pretrained_path")
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        if not texts.get(part) and isinstance(whole, str):
            texts[part] = f"{whole}/{part}"
    found = {}
    for part, text in texts.items():
        path = _resolved(values, text, f"pipeline.paths.module_dict.{part}")
        if path:
            here, there = files.given(path).absolute(), beside / path
            found[str(part)] = there if there.is_dir() and not here.is_dir() else here
    return found


def _resolved(values: Any, text: object, place: str, depth: int = 0) -> str:
    """``text`` with its references replaced, or "" where one leads nowhere, in a circle, or not to a text."""
    if not isinstance(text, str) or depth > _DEEPEST:
        return ""
    while match := _REFERENCE.search(text):
        key = _absolute(match[1].strip(), place)
        value = _resolved(values, _at(values, key), key, depth + 1)
        if not value or len(value) > 4096:
            return ""
        text = f"{text[: match.start()]}{value}{text[match.end() :]}"
    return text if "${" not in text else ""


def _absolute(key: str, place: str) -> str:
    """A key as seen from the root; one that begins with dots is relative to where it stands."""
    up = len(key) - len(key.lstrip("."))
    return ".".join([*place.split(".")[:-up], key[up:]]) if up else key


def _at(values: Any, key: str) -> Any:
    for word in re.sub(r"\[(\w+)\]", r".\1", key).split("."):
        if isinstance(values, list) and word.isdigit() and int(word) < len(values):
            values = values[int(word)]
        elif isinstance(values, Mapping):
            values = values.get(word)
        else:
            return None
    return values


def _read(record: Path) -> Any:
    remedy = "name the other parts: --set sampler.base=CHECKPOINT"
    with needed_by("reading the config.yaml of a training"):
        return reading.yaml_file(record, Any, error=PrerequisiteError, remedy=remedy, most=_LARGEST)
