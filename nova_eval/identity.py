"""Canonical JSON, digests and seeds: the same facts give the same bytes, names and random draws everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from nova_eval.records import Prompt, SampleKey

_CHUNK = 1 << 20
_SCALARS = frozenset((str, int, float, bool, type(None)))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no blanks and no NaN: equal values give equal text."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 (hex) of the canonical JSON of ``value``."""
    return hashlib.sha256(encoded(canonical_json(value))).hexdigest()


def encoded(text: str) -> bytes:
    """UTF-8, in which names of files that are none (Latin-1 ones) keep their bytes apart; ``json.loads`` reads it."""
    return text.encode("utf-8", "surrogatepass")


def suite_digest(prompts: Iterable[Prompt]) -> str:
    """sha256 (hex) over everything the prompts say, in whatever order they come."""
    return digest(sorted(canonical_json(prompt) for prompt in prompts))


def file_digest(path: Path) -> str:
    """sha256 (hex) of the bytes of a file."""
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def sample_seed(run_seed: int, key: SampleKey) -> int:
    """The seed of one sample, in [0, 2**63); it depends on the run's seed, the prompt and the index alone."""
    text = f"nova_eval sample seed\n{run_seed}\n{key.prompt_id}\n{key.index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def plain(value: Any) -> Any:
    """What ``json.dumps`` knows; the commonest kinds come first, as suites and tables have many of them."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {key if type(key) is str else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    return str(value) if isinstance(value, Path) else value
