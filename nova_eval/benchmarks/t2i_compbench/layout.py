"""T2I-CompBench's official file names: ``{prompt}_{running number, 6 digits}.png``, one folder a category."""

from __future__ import annotations

from pathlib import PurePath

from nova_eval.errors import UsageError


def official_name(text: str, place: int, index: int, samples: int = 10) -> str:
    """The name of sample ``index`` of the prompt on line ``place`` (both from 0): ``a red cup_000012.png``.

    UsageError for a text that the official scripts would cut: they take what stands before the first underscore.
    """
    if "_" in text or "/" in text:
        raise UsageError(f"the prompt {text!r} cannot be an official file name: it holds an underscore or a slash")
    return f"{text}_{place * samples + index:06d}.png"


def prompt_of(path: str | PurePath) -> str:
    """The prompt that a name states: what stands before the first underscore."""
    return PurePath(path).name.split("_")[0]


def running_number(path: str | PurePath) -> int:
    """The number after the last underscore, up to a full stop. ValueError where that is none."""
    return int(PurePath(path).name.split("_")[-1].split(".")[0])


def numeracy_number(path: str | PurePath) -> int:
    """The number as the numeracy script alone reads it, between the first underscore and the next.

    ValueError or IndexError where that is none.
    """
    return int(PurePath(path).name.split(".png")[0].split("_")[1])
