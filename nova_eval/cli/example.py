"""A file for ``--config``: what a run would be, and every key that it may have, with its meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.options import RunOptions
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, settings_of

_SPEC: Mapping[str, str] = {
    "variant": "which prompts: official, rewritten, sprites or custom",
    "seed": "every sample's own seed follows from it, the prompt and the index",
    "codec": "how clips are written: h264, h264-lossless …",
}
_USUAL: Mapping[str, str] = {
    "profile": '"paper"',
    "limit": "100",
    "metrics": '["color"]',
    "shard": '"1/4"',
    "prompts": '"mine.txt"',
    "devices": '"sample=6,score=2"',
    "address": '"auto"',
}


def lines(spec: RunSpec, options: RunOptions, config: BenchmarkConfig) -> Iterator[str]:
    """TOML that gives the same run; what is as usual, or has no value, stands behind a ``#``."""
    yield f"# nova-eval run {spec.benchmark} --config THIS_FILE"
    yield ""
    yield from (_line(key, getattr(spec, key), meaning) for key, meaning in _SPEC.items())
    for name, option in settings_of(RunOptions).items():
        value = getattr(options, name)
        asked = bool(value) if name == "profile" else value != option.default
        yield _line(name, value, option.meaning, asked=asked, usual=_USUAL.get(name, '"…"'))
    yield ""
    yield f"[sampler]  # nova-eval list samplers {spec.sampler.name}"
    yield _line("name", spec.sampler.name, "of `list samplers`, or file.py:Class")
    known, told = settings_of(SAMPLERS.get(spec.sampler.name)), dict(spec.sampler.settings)
    usual = config.profiles[options.profile].sampler if options.profile else {}
    if usual.get("name") == spec.sampler.name:  # what it says, and is not said here, was unset
        told = {name: told.get(name) for name in (*usual, *told) if name != "name"}
    for name, setting in known.items():
        default = None if setting.default is REQUIRED else setting.default
        yield _line(name, told.get(name, default), setting.meaning, asked=name in told)
    yield from (_line(name, value, "") for name, value in told.items() if name not in known)


def _line(key: str, value: Any, meaning: str, *, asked: bool = True, usual: str = '"none"') -> str:
    written = _toml(value) or usual
    told = f"{'' if asked else '# '}{key} = {written}"
    return f"{told}  # {meaning}" if meaning else told


def _toml(value: Any) -> str:
    """As TOML writes a value; nothing where it has no word for it, or the value says nothing."""
    if value in (None, "", ()):
        return ""
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
