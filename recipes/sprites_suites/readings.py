"""What a parser reads in sentences of this world: words with universal parts of speech, and noun phrases.

T2I-CompBench's rules go by such readings. Here they follow from the grammar; adjectives are the words for colors,
textures and sizes, and places keep all their words.
"""

from __future__ import annotations

import re
from typing import Any

from nova_eval.sprites.grammar import describe_thing, parse
from nova_eval.sprites.questions import PLACE_NOUNS
from nova_eval.sprites.vocabulary import (
    COLORS,
    COUNTS,
    DEPTHS,
    MOTIONS,
    PLACES,
    POSITIONS,
    RELATIONS,
    SIZES,
    STYLES,
    TEXTURES,
)

_POS = {
    **dict.fromkeys((*COLORS, *TEXTURES, *SIZES), "ADJ"),
    **dict.fromkeys(("a", "an", "the"), "DET"),
    **dict.fromkeys((word for count, word in COUNTS.items() if count > 1), "NUM"),
    **dict.fromkeys(("on", "in", "of", "at", "under", "behind"), "ADP"),
    **dict.fromkeys(MOTIONS, "VERB"),
    "and": "CCONJ",
    "is": "AUX",
    ",": "PUNCT",
    "underwater": "ADV",
}


def reading_of(text: str) -> dict[str, Any]:
    """``{"tokens": [[word, part of speech] …], "noun_phrases": […]}``. UsageError for what ``parse`` cannot read."""
    scene = parse(text)
    words = re.findall(r"\w+|,", text)
    phrases = [describe_thing(thing) for thing in scene.things]
    if scene.relation:
        phrases.insert(1, _noun({**RELATIONS, **DEPTHS}[scene.relation].removesuffix(" of")))
    if scene.position:
        phrases.append(_noun(POSITIONS[scene.position]))
    if scene.place:
        phrases.append(_noun(PLACES[scene.place].phrase) if scene.things else scene.place)
    if scene.style:
        phrases.append(STYLES[scene.style])
    return {
        "tokens": [[word, _POS.get(word.lower(), "NOUN")] for word in words],
        "noun_phrases": [phrase for phrase in phrases if phrase],
    }


def _noun(phrase: str) -> str:
    """``"a beach"`` of ``"on a beach"``, ``"the left"`` of ``"on the left"``; "" where there is none."""
    noun = phrase.partition(" ")[2]
    return noun if noun in PLACE_NOUNS or noun.startswith("the ") else ""
