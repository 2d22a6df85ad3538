"""What stands before what: drawn, read back, and near as it says; sentences that could not be seen are refused."""

from __future__ import annotations

import numpy as np
import pytest

from nova_eval.adapters.t2i_compbench.frames import official_frame
from nova_eval.adapters.t2i_compbench.positions import iou
from nova_eval.errors import UsageError
from nova_eval.sprites.grammar import Scene, Thing, parse, render_text
from nova_eval.sprites.judges import SpritesJudge, SpritesLayersJudge, SpritesTextJudge
from nova_eval.sprites.layers import read_layers
from nova_eval.sprites.reading import read_frames
from nova_eval.sprites.renderer import render
from nova_eval.sprites.vocabulary import BEFORE

JUDGE = SpritesLayersJudge()
PAIRS = [(near, far) for far, before in BEFORE.items() for near in before]


def layered(near: str, far: str, seed: int) -> Scene:
    if seed % 2:
        return Scene((Thing(near), Thing(far)), "front")
    return Scene((Thing(far), Thing(near)), "behind")


@pytest.mark.parametrize("enlarged", [False, True], ids=["64", "479"])
def test_both_are_found_and_which_is_nearer(enlarged):
    outcomes, overlaps = [], []
    for i, (near, far) in enumerate(PAIRS):
        for seed in range(8 * i, 8 * i + 8):
            frames = render(layered(near, far, seed), seed, frames=1)
            frames = official_frame(frames[0])[None] if enlarged else frames
            (reading,) = read_frames(frames)
            layers = read_layers(reading, frames.shape[1:3])
            pairs = [(layers.objects[a], layers.objects[b]) for a, b in layers.before]
            outcomes.append([(a.shape, b.shape) for a, b in pairs] == [(near, far)] and len(layers.objects) == 2)
            overlaps += [iou(a.box, b.box) for a, b in pairs]
    assert np.mean(outcomes) >= 0.97
    assert np.mean(np.array(overlaps) > 0.5) >= 0.9


def test_colors_stay_with_their_things():
    for seed, (near, far) in enumerate(PAIRS):
        scene = Scene((Thing(near, "red"), Thing(far, "white")), "front")
        (found,) = JUDGE.detect(render(scene, seed, frames=1))
        assert {one.caption for one in found} == {f"a red {near}", f"a white {far}"}


def test_what_covers_is_nearer_than_what_is_covered():
    frames = render(parse("a red circle in front of a white square"), 1, frames=1, height=160, width=160)
    depth = JUDGE.depth(frames)[0]
    found = {one.label: one for one in JUDGE.detect(frames)[0]}
    assert depth[found["circle"].mask].min() == 1
    around = found["square"].mask & ~found["circle"].mask
    assert 0.3 < depth[around].max() < 0.95
    assert depth[~found["square"].mask].max() < depth[around].min()


def test_sentences_are_read_back_and_told_apart():
    judge = SpritesTextJudge()
    scene = parse("a star in front of a circle on a beach")
    assert scene.relation == "front"
    assert render_text(scene) == "a star in front of a circle on a beach"
    frame = render(scene, 2, frames=1)
    assert judge.image_text_similarity(frame, render_text(scene))[0] > 0.95
    assert judge.image_text_similarity(frame, "a circle behind a star on a beach")[0] > 0.95
    assert judge.image_text_similarity(frame, "a star on the left of a circle on a beach")[0] < 0.8


def test_without_layers_both_judges_agree():
    for seed, text in enumerate(["a red circle and a blue star", "two striped squares", "a black person in a city"]):
        frames = render(parse(text), seed, frames=1)
        for mine, plain in zip(JUDGE.detect(frames)[0], SpritesJudge().detect(frames)[0], strict=True):
            assert mine[:4] == plain[:4]


@pytest.mark.parametrize(
    "text",
    [
        "a circle in front of a star",
        "a person in front of a circle",
        "a red star in front of a red circle",
        "a small star in front of a circle",
        "a star in front of a striped circle",
        "two stars in front of a circle",
    ],
)
def test_what_could_not_be_told_apart_is_refused(text):
    with pytest.raises(UsageError, match="cannot show"):
        parse(text)
