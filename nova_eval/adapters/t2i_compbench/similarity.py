"""non_spatial, and the actions of complex prompts: how well image and text agree. Source: CLIPScore_eval/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova_eval.adapters.rule import first_frame, scored
from nova_eval.adapters.t2i_compbench.parses import Parses, Token
from nova_eval.protocols import ImageTextModel, Item
from nova_eval.records import Score


def non_spatial(item: Item, judge: ImageTextModel) -> Score:
    """The cosine of image and prompt, neither scaled nor clipped."""
    return _similarity(item, judge, "non_spatial", *whole_prompt(item))


def complex_action(item: Item, judge: ImageTextModel, *, parses: Parses) -> Score:
    """The same for the prompt without its adjectives, which the attribute questions look after."""
    return _similarity(item, judge, "complex_action", *action_text(item, parses=parses))


def whole_prompt(item: Item, **settings: Any) -> tuple[str]:
    return (item.prompt.text,)


def action_text(item: Item, *, parses: Parses, **settings: Any) -> tuple[str]:
    return (without_adjectives(parses.of_prompt(item.prompt).tokens),)


def without_adjectives(tokens: Sequence[Token]) -> str:
    """The words that are no adjective, with single blanks between them and before punctuation."""
    return " ".join(token.text for token in tokens if token.pos != "ADJ")


def _similarity(item: Item, judge: ImageTextModel, metric: str, text: str) -> Score:
    (similarity,) = judge.image_text_similarity(first_frame(item), text)
    return scored(item, metric, float(similarity), detail={"text": text})
