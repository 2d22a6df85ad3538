"""Benchmarks: rules over judges' answers, and the formulas over their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_eval.registry import Registry

if TYPE_CHECKING:
    from nova_eval.protocols import Benchmark

BENCHMARKS: Registry[type[Benchmark]] = Registry(
    "benchmark",
    {
        "vbench": "nova_eval.adapters.vbench:VBench",
        "geneval": "nova_eval.adapters.geneval:GenEval",
        "t2i_compbench": "nova_eval.adapters.t2i_compbench:T2ICompBench",
        "dpg_bench": "nova_eval.adapters.dpg_bench:DPGBench",
    },
)


def load_benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``; unknown names get a did-you-mean."""
    return BENCHMARKS.get(name)()
