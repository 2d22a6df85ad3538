"""What there is by name: benchmarks, samplers, judges, profiles, dimensions, baselines; and runs in a line each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova_eval.adapters import benchmark_names, judges_by_benchmark, load_benchmark
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import unknown
from nova_eval.judges import JUDGES
from nova_eval.progress import size_text
from nova_eval.report.grid import in_unit, rounded
from nova_eval.runs.options import split_name
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, KnowsModels, settings_of, shown

if TYPE_CHECKING:
    from nova_eval.runs.catalogue import Entry

Listed = dict[str, Any]


def items(what: str, of: str = "") -> list[Listed]:
    """One dictionary an item, its name first. ``of`` is a sampler, whose settings are meant, or what to keep to."""
    if of and what == "samplers":
        return _settings(of)
    rows = _LISTS[what]()
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


def _benchmarks() -> list[Listed]:
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


def _profiles() -> list[Listed]:
    return [
        {"name": name, "benchmark": config.name, "variant": profile.variant, "sampler": json.dumps(profile.sampler)}
        for config in _configs()
        for name, profile in config.profiles.items()
    ]


def _dimensions() -> list[Listed]:
    return [
        {"name": name, "benchmark": config.name, "group": dimension.group, "judge": dimension.role or "pixels"}
        for config in _configs()
        for name, dimension in config.dimensions.items()
    ]


def _baselines() -> list[Listed]:
    from nova_eval.report.baselines import load_published

    return [
        {"name": row.model, "benchmark": benchmark, "source": row.source}
        for benchmark in benchmark_names()
        for row in load_published(benchmark).rows
    ]


def _checkpoints() -> list[Listed]:
    """The packaged checkpoints and the released family, with the learnt parameters of each part in millions."""
    from nova_eval.nova import checkpoint, embedded
    from nova_eval.nova.config import RELEASED

    mini = checkpoint.config_of(embedded.PACKAGED / "transformer")
    family = dict.fromkeys(embedded.EMBEDDED, mini) | {f"BAAI/{name}": config for name, config in RELEASED.items()}
    rows: list[Listed] = []
    for name, config in family.items():
        counts = {part: f"{number / 1e6:.1f} M" for part, number in checkpoint.parameter_counts(config).items()}
        total = counts.pop("total")
        rows.append({"name": name, "total": total, "parts": ", ".join(f"{k} {v}" for k, v in counts.items())})
    return rows


def _judges() -> list[Listed]:
    """Each judge, whether its weights are here, and the benchmarks that ask it."""
    from nova_eval.weights.catalogue import missing, needs

    judges_of = judges_by_benchmark()
    rows: list[Listed] = []
    for name in JUDGES:
        absent = missing(name)
        size = size_text(sum(row.bytes for row in absent))
        state = f"weights missing, {size}: {', '.join(row.name for row in absent)}" if absent else "ready"
        if not needs(name):
            state = "ready, needs no weights"
        asking = [benchmark for benchmark, asked in judges_of.items() if name in asked]
        rows.append({"name": name, "benchmarks": ", ".join(asking), "state": state})
    return rows


def _configs() -> list[BenchmarkConfig]:
    return [load_benchmark(name).config for name in benchmark_names()]


def run_row(entry: Entry) -> Listed:
    """A run in a line of the list."""
    if entry.problem:
        return {"name": entry.name, "progress": f"cannot be read: {entry.problem}"}
    return {
        "name": entry.name,
        "model": entry.label or entry.model,
        "settings": ", ".join(f"{name} {shown(value)}" for name, value in entry.settings.items()),
        "seed": entry.seed,
        "variant": entry.variant,
        "samples": f"{entry.prompts} × {'–'.join(map(str, sorted(set(entry.per_prompt))))}",
        "progress": progress_of(entry),
        "score": score_of(entry),
    }


def progress_of(entry: Entry) -> str:
    """How far a run is, in words."""
    if entry.status == "complete":
        return "complete"
    made = f"{entry.done} of {entry.wanted} samples"
    scored = "" if entry.scored is None else f", {100 * entry.scored:.1f} % scored"
    return f"{'at work: ' * entry.at_work}{made}{scored}"


def score_of(entry: Entry) -> str:
    """The headline score as tables have it."""
    if entry.score is None:
        return ""
    config = load_benchmark(entry.name.partition("/")[0]).config
    value = rounded(in_unit(entry.score, config.report.unit), config.report.decimals)
    return f"{config.label(entry.headline)} {value}"


def lines(rows: Sequence[Listed]) -> Iterator[str]:
    """The rows under the names of their columns; columns that are empty in all are left out."""
    told = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
    keys = [key for key in dict.fromkeys(key for row in told for key in row) if any(row.get(key) for row in told)]
    widths = {key: max(len(key), *(len(row.get(key, "")) for row in told)) for key in keys}
    for row in ({key: key for key in keys}, *told) if keys else ():
        yield "  ".join(f"{row.get(key, ''):<{widths[key]}}" for key in keys).rstrip()


_LISTS: dict[str, Callable[[], list[Listed]]] = {
    "benchmarks": _benchmarks,
    "samplers": lambda: [{"name": name} for name in SAMPLERS],
    "judges": _judges,
    "profiles": _profiles,
    "dimensions": _dimensions,
    "baselines": _baselines,
    "checkpoints": _checkpoints,
}
