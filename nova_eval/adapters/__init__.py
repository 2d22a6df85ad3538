"""Benchmarks: rules over judges' answers, and the formulas over their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_eval.registry import Registry

if TYPE_CHECKING:
    from nova_eval.protocols import Benchmark

BENCHMARKS: Registry[Callable[[], Benchmark]] = Registry(
    "benchmark",
    {
        "vbench": "nova_eval.adapters.vbench:VBench",
        "geneval": "nova_eval.adapters.geneval:GenEval",
        "t2i_compbench": "nova_eval.adapters.t2i_compbench:T2ICompBench",
        "dpg_bench": "nova_eval.adapters.dpg_bench:DPGBench",
    },
)


def benchmark_names() -> list[str]:
    """Every benchmark of this and of other installed packages."""
    return sorted(BENCHMARKS)


def load_benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``; unknown names get a did-you-mean."""
    return BENCHMARKS.get(name)()


def judges_by_benchmark() -> dict[str, set[str]]:
    """The judges that each benchmark asks, of all its sets."""
    sets = {name: load_benchmark(name).config.judges.values() for name in benchmark_names()}
    return {name: {judge for roles in found for judge in roles.values()} for name, found in sets.items()}
