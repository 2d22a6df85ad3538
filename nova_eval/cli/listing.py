"""What there is by name: benchmarks, samplers, judges, profiles, dimensions, baselines and runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nova_eval.adapters import benchmark_names, judges_by_benchmark, load_benchmark
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import CorruptStoreError, unknown
from nova_eval.judges import JUDGES
from nova_eval.runs.finding import folders, name_of
from nova_eval.runs.options import split_name
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, KnowsModels, settings_of, shown
from nova_eval.store import RunStore

Listed = dict[str, Any]


def items(what: str, results: Path, of: str = "") -> list[Listed]:
    """One dictionary an item, its name first. ``of`` is a sampler, whose settings are meant, or what to keep to."""
    if of and what == "samplers":
        return _settings(of)
    rows = _LISTS[what](results)
    kept = [row for row in rows if not of or of in {row["name"], *_benchmarks_of(row)}]
    if of and not kept:
        raise unknown(f"name in the list of {what}", of, {row["name"] for row in rows} | {*benchmark_names()})
    return kept


def _benchmarks_of(row: Listed) -> list[str]:
    return [row.get("benchmark", ""), *row.get("benchmarks", "").split(", ")]


def _settings(sampler: str) -> list[Listed]:
    """What a sampler can be told; with an argument (diffusers:MODEL), under the model's own defaults."""
    name, argument = split_name(sampler)
    maker = SAMPLERS.get(name)
    known = settings_of(maker)
    if argument and isinstance(maker, KnowsModels):
        for own in maker.settings_of(argument, offline=True):
            known[own.name] = replace(own, meaning=known[own.name].meaning if own.name in known else "of the pipeline")
    rows: list[Listed] = []
    for setting in known.values():
        default = "required" if setting.default is REQUIRED else f"default {shown(setting.default)}"
        rows.append({"name": setting.name, "type": setting.form, "default": default, "meaning": setting.meaning})
    return rows


def _benchmarks(results: Path) -> list[Listed]:
    return [
        {
            "name": config.name,
            "version": config.version,
            "modality": config.modality,
            "dimensions": len(config.dimensions),
            "variants": ", ".join(config.variants),
            "profiles": ", ".join(config.profiles),
        }
        for config in _configs()
    ]


def _profiles(results: Path) -> list[Listed]:
    return [
        {"name": name, "benchmark": config.name, "variant": profile.variant, "sampler": json.dumps(profile.sampler)}
        for config in _configs()
        for name, profile in config.profiles.items()
    ]


def _dimensions(results: Path) -> list[Listed]:
    return [
        {"name": name, "benchmark": config.name, "group": dimension.group, "judge": dimension.role or "pixels"}
        for config in _configs()
        for name, dimension in config.dimensions.items()
    ]


def _baselines(results: Path) -> list[Listed]:
    from nova_eval.report.baselines import load_published

    return [
        {"name": row.model, "benchmark": benchmark, "source": row.source}
        for benchmark in benchmark_names()
        for row in load_published(benchmark).rows
    ]


def _checkpoints(results: Path) -> list[Listed]:
    """The released NOVA family with the learnt parameters of each part, in millions."""
    from nova_eval.nova import checkpoint
    from nova_eval.nova.config import RELEASED

    rows: list[Listed] = []
    for name, config in RELEASED.items():
        counts = {part: f"{number / 1e6:.1f} M" for part, number in checkpoint.parameter_counts(config).items()}
        total = counts.pop("total")
        rows.append({"name": f"BAAI/{name}", "total": total, "parts": ", ".join(f"{k} {v}" for k, v in counts.items())})
    return rows


def _judges(results: Path) -> list[Listed]:
    """Each judge, whether its weights are here, and the benchmarks that ask it."""
    from nova_eval.weights.catalogue import missing, needs

    judges_of = judges_by_benchmark()
    rows: list[Listed] = []
    for name in JUDGES:
        absent = missing(name)
        size = sum(row.bytes for row in absent) / 1e6
        state = f"weights missing, {size:,.0f} MB: {', '.join(row.name for row in absent)}" if absent else "ready"
        if not needs(name):
            state = "ready, needs no weights"
        asking = [benchmark for benchmark, asked in judges_of.items() if name in asked]
        rows.append({"name": name, "state": state, "benchmarks": ", ".join(asking)})
    return rows


def _configs() -> list[BenchmarkConfig]:
    return [load_benchmark(name).config for name in benchmark_names()]


def _runs(results: Path) -> list[Listed]:
    rows: list[Listed] = []
    for folder in folders(results):
        try:
            manifest = RunStore(folder).manifest() or {}
            fraction = manifest.get("coverage", {}).get("fraction")
            coverage = "" if fraction is None else f"{100 * fraction:.1f} % decided"
            rows.append(
                {
                    "name": manifest["run"],
                    "model": manifest["sampler"]["name"],
                    "status": manifest["status"],
                    "variant": manifest["spec"]["variant"],
                    "coverage": coverage,
                    "started": manifest.get("started", ""),
                }
            )
        except (CorruptStoreError, KeyError):
            rows.append({"name": name_of(folder), "status": "manifest cannot be read"})
    return rows


_LISTS: dict[str, Callable[[Path], list[Listed]]] = {
    "benchmarks": _benchmarks,
    "samplers": lambda results: [{"name": name} for name in SAMPLERS],
    "judges": _judges,
    "profiles": _profiles,
    "dimensions": _dimensions,
    "baselines": _baselines,
    "runs": _runs,
    "checkpoints": _checkpoints,
}
