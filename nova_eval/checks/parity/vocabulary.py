"""A vocabulary laid out like bert-base-uncased's, of invented words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product
from string import ascii_lowercase, digits

SIZE = 30522
COLORS = ("white", "red", "pink", "blue", "silver", "purple", "orange", "green", "gray", "yellow", "black", "grey")
SCENES = (
    *("a", "an", "the", "of", "on", "in", "at", "and", "with", "is", "are", "picture", "photo", "person", "people"),
    *("man", "woman", "dog", "cat", "bird", "horse", "car", "bus", "truck", "boat", "train", "bicycle", "chair"),
    *("table", "bed", "cup", "bowl", "vase", "clock", "book", "tree", "grass", "sky", "water", "sea", "beach", "sand"),
    *("street", "road", "house", "building", "tower", "bridge", "park", "forest", "mountain", "river", "snow"),
    *("field", "kitchen", "bathroom", "office", "room", "shop", "large", "small", "bright", "dark", "old", "new"),
)


def vocabulary() -> list[str]:
    """30522 different pieces: special tokens at their usual places, characters, pairs, words, invented words."""
    pairs = [first + second for first, second in product(ascii_lowercase, repeat=2)]
    pieces = ["[PAD]", *_unused(0, 99), "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_unused(99, 994)]
    pieces += [chr(point) for point in range(33, 127) if not chr(point).isupper()]
    pieces += [f"##{character}" for character in ascii_lowercase + digits]
    pieces += [*pairs, *(f"##{pair}" for pair in pairs)]
    known = set(pieces)
    pieces += [word for word in (*COLORS, *SCENES) if word not in known]
    known.update(pieces)
    for word in _invented():
        if len(pieces) == SIZE:
            break
        if word not in known:
            known.add(word)
            pieces.append(word)
    return pieces


def _unused(first: int, last: int) -> list[str]:
    return [f"[unused{number}]" for number in range(first, last)]


def _invented() -> Iterator[str]:
    """Words of two, later three syllables; of five, one starts with a color and one only continues words."""
    syllables = [consonant + vowel for consonant in "bdfgjklmnprstvwyz" for vowel in "aeiou"]
    base = len(syllables)
    for number in count():
        length = 2 if number < base**2 else 3
        word = "".join(syllables[number // base**place % base] for place in range(length))
        if number % 5 == 3:
            word = COLORS[number // 5 % len(COLORS)] + word
        yield f"##{word}" if number % 5 == 4 else word
