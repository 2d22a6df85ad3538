"""Training NOVA: the objective, the data and the loop.

``run("train.toml")`` is the whole of it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["run", "train"]


def __getattr__(name: str) -> Any:
    """``run`` and ``train``, imported with torch only when they are asked for."""
    if name in __all__:
        from nova_eval.nova.training import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
