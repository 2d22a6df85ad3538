"""The words of the sprites world and what they look like: colors, shapes, places, motions, cameras, styles.

Color words are among those VBench's color rule knows, and no other word of this world contains one of them
("checked", not "checkered": the rule looks for substrings). Backdrop tones are muted and keep their distance from every
sprite tone, so that a pixel's color alone says whether it belongs to a sprite.
"""

from __future__ import annotations

from typing import NamedTuple

RGB = tuple[int, int, int]

WORLD_VERSION = "sprites-1"  # changes whenever a rendered pixel can change


class Paint(NamedTuple):
    """A sprite's color and the tone its texture is drawn in."""

    body: RGB
    shade: RGB


COLORS: dict[str, Paint] = {
    "white": Paint((252, 252, 250), (80, 80, 84)),
    "red": Paint((220, 36, 40), (112, 16, 20)),
    "pink": Paint((252, 140, 188), (196, 84, 130)),
    "blue": Paint((38, 90, 228), (18, 42, 118)),
    "purple": Paint((142, 48, 194), (72, 22, 98)),
    "orange": Paint((252, 134, 18), (168, 78, 6)),
    "green": Paint((38, 168, 70), (18, 88, 36)),
    "yellow": Paint((252, 216, 36), (186, 146, 10)),
    "black": Paint((24, 24, 27), (80, 80, 84)),
    "gray": Paint((128, 128, 128), (80, 80, 84)),
}

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond", "crescent", "arrow", "person")
PLURALS = {shape: shape + "s" for shape in SHAPES} | {"cross": "crosses", "person": "people"}
THIN = frozenset({"person", "arrow"})  # too narrow to show a texture
TURNABLE = frozenset({"triangle", "heart", "diamond", "crescent", "arrow", "person"})

TEXTURES = ("plain", "striped", "dotted", "checked")
SIZES = ("small", "large")
COUNTS = {1: "a", 2: "two", 3: "three", 4: "four"}

RELATIONS = {
    "left": "on the left of",
    "right": "on the right of",
    "top": "on the top of",
    "bottom": "on the bottom of",
}
POSITIONS = {
    "left": "on the left side",
    "right": "on the right side",
    "top": "at the top",
    "bottom": "at the bottom",
    "middle": "in the middle",
}

DEPTHS = {"front": "in front of", "behind": "behind"}
BEFORE = {
    "circle": {"star": 0.8, "cross": 0.84, "ring": 0.84},
    "square": {
        "circle": 0.76,
        "triangle": 0.76,
        "star": 0.68,
        "heart": 0.74,
        "cross": 0.76,
        "ring": 0.76,
        "crescent": 0.68,
    },
}
"""What can stand before what: farther shape → nearer shape → the radius at which the farther one's outline stays in
view and the two boxes still share more than half of their union, in radii of the farther one."""

STILL = "still"
STILL_PREFIX = "in a still frame"
TURNING_MOTIONS = frozenset({"spinning", "rocking"})
SIZING_MOTIONS = frozenset({"pulsing", "growing", "shrinking"})
MOTIONS = (
    "bouncing",
    "swaying",
    "circling",
    "zigzagging",
    "rising",
    "falling",
    "spinning",
    "rocking",
    "pulsing",
    "growing",
    "shrinking",
)

CAMERAS = {
    "zoom_in": "zoom in",
    "zoom_out": "zoom out",
    "pan_left": "pan left",
    "pan_right": "pan right",
    "tilt_up": "tilt up",
    "tilt_down": "tilt down",
    "shaking": "with an intense shaking effect",
    "focus": "racking focus",
    "steady": "featuring a steady and smooth perspective",
}

STYLES = {
    "pixel_art": "pixel art style",
    "monochrome": "black and white style",
    "sepia": "sepia style",
    "sketch": "pencil sketch style",
    "neon": "neon style",
    "blueprint": "blueprint style",
    "thermal": "thermal camera style",
    "night_vision": "night vision style",
}


class Place(NamedTuple):
    """A place's phrase after an object ("on a beach") and the tones it is painted in, the essential ones first.

    ``essential`` tones are visible wherever the camera looks; the others are details.
    """

    phrase: str
    tones: dict[str, RGB]
    essential: int


PLACES: dict[str, Place] = {
    "beach": Place(
        "on a beach",
        {"sky": (168, 205, 230), "sea": (96, 158, 190), "sand": (226, 206, 160), "sun": (250, 236, 186)},
        3,
    ),
    "forest": Place(
        "in a forest",
        {"haze": (180, 216, 164), "tree": (84, 124, 92), "floor": (116, 138, 80), "trunk": (122, 94, 74)},
        3,
    ),
    "desert": Place(
        "in a desert",
        {"sky": (242, 216, 182), "dune": (218, 166, 112), "slope": (192, 138, 92), "sun": (252, 238, 206)},
        3,
    ),
    "ocean": Place("on the ocean", {"sky": (190, 220, 216), "swell": (56, 122, 124), "wave": (86, 152, 146)}, 3),
    "meadow": Place(
        "in a meadow",
        {"sky": (176, 214, 240), "grass": (152, 194, 118), "hill": (126, 172, 96), "cloud": (210, 228, 242)},
        3,
    ),
    "city": Place(
        "in a city",
        {
            "sky": (216, 194, 208),
            "brick": (152, 104, 104),
            "plaster": (180, 134, 122),
            "road": (120, 84, 112),
            "window": (238, 216, 156),
        },
        3,
    ),
    "mountain": Place(
        "on a mountain",
        {"sky": (196, 216, 232), "rock": (112, 106, 170), "foot": (146, 160, 216), "cap": (206, 216, 246)},
        3,
    ),
    "night sky": Place(
        "under a night sky",
        {"dark": (66, 58, 122), "hill": (42, 72, 96), "star": (198, 196, 238), "moon": (230, 222, 176)},
        2,
    ),
    "snowy field": Place(
        "in a snowy field",
        {"air": (186, 180, 222), "snow": (208, 221, 241), "drift": (172, 196, 230), "pine": (70, 112, 112)},
        3,
    ),
    "sunset": Place(
        "at sunset",
        {"coral": (238, 172, 142), "rose": (210, 126, 130), "plum": (104, 54, 100), "sun": (252, 224, 166)},
        3,
    ),
    "room": Place(
        "in a room",
        {"wall": (236, 196, 186), "stripe": (216, 170, 164), "floor": (150, 108, 80), "board": (130, 92, 66)},
        3,
    ),
    "underwater": Place(
        "underwater",
        {"deep": (34, 96, 124), "water": (60, 134, 156), "bubble": (140, 178, 216), "weed": (52, 112, 98)},
        2,
    ),
    "stage": Place("on a stage", {"curtain": (142, 52, 68), "fold": (114, 40, 58), "floor": (178, 140, 108)}, 3),
}

BACKDROPS: tuple[RGB, ...] = (
    (200, 217, 229),
    (229, 214, 198),
    (205, 223, 205),
    (219, 205, 227),
    (229, 222, 192),
    (195, 206, 225),
)
