"""Training material of the sprites world: what its shares mean, and that an index names one example."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nova_eval.sprites.examples import CALM, LIVELY, example, example_scene, labelled_sentence
from nova_eval.sprites.grammar import Scene, Thing, parse, render_text
from nova_eval.sprites.motion_reading import main_track
from nova_eval.sprites.reading import read_frames
from nova_eval.sprites.vocabulary import STYLES


def test_sentences_can_be_read_back() -> None:
    for i in range(300):
        scene = example_scene(i, seed=5)
        assert parse(render_text(scene)) == scene


def test_labels_name_what_is_asked_for() -> None:
    text, labels = next(pair for i in range(50) if " and " in (pair := labelled_sentence(i, seed=5))[0])
    for word in labels:
        name, _, value = word.partition("=")
        assert name.endswith("count") or value.split("_")[0] in text


def test_a_clip_is_determined_by_seed_and_index() -> None:
    assert np.array_equal(example(3, seed=1).frames, example(3, seed=1).frames)
    assert example(3, seed=1).frames.shape == (17, 64, 64, 3)


def test_a_share_of_scenes_can_be_one_colored_thing() -> None:
    scenes = [example_scene(i, seed=5, simple=0.5) for i in range(400)]
    bare = [s for s in scenes if s.things and s == Scene((Thing(s.things[0].shape, s.things[0].color),))]
    assert 0.45 < len(bare) / 400 < 0.7
    only = [example_scene(i, seed=5, simple=1.0) for i in range(100)]
    assert all(len(s.things) == 1 and s.things[0].color and s.place is None and s.motion is None for s in only)
    assert "person" in {s.things[0].shape for s in only}


def test_shares_of_pairs_and_moving_things() -> None:
    drawn = [example_scene(i, seed=5, simple=0.2, pairs=0.3, moving=0.5, named=0.5, persons=0.4) for i in range(800)]
    pairs = [s for s in drawn if len(s.things) == 2]
    assert 0.25 < len(pairs) / 800 < 0.35
    assert 0.5 < sum(s.relation is not None for s in pairs) / len(pairs) < 0.7
    assert all(s.place is None and s.motion is None for s in pairs)
    motions = [s for s in drawn if s.motion]
    cameras = [s for s in drawn if s.camera]
    assert 0.45 < (len(motions) + len(cameras)) / 800 < 0.55
    assert 0.22 < len(cameras) / (len(motions) + len(cameras)) < 0.38
    assert 0.3 < sum(s.things[0].shape == "person" for s in motions) / len(motions) < 0.55
    things = [thing for s in drawn for thing in s.things]
    assert 0.42 < sum(thing.color is not None for thing in things) / len(things) < 0.58
    for scene in drawn:
        assert parse(render_text(scene)) == scene


def test_a_slow_clip_shows_half_of_what_happens() -> None:
    shares = {"moving": 1.0, "named": 1.0}
    quick, slow = (example(11, seed=6, frames=9, **shares, slow=share) for share in (0.0, 1.0))
    assert quick.text == slow.text
    assert "falling" in quick.text
    assert np.array_equal(quick.frames[0], slow.frames[0])
    assert np.array_equal(quick.frames[2], slow.frames[4])
    slower = example(11, seed=6, frames=9, **shares, slow=1.0, slower=1.0)
    assert np.array_equal(quick.frames[1], slower.frames[4])
    assert (quick.usual, slow.usual, slower.usual) == (True, False, False)


def test_a_calm_motion_is_the_one_that_a_sentence_stands_for() -> None:
    shares = {"moving": 1.0, "named": 1.0}
    far, calm, other = (example(11, seed=6, frames=9, **shares, calm=share) for share in (0.0, 1.0, 1e-9))
    assert far.text == calm.text == other.text
    assert "falling" in far.text
    assert (far.usual, calm.usual, other.usual) == (True, True, False)
    fallen = [np.ptp(main_track(read_frames(clip.frames)).y) for clip in (far, calm)]
    assert CALM[0] - 0.02 < fallen[1] / fallen[0] < CALM[1] + 0.02
    assert not np.array_equal(other.frames, calm.frames)


def test_what_does_not_move_is_as_usual_whatever_is_calm() -> None:
    plain, calm = (example(3, seed=6, frames=9, simple=1.0, calm=share) for share in (0.0, 1e-9))
    assert np.array_equal(plain.frames, calm.frames)
    assert calm.usual


def test_a_share_of_all_scenes_is_shown_in_a_style_and_nothing_else_changes() -> None:
    shares = {"simple": 0.2, "pairs": 0.5, "persons": 0.4}
    plain = [example_scene(i, seed=5, **shares) for i in range(400)]
    styled = [example_scene(i, seed=5, **shares, styled=0.5) for i in range(400)]
    assert [replace(scene, style=None) for scene in plain] == [replace(scene, style=None) for scene in styled]
    assert 0.45 < np.mean([one.style != other.style for one, other in zip(plain, styled, strict=True)]) < 0.55
    assert {scene.style for scene in styled} == {None, *STYLES}


def test_lively_things_sway_circle_zigzag_or_spin() -> None:
    def motions(lively: float) -> list[str]:
        drawn = [example_scene(i, seed=5, moving=1.0, lively=lively) for i in range(200)]
        return [scene.motion for scene in drawn if scene.motion]

    assert set(motions(1.0)) == set(LIVELY)
    assert sum(motion in LIVELY for motion in motions(0.0)) < len(motions(0.0)) / 2


def test_persons_can_be_more_common() -> None:
    def persons(share: float) -> int:
        single = [s.things[0] for i in range(300) if len((s := example_scene(i, seed=5, persons=share)).things) == 1]
        return sum(thing.shape == "person" for thing in single)

    assert persons(0.08) < 0.3 * persons(0.5)
