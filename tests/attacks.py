"""What each known corruption must lower: benchmark → corruption → dimensions, tasks, categories or subjects."""

from __future__ import annotations

FLICKER, SMOOTH = "temporal_flickering", "motion_smoothness"
SEMANTIC = frozenset(
    {"object_class", "multiple_objects", "human_action", "color", "spatial_relationship", "scene"}
    | {"appearance_style", "temporal_style", "overall_consistency"}
)
TASKS = frozenset({"single_object", "two_object", "counting", "colors", "position", "color_attr"})
CATEGORIES = frozenset({"color", "shape", "texture", "spatial_2d", "spatial_3d", "numeracy", "non_spatial", "complex"})
SUBJECTS = frozenset({"global", "entity", "attribute", "relation", "other", "overall"})
ATTACKS: dict[str, dict[str, frozenset[str]]] = {
    "vbench": {
        "flicker": frozenset({FLICKER, SMOOTH, "subject_consistency", "background_consistency"}),
        "blur": frozenset({"imaging_quality", "aesthetic_quality"}),
        "jitter": frozenset({FLICKER, SMOOTH}),
        "freeze": frozenset({"dynamic_degree", "human_action"}),
        "shuffled_frames": frozenset({SMOOTH, "human_action", "temporal_style"}),
        "noise_blend": frozenset(
            {FLICKER, SMOOTH, "imaging_quality", "aesthetic_quality", "subject_consistency", "background_consistency"}
        )
        | SEMANTIC - {"color"},  # where no object is seen, the color rule leaves the clip out
        "cut": frozenset({"subject_consistency", "background_consistency"}),
        "recolour": frozenset({"color", "overall_consistency"}),
        "wrong_count": frozenset({"multiple_objects", "spatial_relationship"}),
        "shuffled_positions": frozenset({"spatial_relationship"}),
        "wrong_object": frozenset({"object_class", "multiple_objects", "spatial_relationship", "overall_consistency"}),
        "wrong_scene": frozenset({"scene", "overall_consistency"}),
        "wrong_motion": frozenset({"human_action", "overall_consistency"}),
        "wrong_style": frozenset({"appearance_style", "temporal_style"}),
        "shuffled_prompts": SEMANTIC,
    },
    "geneval": {
        "noise_blend": TASKS,
        "recolour": frozenset({"colors", "color_attr"}),
        "wrong_count": frozenset({"two_object", "counting", "position", "color_attr"}),
        "shuffled_positions": frozenset({"position"}),
        "wrong_object": TASKS,
        "shuffled_prompts": TASKS,
    },
    "t2i_compbench": {
        "noise_blend": CATEGORIES,
        "recolour": frozenset({"color", "non_spatial", "complex"}),
        "retexture": frozenset({"texture", "non_spatial", "complex"}),
        "wrong_count": CATEGORIES,
        "shuffled_positions": frozenset({"spatial_2d", "spatial_3d", "complex"}),
        "wrong_object": CATEGORIES,
        "wrong_scene": frozenset({"non_spatial", "complex"}),
        "shuffled_prompts": CATEGORIES,
    },
    "dpg_bench": {
        "noise_blend": SUBJECTS,
        "recolour": frozenset({"attribute", "overall"}),
        "retexture": frozenset({"attribute", "overall"}),
        "wrong_count": frozenset({"entity", "relation", "other", "overall"}),
        "shuffled_positions": frozenset({"relation", "overall"}),
        "wrong_object": SUBJECTS - {"global"},
        "wrong_scene": frozenset({"global", "overall"}),
        "wrong_style": frozenset({"global", "overall"}),
        "shuffled_prompts": SUBJECTS,
    },
}
