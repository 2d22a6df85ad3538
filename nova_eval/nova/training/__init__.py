"""Training NOVA: the objective, the data and the loop.

``run("train.toml")`` is the whole of it.
"""

from __future__ import annotations

from nova_eval.nova.training.loop import run, train

__all__ = ["run", "train"]
