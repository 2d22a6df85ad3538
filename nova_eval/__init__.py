"""nova_eval: sample a generator, score every sample, compare the result with published baselines.

The names of ``__all__`` are the Python API; each is imported when it is first used, and none imports torch by itself.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "run": "api.running",
    "run_until_decided": "api.deciding",
    "open_run": "api.opened",
    "list_runs": "api.opened",
    "reference": "api.opened",
    "score": "api.scoring",
    "benchmarks": "api.parts",
    "prompts": "api.parts",
    "sampler": "api.parts",
    "judge": "api.parts",
    "OpenRun": "api.opened",
    "Comparison": "api.comparing",
    "Decision": "api.deciding",
    "Prompt": "records",
    "SamplerInfo": "protocols",
    "NovaEvalError": "errors",
    "errors": "",
}
"""Where each name comes from, "" for a module of its own; ``__init__.pyi`` tells it to type checkers."""

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'nova_eval' has no attribute {name!r}")
    place = _PLACES[name]
    return (
        getattr(importlib.import_module(f"nova_eval.{place}"), name)
        if place
        else importlib.import_module(f"nova_eval.{name}")
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
