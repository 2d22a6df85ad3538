"""The objects that numeracy prompts count, and their plurals."""

from __future__ import annotations

_IRREGULAR = {
    "butterfly": "butterflies",
    "couch": "couches",
    "deer": "deer",
    "fish": "fish",
    "goldfish": "goldfish",
    "knife": "knives",
    "man": "men",
    "mouse": "mice",
    "peach": "peaches",
    "person": "people",
    "sheep": "sheep",
    "shrimp": "shrimp",
    "strawberry": "strawberries",
    "tomato": "tomatoes",
    "woman": "women",
}
_REGULAR = (
    *("airplane", "apple", "backpack", "bag", "balloon", "banana", "bear", "bee", "bicycle", "bird", "boat", "book"),
    *("bottle", "bowl", "boy", "bread", "cake", "camel", "camera", "candle", "car", "cat", "chair", "chicken"),
    *("clock", "computer", "cow", "cup", "desk", "dog", "drum", "duck", "egg", "flag", "frog", "giraffe", "girl"),
    *("guitar", "hamburger", "helicopter", "helmet", "horse", "key", "kite", "lamp", "lemon", "microphone"),
    *("microwave", "paddle", "painting", "pear", "pen", "phone", "pig", "pillow", "plate", "printer", "rabbit"),
    *("refrigerator", "ship", "sink", "sofa", "stool", "suitcase", "swan", "table", "television", "tent", "toy"),
    *("train", "truck", "turtle", "vase"),
)

PLURALS = _IRREGULAR | {noun: f"{noun}s" for noun in _REGULAR}
"""Singular → plural of the 88 objects in the 300 prompts, all of one word; ``new_objects.txt`` names the same."""

SINGULARS = {plural: singular for singular, plural in PLURALS.items()}

PEOPLE = frozenset({"girl", "boy", "man", "woman"})
"""What the official rules look for as ``person``. The detector knows each of them as a label of its own."""
