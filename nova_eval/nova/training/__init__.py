"""Training NOVA: the objective, the data, the loop, and the recipe of nova-mini.

``run("train.toml")`` is the whole of it.
"""

from __future__ import annotations

from nova_eval.nova.training.loop import run, train

__all__ = ["run", "train"]
