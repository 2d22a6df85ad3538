"""The language and the scenes it names are the same thing, read in both directions."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nova_eval.errors import UsageError
from nova_eval.sprites.grammar import Scene, Thing, parse, render_text
from nova_eval.sprites.vocabulary import (
    CAMERAS,
    COLORS,
    MOTIONS,
    PLACES,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    STILL,
    STYLES,
    TEXTURES,
)


def maybe(names):
    return st.none() | st.sampled_from(sorted(names))


things = st.builds(
    Thing, st.sampled_from(SHAPES), maybe(COLORS), maybe(TEXTURES), maybe(SIZES), st.sampled_from([1, 1, 1, 2, 3, 4])
)


@st.composite
def scenes(draw):
    shown = tuple(draw(st.lists(things, max_size=2)))
    try:
        return Scene(
            shown,
            draw(maybe(RELATIONS)) if len(shown) == 2 else None,
            draw(maybe(POSITIONS)) if len(shown) == 1 else None,
            draw(maybe([STILL, *MOTIONS])),
            draw(maybe(PLACES)),
            draw(maybe(CAMERAS)),
            draw(maybe(STYLES)),
        )
    except UsageError:
        assume(False)


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_what_is_written_is_read_back(scene):
    assert parse(render_text(scene)) == scene


@settings(max_examples=50, deadline=None)
@given(scenes())
def test_case_blanks_and_full_stop_do_not_matter(scene):
    text = render_text(scene)
    assert parse("  " + text.upper().replace(" ", "  ") + ". ") == scene


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("color", COLORS)
def test_taking_articles_and_color_away_leaves_the_shape(shape, color):
    text = render_text(Scene((Thing(shape, color),)))
    assert text.replace("a ", "").replace("an ", "").replace(color, "").strip() == shape


def test_the_label_of_an_action_is_its_motion():
    for motion in MOTIONS:
        assert render_text(Scene((Thing("person"),), motion=motion)).split("person is ")[1] == motion


def test_no_word_hides_a_color_of_the_color_rule():
    hidden = ("white", "red", "pink", "blue", "silver", "purple", "orange", "green", "gray", "yellow", "black", "grey")
    words = [*SHAPES, *TEXTURES, *SIZES, *MOTIONS, *PLACES]
    assert [(word, color) for word in words for color in hidden if color in word] == []


def test_no_place_is_found_in_the_name_of_another():
    found = [
        (a, b) for a, b in combinations(PLACES, 2) if all(w in b for w in a.split()) or all(w in a for w in b.split())
    ]
    assert found == []
    assert [
        (p, word) for p in PLACES for word in (*SHAPES, *COLORS, *TEXTURES) if all(w in word for w in p.split())
    ] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("an astronaut riding a horse", "an astronaut riding a horse"),
        ("a red circle, in the style of Monet", "in the style of monet"),
        ("two red circle", "two red circle"),
        ("", "''"),
    ],
)
def test_foreign_words_are_named_with_a_remedy(text, named):
    with pytest.raises(UsageError) as error:
        parse(text)
    assert named in str(error.value)
    assert "--variant sprites" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "a circle spinning",
        "two red circles bouncing",
        "a red circle and a red circle",
        "a dotted person",
        "three large stars",
        "five stars",
        "in a still frame, a star rising",
        "in a still frame, a star, zoom in",
        "two circles on the left of a star",
    ],
)
def test_what_cannot_be_shown_recognisably_is_refused(text):
    with pytest.raises(UsageError):
        parse(text)
