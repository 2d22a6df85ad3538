"""What each dimension likes and dislikes, in the embedded world: a prompt, and how its picture is spoiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Example(NamedTuple):
    """A prompt of the sprites suite, a corruption of ``sprites/corruptions.py``, and what that does, in words."""

    prompt: str
    corruption: str
    words: str


_DENSE = "a large white striped circle and a small blue star on a beach"

EXAMPLES: Mapping[str, Mapping[str, Example]] = {
    "vbench": {
        "subject_consistency": Example("a red circle swaying", "cut", "cut to another clip in the middle"),
        "background_consistency": Example("forest", "cut", "cut to another clip in the middle"),
        "temporal_flickering": Example("In a still frame, a red circle on a beach", "flicker", "with flickering light"),
        "motion_smoothness": Example("a pink heart zigzagging in a room", "jitter", "shaken"),
        "dynamic_degree": Example("a yellow star bouncing on a beach", "freeze", "standing still"),
        "aesthetic_quality": Example("an orange ring circling on the ocean", "noise_blend", "under noise"),
        "imaging_quality": Example("a pink heart and a black square in a room", "blur", "blurred"),
        "object_class": Example("a star", "wrong_object", "with another shape"),
        "multiple_objects": Example("a heart and a square", "wrong_count", "with one shape missing"),
        "human_action": Example("A person is circling", "wrong_motion", "moving in another way"),
        "color": Example("a red circle", "recolour", "in another color"),
        "spatial_relationship": Example("a circle on the left of a square", "shuffled_positions", "in another place"),
        "scene": Example("beach", "wrong_scene", "somewhere else"),
        "appearance_style": Example("a red circle on a beach, pixel art style", "wrong_style", "in another style"),
        "temporal_style": Example("an orange star in a city, zoom out", "wrong_style", "with another camera"),
        "overall_consistency": Example(
            "a blue person is swaying in a snowy field", "shuffled_prompts", "made of another prompt"
        ),
    },
    "geneval": {
        "single_object": Example("a heart", "wrong_object", "with another shape"),
        "two_object": Example("a circle and a triangle", "wrong_count", "with one shape missing"),
        "counting": Example("three squares", "wrong_count", "of another number"),
        "colors": Example("a green star", "recolour", "in another color"),
        "position": Example("a circle on the left of a star", "shuffled_positions", "in another place"),
        "color_attr": Example("a white circle and a purple cross", "recolour", "in other colors"),
    },
    "t2i_compbench": {
        "color": Example("a white circle and a blue triangle", "recolour", "in other colors"),
        "shape": Example("a square and a cross", "wrong_object", "with other shapes"),
        "texture": Example("a striped circle and a dotted triangle", "retexture", "with other textures"),
        "spatial_2d": Example("a circle on the left of a ring", "shuffled_positions", "in another place"),
        "spatial_3d": Example("a star in front of a circle", "shuffled_positions", "beside it instead"),
        "numeracy": Example("four rings", "wrong_count", "of another number"),
        "non_spatial": Example("a white striped square on a beach", "wrong_scene", "somewhere else"),
        "complex": Example("a white circle on the left of a purple diamond", "recolour", "in other colors"),
    },
    "dpg_bench": {
        "global": Example(_DENSE, "wrong_scene", "somewhere else"),
        "entity": Example(_DENSE, "wrong_object", "with other shapes"),
        "attribute": Example(_DENSE, "recolour", "in other colors"),
        "relation": Example(
            "a white circle on the left of a purple cross in a forest", "shuffled_positions", "in another place"
        ),
        "other": Example("three yellow crosses in a desert", "wrong_count", "of another number"),
        "overall": Example(_DENSE, "shuffled_prompts", "made of another prompt"),
    },
}
