"""Which files hold a checkpoint's weights, and what they are: told without torch."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.identity import digest, file_digest
from nova_eval.nova.parts import Parts, read_json

# Tried in this order; an index names its shards.
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_SUFFIXES = ("safetensors", "bin", "pth")
_SHARD = re.compile(r".*-\d+-of-\d+")


def checkpoint_digest(parts: Parts) -> str:
    """Changes when anything that shapes a sample changes: weights and configurations of every part, the tokenizer."""
    facts: dict[str, Any] = {}
    for part, folder in (("transformer", parts.transformer), ("vae", parts.vae), ("text_encoder", parts.text_encoder)):
        facts[part] = [weights_digest(folder), read_json(folder / "config.json")]
    facts["scheduler"] = read_json(parts.scheduler / "scheduler_config.json")
    facts["tokenizer"] = file_digest(parts.tokenizer / "tokenizer.json")
    return digest(facts)


def weight_bytes(parts: Parts) -> int:
    """The size of all weight files of a checkpoint."""
    folders = (parts.transformer, parts.vae, parts.text_encoder)
    return sum(path.stat().st_size for folder in folders for path in weight_files(folder))


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights of a part, safetensors preferred.

    A variant (``model.fp16.safetensors``) counts where there is no other of its kind. PrerequisiteError when there are
    no weights, shards are missing, or it cannot be told which of several variants is meant.
    """
    for suffix in _SUFFIXES:
        for stem in _STEMS:
            found = _files(folder, stem, suffix)
            if found:
                return found
    here = sorted(path.name for path in folder.glob("*") if path.suffix[1:] in (*_SUFFIXES, "pt", "ckpt"))
    held = f", but {', '.join(here[:4])}{' …' if len(here) > 4 else ''}" if here else ""
    raise PrerequisiteError(
        f"{folder}: no weights{held}",
        remedy=f"expected {_STEMS[0]}.safetensors or .bin, model.safetensors, or an index",
    )


def weights_digest(folder: Path) -> str:
    """Changes when any weight of the part changes: the digests of its weight files by name."""
    return digest(
        {path.relative_to(folder).as_posix(): _digest_once(path, *_stamp(path)) for path in weight_files(folder)}
    )


def _files(folder: Path, stem: str, suffix: str) -> list[Path]:
    """Those of one stem and suffix; none where there are none."""
    plain, index = folder / f"{stem}.{suffix}", folder / f"{stem}.{suffix}.index.json"
    if index.is_file():
        return _shards(index)
    if plain.is_file():
        return [plain]
    variants: dict[str, Path] = {}
    for pattern, before, after in (
        (f"{stem}.*.{suffix}", f"{stem}.", f".{suffix}"),
        (f"{stem}.{suffix}.index.*.json", f"{stem}.{suffix}.index.", ".json"),
        (f"{stem}.*.{suffix}.index.json", f"{stem}.", f".{suffix}.index.json"),
    ):
        for path in sorted(folder.glob(pattern)):
            variant = path.name.removeprefix(before).removesuffix(after)
            if path.is_file() and not _SHARD.fullmatch(variant):
                variants[variant] = path
    if len(variants) > 1:
        raise PrerequisiteError(
            f"{folder}: several variants of {plain.name}: {', '.join(sorted(variants))}",
            remedy="leave one in the folder",
        )
    return [file for path in variants.values() for file in (_shards(path) if path.suffix == ".json" else [path])]


def _shards(index: Path) -> list[Path]:
    table = read_json(index).get("weight_map")
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise PrerequisiteError(f"{index}: no weight_map of names to files")
    names = sorted(set(table.values()))
    try:
        places = [index.parent / files.relative(name) for name in names]
    except UsageError as error:
        raise PrerequisiteError(f"{index}: {error.problem}", remedy="shards lie beside it") from error
    missing = [path.name for path in places if not path.is_file()]
    if missing:
        raise PrerequisiteError(f"{index}: {len(missing)} of {len(names)} shards are missing: {missing[0]}")
    return places


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _digest_once(path: Path, _size: int, _modified: int) -> str:
    return file_digest(path)
