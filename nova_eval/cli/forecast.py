"""What `plan` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nova_eval.progress import size_text


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The object of ``runs.forecast`` for people."""
    yield f"run: {found['run']}" + ("" if found["samples_done"] else " (nothing done yet)")
    settings = ", ".join(f"{name} {value}" for name, value in found["sampler"]["settings"].items())
    yield f"sampler: {found['sampler']['name']} ({settings})" if settings else f"sampler: {found['sampler']['name']}"
    yield f"prompts: {found['prompts']:,}, {found['variant']}"
    done = f", {found['samples_done']:,} done" if found["samples_done"] else ""
    left = f"to make: {found['samples_to_make']:,}; to score: {found['samples_to_score']:,}"
    yield f"samples: {found['samples']:,}{done}; {left}"
    if not found["samples_to_make"]:
        yield "sampling: nothing is left to make" + ("" if found["samples_to_score"] else ", and nothing to score")
    elif "gpu_hours_left" in found:
        yield (
            f"sampling: {found['gpu_hours_left']:,.1f} GPU-hours at {found['seconds_per_sample']:,.1f} s a sample"
            f" ({found['basis']})"
        )
    else:
        yield "sampling: no figure before the first samples are made; --seconds-per-sample gives one"
    if found["samples_to_make"] and found["media_bytes_left"] is not None:
        kind = "by the samples made" if found["samples_done"] else "estimate"
        yield f"media: {size_text(found['media_bytes_left'])} on disk ({kind})"
    yield f"scorers ready: {len(found['scorers'])} of {len(found['scorers']) + len(found['unavailable'])}"
    yield from (f"  {reason}" for reason in dict.fromkeys(found["unavailable"].values()))
    if not found["to_fetch"]:
        yield "to fetch: nothing"
        return
    yield f"to fetch: {len(found['to_fetch'])} files or parts, about {size_text(found['to_fetch_bytes'])} in all"
    width = max(len(file["name"]) for file in found["to_fetch"])
    for file in found["to_fetch"]:
        yield f"  {file['name']:<{width}}  {size_text(file['bytes']):>10}  {file['licence']}"
