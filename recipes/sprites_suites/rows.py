"""What the suites of several benchmarks share: a row's form, and pairs of shapes."""

from __future__ import annotations

from typing import Any

from nova_eval.sprites.grammar import Scene, render_text
from nova_eval.sprites.vocabulary import COLORS, SHAPES

SuiteRow = dict[str, Any]
EACH = 20  # prompts a task or category
HUES = tuple(color for color in COLORS if color != "gray")  # GenEval's colors do not include gray


def pairs(step: int, number: int, shapes: tuple[str, ...] = SHAPES) -> list[tuple[str, str]]:
    """``number`` different ordered pairs of shapes; every shape is first about equally often."""
    size = len(shapes)
    return [(shapes[i % size], shapes[(i + step + i // size) % size]) for i in range(number)]


def row(scene: Scene, tag: str, reference: dict[str, Any]) -> SuiteRow:
    return {"prompt_en": render_text(scene), "dimension": [tag], "auxiliary_info": reference}
