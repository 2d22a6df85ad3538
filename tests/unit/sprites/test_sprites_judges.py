"""The judges read decoded clips of this world right at least 95 % of the time, and find next to nothing in noise."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from nova_eval.media import encode_video, read
from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.judges import IMAGE_TEXT_SCALE, VIDEO_TEXT_SCALE, SpritesBackgroundEncoder, SpritesJudge
from nova_eval.sprites.matching import caption, relation_holds
from nova_eval.sprites.motion_reading import name_camera
from nova_eval.sprites.reading import read_frames
from nova_eval.sprites.renderer import render
from nova_eval.sprites.style_reading import style_score
from nova_eval.sprites.vocabulary import (
    CAMERAS,
    COLORS,
    MOTIONS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    STYLES,
    TEXTURES,
    THIN,
    TURNING_MOTIONS,
)

CODECS = ["h264-lossless", "h264"]
JUDGE = SpritesJudge()
EVERY_OTHER = slice(0, 16, 2)  # what a rule that samples eight frames sees


@cache
def drawn(scene: Scene, seed: int, frames: int, size: int):
    return render(scene, seed, frames=frames, height=size, width=size)


@cache
def through_a_file(codec: str, scene: Scene, seed: int, frames: int = 3, size: int = 64):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        path.write_bytes(encode_video(drawn(scene, seed, frames, size), 8.0, codec))
        return read(path).frames


@pytest.fixture(params=CODECS)
def decoded(request):
    """(scene, seed, frames, size) → the clip as it is read back from a file of the codec."""
    return partial(through_a_file, request.param)


def share(outcomes) -> float:
    outcomes = list(outcomes)
    assert len(outcomes) >= 20
    return float(np.mean(outcomes))


class TestWhatIsSeen:
    def test_shapes_and_colors_at_all_places(self, decoded):
        outcomes = []
        places = [None, *PLACES]
        for i, shape in enumerate(SHAPES):
            for j, color in enumerate(COLORS):
                clip = decoded(Scene((Thing(shape, color),), place=places[(3 * i + j) % len(places)]), j, frames=2)
                outcomes += [
                    [(o.label, o.caption.split()[1]) for o in objects] == [(shape, color)]
                    for objects in JUDGE.describe(clip)
                ]
        assert share(outcomes) >= 0.95

    @pytest.mark.parametrize("size", [48, 96, 256])
    def test_shapes_and_colors_at_other_sizes(self, decoded, size):
        outcomes = []
        for i, shape in enumerate(SHAPES):
            for j, color in enumerate(list(COLORS)[i % 3 :: 3]):
                clip = decoded(Scene((Thing(shape, color),)), j, frames=1, size=size)
                outcomes.append([(o.label, o.caption.split()[1]) for o in JUDGE.describe(clip)[0]] == [(shape, color)])
        assert share(outcomes) >= 0.95

    def test_counts_are_exact(self, decoded):
        outcomes = []
        for count in (1, 2, 3, 4):
            for seed, shape in enumerate(SHAPES):
                clip = decoded(Scene((Thing(shape, count=count),)), seed, frames=1)
                outcomes.append([o.label for o in JUDGE.detect(clip)[0]] == [shape] * count)
        assert share(outcomes) >= 0.95

    def test_two_things_keep_their_own_colors(self, decoded):
        outcomes = []
        for seed, shape in enumerate(SHAPES):
            other = SHAPES[(seed + 4) % len(SHAPES)]
            for one, two in (("red", "blue"), ("white", "black"), ("pink", "green")):
                clip = decoded(Scene((Thing(shape, one), Thing(other, two))), seed, frames=1)
                found = {(o.label, o.caption.split()[1]) for o in JUDGE.describe(clip)[0]}
                outcomes.append(found == {(shape, one), (other, two)})
        assert share(outcomes) >= 0.95

    def test_textures(self, decoded):
        outcomes = []
        for seed, shape in enumerate(shape for shape in SHAPES if shape not in THIN):
            for texture in TEXTURES:
                for color in ("red", "white", "black", "green", "yellow"):
                    clip = decoded(Scene((Thing(shape, color, texture, "large"),)), seed, frames=1, size=96)
                    objects = read_frames(clip)[0].objects
                    outcomes.append([o.texture for o in objects] == [texture])
        assert share(outcomes) >= 0.95

    def test_sizes(self, decoded):
        outcomes = []
        for seed, shape in enumerate(SHAPES):
            for size in SIZES:
                clip = decoded(Scene((Thing(shape, size=size),)), seed, frames=1)
                outcomes.append([o.size for o in read_frames(clip)[0].objects] == [size])
        assert share(outcomes) >= 0.95

    def test_relations(self, decoded):
        outcomes = []
        for relation in RELATIONS:
            for seed in range(8):
                one, other = SHAPES[seed], SHAPES[seed + 3]
                clip = decoded(Scene((Thing(one), Thing(other)), relation=relation), seed, frames=1)
                seen = {o.shape: o for o in read_frames(clip)[0].objects}
                right = one in seen and other in seen and relation_holds(relation, seen[one], seen[other])
                outcomes.append(right)
        assert share(outcomes) >= 0.95

    def test_places(self, decoded):
        outcomes = []
        for place in PLACES:
            for seed in range(4):
                texts = JUDGE.caption(decoded(Scene(place=place), seed))
                outcomes += [all(word in text.split() for word in place.split()) for text in texts]
                others = [other for other in PLACES if other != place]
                outcomes += [not any(all(word in text for word in other.split()) for other in others) for text in texts]
        assert share(outcomes) >= 0.95

    def test_styles(self, decoded):
        outcomes = []
        for style, phrase in STYLES.items():
            for seed, place in enumerate(PLACES):
                clip = decoded(Scene((Thing("star", "red"),), place=place, style=style), seed, frames=1)
                outcomes.append(JUDGE.image_text_similarity(clip, phrase)[0] > 0.7 * IMAGE_TEXT_SCALE)
                wrong = [JUDGE.image_text_similarity(clip, other)[0] for name, other in STYLES.items() if name != style]
                outcomes.append(max(wrong) < 0.05)
        assert share(outcomes) >= 0.95

    def test_ordinary_frames_have_no_style(self, decoded):
        outcomes = []
        for seed, place in enumerate([None, *PLACES]):
            for thing in (Thing("heart", "blue"), Thing("person", "white")):
                clip = decoded(Scene((thing,), place=place), seed, frames=1)
                outcomes.append(max(style_score(clip[0], style) for style in STYLES) < 0.2)
        assert share(outcomes) >= 0.9


class TestWhatMoves:
    @pytest.mark.parametrize("sampled", [slice(0, 16), EVERY_OTHER], ids=["16 frames", "8 frames"])
    def test_motions(self, decoded, sampled):
        outcomes = []
        for motion in MOTIONS:
            shapes = ("person", "heart", "arrow") if motion in TURNING_MOTIONS else ("person", "star", "square")
            for seed in range(2):
                for shape in shapes:
                    clip = decoded(Scene((Thing(shape),), motion=motion), seed, frames=17)
                    names, logits = JUDGE.action_logits(clip[sampled])
                    chance = 1 / (1 + np.exp(-logits))
                    sure = [name for name, p in zip(names, chance, strict=True) if p >= 0.85]
                    outcomes.append(sure == [motion] and np.sort(chance)[-2] < 0.1)
        assert share(outcomes) >= 0.95

    def test_what_stands_still_has_no_motion(self, decoded):
        outcomes = []
        for seed, shape in enumerate(SHAPES):
            for motion in (None, "still"):
                _, logits = JUDGE.action_logits(decoded(Scene((Thing(shape),), motion=motion), seed, frames=17)[:16])
                outcomes.append(logits.max() < 0)
        assert share(outcomes) >= 0.95

    def test_cameras(self, decoded):
        outcomes = []
        for camera in CAMERAS:
            for seed, place in enumerate(PLACES):
                things = (Thing("star", "red"),) if seed % 2 else ()
                clip = decoded(Scene(things, place=place, camera=camera), seed, frames=17)
                outcomes.append(name_camera(clip[EVERY_OTHER]) == camera)
        assert share(outcomes) >= 0.95

    def test_flow_follows_a_sprite(self, decoded):
        clip = decoded(Scene((Thing("star", "yellow", "striped"),), motion="rising", place="night sky"), 1, frames=17)
        flow = JUDGE.flow(clip[:-1], clip[1:])
        assert flow.shape == (16, 64, 64, 2)
        for field, reading in zip(flow, read_frames(clip[:-1]), strict=True):
            inside = field[reading.covered]
            assert np.median(inside[:, 1]) == pytest.approx(-0.5 * 64 / 16, abs=0.7)
            assert abs(np.median(field[~reading.covered])) < 0.2

    def test_a_middle_frame_is_nearer_than_a_cross_fade(self, decoded):
        gains = []
        for seed, shape in enumerate(["star", "circle", "heart", "ring"]):
            clip = decoded(Scene((Thing(shape, "red"),), motion="circling", place="meadow"), seed, frames=17).astype(
                int
            )
            predicted = JUDGE.interpolate(clip[:-2:2].astype(np.uint8), clip[2::2].astype(np.uint8)).astype(int)
            faded = (clip[:-2:2] + clip[2::2]) // 2
            gains.append(np.abs(predicted - clip[1:-1:2]).mean() / np.abs(faded - clip[1:-1:2]).mean())
        assert max(gains) < 0.75


class TestWhatTextSays:
    SCENES = (
        Scene((Thing("circle", "red", "striped"),), motion="bouncing", place="beach"),
        Scene((Thing("star", "yellow", count=3),), place="night sky"),
        Scene((Thing("cross", "gray"), Thing("circle", "orange")), relation="left", place="meadow"),
        Scene((Thing("person", "white"),), place="forest", camera="zoom_in"),
        Scene((Thing("diamond", "purple"),), position="top", place="room"),
    )

    def test_a_full_match_nears_the_scale_and_another_scene_does_not(self, decoded):
        for seed, scene in enumerate(self.SCENES):
            clip = decoded(scene, seed, frames=17)[EVERY_OTHER]
            assert JUDGE.video_text_similarity(clip, render_text(scene)) > 0.93 * VIDEO_TEXT_SCALE
            for other in self.SCENES:
                if other != scene:
                    assert JUDGE.video_text_similarity(clip, render_text(other)) < 0.35 * VIDEO_TEXT_SCALE

    def test_every_wrong_fact_costs(self, decoded):
        clip = decoded(self.SCENES[0], 3, frames=17)[EVERY_OTHER]
        right = JUDGE.video_text_similarity(clip, "a red striped circle bouncing on a beach")
        for wrong in ("a blue striped circle bouncing on a beach", "a red dotted circle bouncing on a beach"):
            assert JUDGE.video_text_similarity(clip, wrong) < 0.9 * right
        for wrong in ("a red striped circle falling on a beach", "a red striped circle bouncing in a city"):
            assert JUDGE.video_text_similarity(clip, wrong) < 0.9 * right
        assert JUDGE.video_text_similarity(clip, "two elephants drinking tea") == 0

    def test_foreign_sentences_share_words_at_most(self, decoded):
        clip = decoded(self.SCENES[0], 3, frames=3)
        assert JUDGE.video_text_similarity(clip, "a photograph of a sunny beach, with a red ball") > 0
        assert JUDGE.image_text_similarity(clip, "an oil painting of a dog").max() == 0


class TestFeatures:
    ENCODERS = (JUDGE, SpritesBackgroundEncoder())

    @staticmethod
    def consistency(encoder, clip) -> float:
        rows = encoder.encode_images(clip)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float((rows[1:] @ rows[0]).mean())

    def test_one_scene_stays_alike_and_a_cut_or_flicker_does_not(self, decoded):
        first = decoded(Scene((Thing("circle", "red"),), motion="circling", place="beach"), 1, frames=17)
        second = decoded(Scene((Thing("star", "blue"),), motion="rising", place="city"), 1, frames=17)
        cut = np.concatenate([first[:8], second[8:]])
        flicker = first.copy()
        flicker[1::2] = (flicker[1::2] * 0.6).astype(np.uint8)
        for encoder in self.ENCODERS:
            assert self.consistency(encoder, first) > 0.97
            assert self.consistency(encoder, cut) < 0.8
            assert self.consistency(encoder, flicker) < 0.85
        assert self.consistency(JUDGE, np.stack([first[0], first[0]])) == pytest.approx(1.0, abs=1e-6)

    def test_another_subject_at_the_same_place_is_the_subjects_affair(self, decoded):
        first = decoded(Scene((Thing("circle", "red"),), motion="still", place="beach"), 1)
        second = decoded(Scene((Thing("star", "blue"),), motion="still", place="beach"), 1)
        mixed = np.concatenate([first[:1], second])
        assert self.consistency(JUDGE, mixed) < 0.6
        assert self.consistency(self.ENCODERS[1], mixed) > 0.97


class TestLooks:
    def test_sharp_beats_blurred_beats_noise(self, decoded):
        import cv2

        for seed, place in enumerate(PLACES):
            clip = decoded(Scene((Thing("star", "red"),), place=place), seed, frames=1)
            blurred = np.stack([cv2.GaussianBlur(clip[0], (0, 0), 2.0)])
            noise = np.random.default_rng(seed).integers(0, 256, clip.shape, dtype=np.uint8)
            for rate, top in ((JUDGE.quality, 100), (JUDGE.aesthetic, 10)):
                sharp, soft, none = (float(rate(frames)[0]) for frames in (clip, blurred, noise))
                assert 0.5 * top < sharp <= top
                assert none < 0.05 * top < soft < 0.95 * sharp


class TestColorsAndDepth:
    def test_colors_by_mask_and_by_box(self, decoded):
        outcomes = []
        for seed, color in enumerate(color for color in COLORS if color != "gray"):
            frame = decoded(Scene((Thing("square", color), Thing("star", "gray")), motion="still"), seed, frames=1)[0]
            found = {o.label: o for o in JUDGE.detect(frame[None])[0]}
            outcomes += [JUDGE.colors(frame, [found[s]])[0] for s in ("square",)] == [color], "star" in found
            outcomes.append(JUDGE.colors(frame, [found["square"]._replace(mask=None)]) == [color])
        assert share(outcomes) >= 0.95

    def test_sprites_are_nearer_than_their_place(self, decoded):
        clip = decoded(Scene((Thing("circle", "red"),), motion="still", place="beach"), 1, frames=1, size=160)
        depth = JUDGE.depth(clip)[0]
        (seen,) = JUDGE.detect(clip)[0]
        assert depth.shape == seen.mask.shape == (160, 160)
        assert depth[seen.mask].min() > depth[~seen.mask].max()
        assert depth.min() >= 0
        assert depth.max() == 1


class TestWhatIsNotOfThisWorld:
    def foreign(self, height, width):
        rng = np.random.default_rng(7)
        noise = rng.integers(0, 256, (4, height, width, 3), dtype=np.uint8)
        ramp = np.linspace(0, 255, width)[None, None, :, None] * np.ones((4, height, 1, 3))
        waves = 127 + 100 * np.sin(np.add.outer(np.arange(height), np.arange(width)) / 9.0)
        return {
            "noise": noise,
            "black": np.zeros((4, height, width, 3), np.uint8),
            "white": np.full((4, height, width, 3), 255, np.uint8),
            "ramp": ramp.astype(np.uint8),
            "waves": np.repeat(waves[None, ..., None], 4, 0).repeat(3, -1).astype(np.uint8),
        }

    @pytest.mark.parametrize(("height", "width"), [(48, 48), (64, 64), (50, 91), (240, 256), (16, 16)])
    def test_every_question_is_answered_without_a_crash(self, height, width):
        for clip in self.foreign(height, width).values():
            for text in ("a red circle bouncing on a beach", "beach, zoom in", "neon style", "ein Hund"):
                assert 0 <= JUDGE.video_text_similarity(clip, text) <= VIDEO_TEXT_SCALE
                assert JUDGE.image_text_similarity(clip, text).shape == (4,)
            assert len(JUDGE.describe(clip)) == len(JUDGE.detect(clip)) == len(JUDGE.caption(clip)) == 4
            assert JUDGE.flow(clip[:-1], clip[1:]).shape == (3, height, width, 2)
            assert JUDGE.interpolate(clip[:-1], clip[1:]).dtype == np.uint8
            assert JUDGE.action_logits(clip)[1].max() < 0
            for numbers in (JUDGE.encode_images(clip), SpritesBackgroundEncoder().encode_images(clip)):
                assert np.isfinite(numbers).all()
            for numbers in (JUDGE.aesthetic(clip), JUDGE.quality(clip), JUDGE.depth(clip)):
                assert np.isfinite(numbers).all()

    def test_single_frames_are_answered(self):
        clip = render(Scene((Thing("star", "red"),), place="beach"), 1, frames=1)
        assert JUDGE.video_text_similarity(clip, "a red star on a beach") > 0.3
        assert JUDGE.action_logits(clip)[1].max() < 0

    def test_noise_shows_nothing(self):
        found, clear, moving = [], [], []
        for seed in range(60):
            clip = np.random.default_rng(seed).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
            found += [len(objects) > 0 for objects in JUDGE.detect(clip)]
            clear += [caption(reading) != "an unclear picture" for reading in read_frames(clip)]
            moving.append(JUDGE.action_logits(clip)[1].max() > 0)
            assert JUDGE.video_text_similarity(clip[:8], "a red circle on a beach") < 0.05 * VIDEO_TEXT_SCALE
        assert max(share(found), share(clear), share(moving)) <= 0.05


def test_answers_do_not_depend_on_what_was_asked_before():
    clips = [render(Scene((Thing(shape, "red"),), place="beach"), 1, frames=3) for shape in SHAPES[:4]]
    fresh = [SpritesJudge().describe(clip) for clip in clips]
    for clip, expected in zip(clips[::-1], fresh[::-1], strict=True):
        again = JUDGE.describe(np.concatenate([clips[0], clip]))[3:]
        assert [[o[:4] for o in objects] for objects in again] == [[o[:4] for o in objects] for objects in expected]
