"""The study of ``compare`` as it is asked for: its parts, simulated or on the differences of two real runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.checks.bench import bounds, compare, measured, replay, stopping
from nova_eval.checks.bench.options import CompareBench
from nova_eval.checks.bench.written import to_csv
from nova_eval.compare.pairing import Pairing, paired
from nova_eval.compare.reference import open_side


@dataclass(frozen=True, slots=True)
class Found:
    """Rows by part. ``of`` names the two runs whose differences were drawn, "" where all was simulated."""

    parts: Mapping[str, Sequence[Any]]
    of: str = ""


def measure(asked: CompareBench, say: Callable[[str], None]) -> Found:
    """Equal seeds give equal figures."""
    parts: dict[str, Sequence[Any]] = {}
    pairing = paired(*(open_side(name, Path("results")) for name in asked.runs)) if asked.runs else None
    if "coverage" in asked.parts and pairing is not None:
        parts["measured"] = measured.resampled(pairing, asked.repetitions, asked.seed)
    elif "coverage" in asked.parts:
        parts["coverage"], parts["alarms"] = compare.measure(asked, say)
    if "stopping" in asked.parts:
        world = stopping.Simulated() if pairing is None else stopping.Measured(pairing)
        parts["stopping"] = stopping.measure(world, asked.repetitions, asked.seed, say)
    if "replayed" in asked.parts and pairing is not None:
        parts["replayed"] = replay.replayed(pairing)
    if "bounds" in asked.parts:
        parts["bounds"] = bounds.measure((5, 10, 20), say)
    return Found(parts, "" if pairing is None else named(pairing))


def lines(found: Found) -> str:
    """A Markdown table a part, or two."""
    return "\n\n".join(_tables(found).values())


def write(folder: Path, found: Found) -> list[Path]:
    """A CSV a list of rows, the tables as Markdown, and figures; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = f"-{found.of}" if found.of else ""
    paths = [files.write(folder / f"{part}{beside}.csv", to_csv(rows)) for part, rows in found.parts.items()]
    paths += [files.write(folder / f"{part}{beside}.md", text + "\n") for part, text in _tables(found).items()]
    if "stopping" in found.parts:
        paths.append(stopping.draw(folder / f"stopping{beside}.svg", found.parts["stopping"]))
    return paths


def _tables(found: Found) -> dict[str, str]:
    parts = found.parts
    tables = {}
    if "coverage" in parts:
        tables["compare"] = compare.lines((parts["coverage"], parts["alarms"]))
    if "measured" in parts:
        tables["measured"] = measured.lines(parts["measured"])
    if "stopping" in parts:
        tables["stopping"] = stopping.lines(parts["stopping"])
    if "replayed" in parts:
        tables["replayed"] = replay.lines(parts["replayed"])
    if "bounds" in parts:
        tables["bounds"] = bounds.lines(parts["bounds"])
    return tables


def named(pairing: Pairing) -> str:
    """A run of the same model is told by its seed."""
    reference, run = pairing.reference, pairing.run
    seed = f"-seed-{run.manifest['spec']['seed']}" if run.model == reference.model else ""
    name = f"{reference.benchmark.config.name}-{run.model}{seed}-against-{reference.model}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
