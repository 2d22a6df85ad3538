"""Clips are determined by scene and seed, differ between seeds, and keep what they show in view."""

from __future__ import annotations

import numpy as np
import pytest

from nova_eval.sprites.arrangement import arrange
from nova_eval.sprites.grammar import Scene, Thing, parse
from nova_eval.sprites.places import paint
from nova_eval.sprites.renderer import render
from nova_eval.sprites.vocabulary import BACKDROPS, COLORS, MOTIONS, PLACES, SHAPES, STYLES

SENTENCES = [
    "a red striped heart bouncing on a beach",
    "two stars and two rings",
    "forest",
    "a star, zoom in",
    "a person, neon style",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_equal_arguments_give_equal_pixels(text):
    first, again = render(parse(text), 5), render(parse(text), 5)
    assert first.dtype == np.uint8
    assert first.shape == (17, 64, 64, 3)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("text", SENTENCES)
def test_five_seeds_give_five_clips(text):
    clips = [render(parse(text), seed) for seed in (1, 2, 3, 4, 2**62)]
    assert len({clip.tobytes() for clip in clips}) == 5


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(1, 64, 64), (5, 48, 96), (9, 200, 120), (17, 33, 47), (33, 256, 256)]
)
def test_any_length_and_size(frames, height, width):
    clip = render(parse("a red circle circling in a meadow"), 3, frames=frames, height=height, width=width)
    assert clip.shape == (frames, height, width, 3)


def test_a_larger_clip_shows_the_same_scene():
    small = render(parse("a red circle and a blue star on a beach"), 4, frames=3, height=64, width=64)
    large = render(parse("a red circle and a blue star on a beach"), 4, frames=3, height=192, width=192)
    reduced = large.reshape(3, 64, 3, 64, 3, 3).mean((2, 4))
    assert np.abs(reduced - small).mean() < 4.0


def test_edges_are_anti_aliased():
    frame = render(Scene((Thing("circle", "black"),), motion="still"), 1, frames=1)[0].astype(int).sum(-1)
    assert len(np.unique(frame)) > 20


@pytest.mark.parametrize("motion", MOTIONS)
def test_moving_sprites_stay_in_view(motion):
    for seed in range(20):
        (sprite,) = arrange(Scene((Thing("person"),), motion=motion), seed, 17, 8.0).sprites
        for centre, shift in zip(sprite.spot, (sprite.dx, sprite.dy), strict=True):
            assert (centre + shift - sprite.radius).min() >= -0.02
            assert (centre + shift + sprite.radius).max() <= 1.02


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_motion_of_half_the_reach_goes_half_as_far(motion):
    scene = Scene((Thing("person"),), motion=motion)
    spans = []
    for reach in (1.0, 0.5):
        (sprite,) = arrange(scene, 3, 17, 8.0, reach).sprites
        size = float(sprite.radius[0]) if np.ptp(sprite.radius) == 0 else 1.0
        spans.append([np.ptp(curve) / size for curve in (sprite.dx, sprite.dy, sprite.radius, sprite.angle)])
    assert max(spans[0]) > 0
    assert spans[1] == pytest.approx([span / 2 for span in spans[0]])
    usual, as_far = (render(scene, 3, frames=5, **reach) for reach in ({}, {"reach": 1.0}))
    np.testing.assert_array_equal(usual, as_far)


def test_objects_do_not_touch():
    for seed in range(40):
        for scene in (
            Scene((Thing("square", count=4),)),
            Scene((Thing("star", count=3),)),
            parse("a large person and a large ring"),
        ):
            sprites = arrange(scene, seed, 1, 8.0).sprites
            for i, one in enumerate(sprites):
                for other in sprites[:i]:
                    apart = np.hypot(one.spot[0] - other.spot[0], one.spot[1] - other.spot[1])
                    assert apart > 0.95 * (one.radius[0] + other.radius[0])


def test_still_frames_are_still():
    for text in ("In a still frame, a person on a beach", "In a still frame, city"):
        clip = render(parse(text), 2)
        assert (clip == clip[0]).all()


def test_styles_change_every_frame():
    plain = render(parse("a red star in a city"), 1, frames=3)
    for phrase in STYLES.values():
        assert np.abs(render(parse(f"a red star in a city, {phrase}"), 1, frames=3).astype(int) - plain).mean() > 5


def test_every_shape_and_place_can_be_drawn_from_any_seed():
    for seed in range(3):
        pictures = {
            shape: render(Scene((Thing(shape, "red"),), motion="still"), seed, frames=1).tobytes() for shape in SHAPES
        }
        assert len(set(pictures.values())) == len(SHAPES)
        views = {place: paint(place, seed, 64, 64).pixels for place in PLACES}
        assert all(len(np.unique(view.reshape(-1, 3), axis=0)) >= 2 for view in views.values())


def test_backdrop_tones_keep_their_distance_from_sprite_tones():
    backdrops = [*BACKDROPS, *(tone for place in PLACES.values() for tone in place.tones.values())]
    sprites = [tone for paint in COLORS.values() for tone in paint]
    nearest = min(np.linalg.norm(np.subtract(a, b)) for a in sprites for b in backdrops)
    assert nearest > 36
