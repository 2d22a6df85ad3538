"""The NOVA generator: autoregressive video and image generation without vector quantization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nova_eval.nova.pipeline import NovaPipeline

__all__ = ["NovaPipeline"]


def __getattr__(name: str) -> Any:
    """``NovaPipeline``, imported with torch only when it is asked for."""
    if name == "NovaPipeline":
        from nova_eval.nova.pipeline import NovaPipeline

        return NovaPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
