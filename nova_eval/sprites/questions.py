"""Questions about one frame in the closed language of the suites, answered by measuring the frame.

The language: a noun phrase alone (``a red star?``, ``a beach?``), ``is there a red star?``, ``are there two stars?``,
``is the red star striped?``, ``are the stars red?``, ``is the star on the left of the circle?``, ``is the star at the
top?``, ``is the scene on a beach?``, ``is it in neon style?``. The answer knows neither the prompt nor the scene.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.sprites.grammar import Thing, read_thing
from nova_eval.sprites.matching import place_share, position_holds, relation_holds
from nova_eval.sprites.reading import RECOGNISED, FrameReading, Seen
from nova_eval.sprites.style_reading import style_score
from nova_eval.sprites.vocabulary import COLORS, PLACES, POSITIONS, RELATIONS, SIZES, STYLES, TEXTURES

CERTAIN = 0.90  # correlation with a template from which a sprite is named without doubt

PLACE_NOUNS = {place.phrase.partition(" ")[2]: name for name, place in PLACES.items() if " " in place.phrase}
"""``"a beach"``, ``"the ocean"``, ``"sunset"`` … → the place's name."""


def truth(frame: Frames, reading: FrameReading, question: str) -> float:
    """0 … 1: how sure it is that the answer is yes. UsageError for a question outside of the language."""
    asked = " ".join(question.lower().split()).rstrip("? .")
    for pattern, measure in _FORMS:
        if match := pattern.fullmatch(asked):
            try:
                return measure(frame, reading, match.groupdict())
            except KeyError:  # a phrase of the form, with words that are not of the language
                break
    raise UsageError(
        f"the sprites judge cannot read the question {question!r}",
        remedy="it knows questions such as 'is there a red star?' and 'is the star on the left of the circle?'",
    )


def _phrase_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    """Whether a noun phrase is shown: a place, a style, one thing or more of a look, or exactly so many."""
    if (noun := words["phrase"]) in PLACE_NOUNS:
        return place_share(reading, PLACE_NOUNS[noun])
    if noun in _BY_STYLE:
        return style_score(frame, _BY_STYLE[noun])
    thing = _thing(noun)
    fitting = _fitting(reading, thing)
    if thing.count > 1 and len(fitting) != thing.count:
        return 0.0
    sure = sorted((_sureness(seen) for seen in fitting), reverse=True)[: thing.count]
    return min(sure, default=0.0)


def _attribute_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    """Whether every thing of the description has the attribute."""
    fitting, wanted = _fitting(reading, _thing(words["subject"])), words["attribute"]
    kind = "color" if wanted in COLORS else "texture" if wanted in TEXTURES else "size"
    if not fitting or any(getattr(seen, kind) != wanted for seen in fitting):
        return 0.0
    return max(_sureness(seen) for seen in fitting)


def _relation_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    relation = _BY_RELATION[words["relation"]]
    subjects, others = (_fitting(reading, _thing(words[name])) for name in ("subject", "other"))
    pairs = [(a, b) for a in subjects for b in others if a is not b and relation_holds(relation, a, b)]
    return max((min(_sureness(a), _sureness(b)) for a, b in pairs), default=0.0)


def _position_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    position, size = _BY_POSITION[words["position"]], (frame.shape[0], frame.shape[1])
    placed = [seen for seen in _fitting(reading, _thing(words["subject"])) if position_holds(position, seen, size)]
    return max((_sureness(seen) for seen in placed), default=0.0)


def _place_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    return place_share(reading, _BY_PLACE[words["place"]])


def _style_holds(frame: Frames, reading: FrameReading, words: Mapping[str, str]) -> float:
    return style_score(frame, _BY_STYLE[words["style"]])


def _thing(phrase: str) -> Thing:
    """KeyError for what is no thing of the world. ``"the red star"`` and ``"the red stars"`` are any red stars."""
    noun = phrase.removeprefix("the ")
    thing = read_thing(phrase) if noun == phrase else read_thing(f"a {noun}") or read_thing(f"two {noun}")
    if thing is None:
        raise KeyError(phrase)
    return thing if noun == phrase else replace(thing, count=1)


def _fitting(reading: FrameReading, thing: Thing) -> list[Seen]:
    asked = {"color": thing.color, "texture": thing.texture, "size": thing.size}
    return [
        seen
        for seen in reading.objects
        if seen.shape == thing.shape and all(value in (None, getattr(seen, name)) for name, value in asked.items())
    ]


def _sureness(seen: Seen) -> float:
    return min(1.0, max(0.0, (seen.score - RECOGNISED) / (CERTAIN - RECOGNISED)))


def _one_of(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))


_BY_RELATION = {phrase: name for name, phrase in RELATIONS.items()}
_BY_POSITION = {phrase: name for name, phrase in POSITIONS.items()}
_BY_PLACE = {place.phrase: name for name, place in PLACES.items()}
_BY_STYLE = {phrase: name for name, phrase in STYLES.items()}
_Measure = Callable[[Frames, FrameReading, Mapping[str, str]], float]
_FORMS: Sequence[tuple[re.Pattern[str], _Measure]] = (
    (re.compile(rf"is the scene (?P<place>{_one_of([*_BY_PLACE])})"), _place_holds),
    (re.compile(rf"is it in (?P<style>{_one_of([*_BY_STYLE])})"), _style_holds),
    (
        re.compile(rf"is (?P<subject>the .+) (?P<relation>{_one_of([*_BY_RELATION])}) (?P<other>the .+)"),
        _relation_holds,
    ),
    (re.compile(rf"is (?P<subject>the .+) (?P<position>{_one_of([*_BY_POSITION])})"), _position_holds),
    (
        re.compile(rf"(?:is|are) (?P<subject>the .+) (?P<attribute>{_one_of([*COLORS, *TEXTURES, *SIZES])})"),
        _attribute_holds,
    ),
    (re.compile(r"(?:(?:is|are) there )?(?P<phrase>.+)"), _phrase_holds),
)
