"""The inputs of the recordings of ViCLIP, UMT, Tag2Text and GRiT: weight files, footage and a stand-in vocabulary.

Some entries carry fields beyond their fill, which keep random networks from collapsing; they are applied in this order:
``gain``, ``offset``, ``row_gain``, ``add``, then ``ramp`` over all entries, then ``tie``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, product
from pathlib import Path
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.procedural import moving_shapes, read_entries, tensors
from nova_eval.protocols import Frames

if TYPE_CHECKING:
    from torch import Tensor

FILES: Mapping[str, tuple[str, str]] = {  # recorded judge → published file, key under which the names lie
    "viclip": ("ViClip-InternVid-10M-FLT.pth", "model"),
    "umt": ("l16_ptk710_ftk710_ftk400_f16_res224.pth", ""),
    "tag2text": ("tag2text_swin_14m.pth", "model"),
    "grit": ("grit_b_densecap_objectdet.pth", "model"),
}


def filled(entries: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Tensor]:
    """Name and value of every entry, in their order."""
    state = dict(tensors([row for row in entries if "tie" not in row], seed))
    for row in entries:
        if "tie" not in row:
            _adjust(state[row["name"]], row)
    for row in entries:
        if "ramp" in row:
            _add_ramp(state, row["name"], row["ramp"])
    return {row["name"]: state[row.get("tie", row["name"])] for row in entries}


def _adjust(tensor: Tensor, row: Mapping[str, Any]) -> None:
    if "gain" in row:
        tensor.mul_(row["gain"])
    if "offset" in row:
        tensor.add_(row["offset"])
    for index, factor in row.get("row_gain", {}).items():
        tensor[int(index)] *= factor
    for index, term in row.get("add", {}).items():
        tensor.view(-1)[int(index)] += term


def _add_ramp(state: Mapping[str, Tensor], name: str, ramp: Mapping[str, Any]) -> None:
    """Row i gains max(i - start, 0) steps of one row of another entry."""
    import torch

    steps = torch.arange(len(state[name])).sub(ramp["start"]).clamp(min=0).float()
    state[name].add_(ramp["step"] * steps[:, None] * state[ramp["of"]][ramp["row"]])


def write_weights(folder: Path, seed: int, target: Path, extra: Sequence[Mapping[str, Any]] = ()) -> Path:
    """``target/<published file>``, wrapped as it is, with the entries of ``folder``, which is named like the judge."""
    import torch

    file, key = FILES[folder.name]
    state = filled([*read_entries(folder / "keys.json.gz"), *extra], seed)
    torch.save({key: state, "epoch": 14, "optimizer": {"state": {}}} if key else state, target / file)
    return target / file


def read_weights(judge: str, path: Path) -> dict[str, Tensor]:
    """Name and value of every entry of a file that ``write_weights`` wrote; values are read as they are used."""
    import torch

    key = FILES[judge][1]
    content = torch.load(path, weights_only=True, mmap=True)
    state: dict[str, Tensor] = content[key] if key else content
    return state


def frames(recorded: Mapping[str, Any]) -> Frames:
    """The frames that the official code sampled; of several seeds, frame t comes from clip t modulo their number."""
    seeds = recorded["seed"] if isinstance(recorded["seed"], list) else [recorded["seed"]]
    clips = [moving_shapes(s, recorded["frames"], recorded["height"], recorded["width"]) for s in seeds]
    whole = np.stack([clips[t % len(clips)][t] for t in range(recorded["frames"])])
    chosen: Frames = whole[recorded["indices"]]
    return chosen


# --- a vocabulary laid out like bert-base-uncased's -----------------------------------------------------------------

SIZE = 30522
COLOURS = ("white", "red", "pink", "blue", "silver", "purple", "orange", "green", "gray", "yellow", "black", "grey")
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
    pieces += [word for word in (*COLOURS, *SCENES) if word not in known]
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
    """Words of two, later three syllables; of five, one starts with a colour and one only continues words."""
    syllables = [consonant + vowel for consonant in "bdfgjklmnprstvwyz" for vowel in "aeiou"]
    base = len(syllables)
    for number in count():
        length = 2 if number < base**2 else 3
        word = "".join(syllables[number // base**place % base] for place in range(length))
        if number % 5 == 3:
            word = COLOURS[number // 5 % len(COLOURS)] + word
        yield f"##{word}" if number % 5 == 4 else word
