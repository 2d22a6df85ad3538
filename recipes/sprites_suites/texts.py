"""The suites as the contents of their files."""

from __future__ import annotations

import json

from recipes.sprites_suites import dpg_bench, geneval, t2i_compbench, vbench


def suite_texts() -> dict[str, str]:
    """Benchmark → the content of its suite's file."""
    indented = {
        "vbench": (vbench.entries(), 2),
        "geneval": (geneval.entries(), 1),
        "t2i_compbench": (t2i_compbench.entries(), 1),
        "dpg_bench": (dpg_bench.entries(), 1),
    }
    return {
        name: json.dumps(entries, indent=indent, ensure_ascii=False) + "\n"
        for name, (entries, indent) in indented.items()
    }
