"""non_spatial, and the actions of complex prompts: how well image and text agree. Source: CLIPScore_eval/."""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.adapters.rule import ask, first_frame, scored
from nova_eval.adapters.t2i_compbench.parses import Parses, Token
from nova_eval.protocols import Asking, ImageTextModel, Item
from nova_eval.records import Score


def non_spatial(item: Item) -> Asking[Score]:
    """The cosine of image and prompt, neither scaled nor clipped."""
    return _similarity(item, "non_spatial", item.prompt.text)


def complex_action(item: Item, *, parses: Parses) -> Asking[Score]:
    """The same for the prompt without its adjectives, which the attribute questions look after."""
    return _similarity(item, "complex_action", without_adjectives(parses.of_prompt(item.prompt).tokens))


def without_adjectives(tokens: Sequence[Token]) -> str:
    """The words that are no adjective, with single blanks between them and before punctuation."""
    return " ".join(token.text for token in tokens if token.pos != "ADJ")


def _similarity(item: Item, metric: str, text: str) -> Asking[Score]:
    (similarity,) = yield from ask(ImageTextModel.image_text_similarity, first_frame(item), text, joined=True)
    return scored(item, metric, float(similarity), detail={"text": text})
