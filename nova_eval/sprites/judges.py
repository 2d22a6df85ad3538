"""The analytic judges of the sprites world: every question of ``protocols`` answered from decoded pixels alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nova_eval.identity import digest
from nova_eval.protocols import Detection, Floats, Frames
from nova_eval.sprites import flow, quality
from nova_eval.sprites.features import background_features, color_name, nearness, subject_features
from nova_eval.sprites.layers import layered_nearness, read_layers
from nova_eval.sprites.matching import caption, clip_match, describe, frame_matches
from nova_eval.sprites.memory import FrameMemory
from nova_eval.sprites.motion_reading import main_track, name_motion
from nova_eval.sprites.questions import truth
from nova_eval.sprites.reading import full_mask, read_frames
from nova_eval.sprites.vocabulary import MOTIONS, WORLD_VERSION

JUDGES_VERSION = "2"  # changes whenever an answer can change
IMAGE_TEXT_SCALE = 0.28  # what a full match is called, near the best cosines of the official image-text model
VIDEO_TEXT_SCALE = 0.36  # … and of the official video-text model
SURE = 4.0  # logit of a motion recognised in every frame; −SURE is that of the others


class SpritesJudge:
    """All questions but the background's. Remembers what it read in the latest frames."""

    name = "sprites"
    light = True
    digest = digest(["sprites judges", WORLD_VERSION, JUDGES_VERSION])
    input_size: tuple[int, int] | None = None

    def __init__(self) -> None:
        self._read = _READ

    def to(self, device: str) -> SpritesJudge:
        """Itself: there is nothing to move."""
        return self

    def encode_images(self, frames: Frames) -> Floats:
        """Subject features: which shapes in which colors, in which surroundings and light."""
        return np.stack([subject_features(reading) for reading in self._read(frames)])

    def image_text_similarity(self, frames: Frames, text: str) -> Floats:
        """0 … ``IMAGE_TEXT_SCALE`` times the share of ``text`` each frame shows."""
        return IMAGE_TEXT_SCALE * np.array(frame_matches(frames, self._read(frames), text), np.float32)

    def video_text_similarity(self, frames: Frames, text: str) -> float:
        """0 … ``VIDEO_TEXT_SCALE`` times the share of ``text`` the clip shows."""
        return VIDEO_TEXT_SCALE * clip_match(frames, self._read(frames), text)

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """The sprites of each frame by the names of their shapes."""
        return self.describe(frames)

    def describe(self, frames: Frames) -> list[list[Detection]]:
        """The sprites of each frame with captions such as ``"a red striped circle"``."""
        size = (frames.shape[1], frames.shape[2])
        return [
            [
                Detection(s.shape, s.box, s.score, describe(s), full_mask(s, reading.covered.shape, size))
                for s in reading.objects
            ]
            for reading in self._read(frames)
        ]

    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """The commonest sprite color inside each mask (or box); gray, which has no name there, goes by brightness."""
        return [color_name(frame, one.box, one.mask) for one in objects]

    def depth(self, frames: Frames) -> Floats:
        """Sprites stand before their place, larger ones nearer; the place comes nearer towards its lower edge."""
        size = (frames.shape[1], frames.shape[2])
        return np.stack([nearness(reading, size) for reading in self._read(frames)])

    def flow(self, first: Frames, second: Frames) -> Floats:
        """Dense inverse search (OpenCV) on brightness, at full size."""
        return flow.dense_flow(first, second)

    def interpolate(self, first: Frames, second: Frames) -> Frames:
        """Both frames warped halfway along the flow between them."""
        return flow.halfway(first, second)

    def action_logits(self, frames: Frames) -> tuple[Sequence[str], Floats]:
        """One logit for each of ``MOTIONS``; all low where nothing moves in a way that has a name."""
        track = main_track(self._read(frames))
        named = name_motion(track)
        sure = SURE * (track.share if track else 0.0)
        return MOTIONS, np.array([sure if motion == named else -SURE for motion in MOTIONS], np.float32)

    def caption(self, frames: Frames) -> list[str]:
        """``"a beach with a red circle"``; ``"an unclear picture"`` where nothing is recognised."""
        return [caption(reading) for reading in self._read(frames)]

    def answer(self, frames: Frames, questions: Sequence[str]) -> list[list[str]]:
        """``"yes"`` or ``"no"``; UsageError for a question outside of the language that ``questions`` states."""
        return [["yes" if chance >= 0.5 else "no" for chance in row] for row in self._truths(frames, questions)]

    def probability_of_yes(self, frames: Frames, questions: Sequence[str]) -> Floats:
        """(N, Q) in 0 … 1, by how surely what is asked about is recognised."""
        return np.array(self._truths(frames, questions), np.float32).reshape(len(frames), len(questions))

    def aesthetic(self, frames: Frames) -> Floats:
        """0 … 10 from color, order, contrast, lines and composition; noise spoils all."""
        pairs = zip(self._read(frames), _MEASURE(frames), strict=True)
        return np.array([quality.aesthetic(r.small, r.covered, measured) for r, measured in pairs], np.float32)

    def quality(self, frames: Frames) -> Floats:
        """0 … 100 from sharpness, noise and contrast."""
        return np.array([quality.quality(measured) for measured in _MEASURE(frames)], np.float32)

    def _truths(self, frames: Frames, questions: Sequence[str]) -> list[list[float]]:
        pairs = zip(frames, self._read(frames), strict=True)
        return [[truth(frame, reading, question) for question in questions] for frame, reading in pairs]


class SpritesBackgroundEncoder:
    """Features of what is behind the sprites: backdrop tones, their arrangement, and the light."""

    name = "sprites_background"
    light = True
    digest = digest(["sprites background", WORLD_VERSION, JUDGES_VERSION])

    def __init__(self) -> None:
        self._read = _READ

    def to(self, device: str) -> SpritesBackgroundEncoder:
        """Itself: there is nothing to move."""
        return self

    def encode_images(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N, D); sprites are left out of what is described."""
        return np.stack([background_features(reading) for reading in self._read(frames)])


class SpritesLayersJudge:
    """Objects and depth where sprites stand before each other."""

    name = "sprites_layers"
    light = True
    digest = digest(["sprites layers", WORLD_VERSION, JUDGES_VERSION])

    def __init__(self) -> None:
        self._read = _READ

    def to(self, device: str) -> SpritesLayersJudge:
        """Itself: there is nothing to move."""
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """The sprites of each frame by the names of their shapes, those in front of others included."""
        size = (frames.shape[1], frames.shape[2])
        return [
            [
                Detection(
                    seen.shape, seen.box, seen.score, describe(seen), full_mask(seen, reading.covered.shape, size)
                )
                for seen in read_layers(reading, size).objects
            ]
            for reading in self._read(frames)
        ]

    def depth(self, frames: Frames) -> Floats:
        """Sprites stand before their place, and what covers another sprite before all."""
        size = (frames.shape[1], frames.shape[2])
        return np.stack([layered_nearness(r, read_layers(r, size), size) for r in self._read(frames)])


class SpritesTextJudge:
    """How much of a sentence an image shows, on a scale that ends at 1."""

    name = "sprites_text"
    light = True
    digest = digest(["sprites text", WORLD_VERSION, JUDGES_VERSION])

    def __init__(self) -> None:
        self._read = _READ

    def to(self, device: str) -> SpritesTextJudge:
        """Itself: there is nothing to move."""
        return self

    def image_text_similarity(self, frames: Frames, text: str) -> Floats:
        """0 … 1: the share of ``text`` that each frame shows."""
        return np.array(frame_matches(frames, self._read(frames), text), np.float32)


_READ = FrameMemory(read_frames)  # shared, so that both judges read a frame once
_MEASURE = FrameMemory(lambda frames: [quality.measure(frame) for frame in frames])
