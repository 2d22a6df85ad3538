"""Training material: items of a source, what makes them unusable, and how they are cut to size."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.files import given
from nova_eval.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, read, read_bytes
from nova_eval.protocols import AestheticModel, Frames
from nova_eval.registry import Registry

MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True)
class TrainingItem:
    """A caption and what it describes: uint8 (T, H, W, 3) at ``fps`` frames a second (0 for an image).

    ``usual`` is false where the caption leaves out how fast things happen: such a clip always tells its motion score.
    """

    name: str
    text: str
    frames: Frames
    fps: float
    usual: bool = True


class _Captioned(TypedDict):
    file: str
    caption: str


class TrainingSource(Protocol):
    """Items by number. ``item`` gives the same item for the same index, always."""

    @property
    def count(self) -> int | None:
        """How many items there are; None: without end."""
        ...

    def item(self, index: int) -> TrainingItem:
        """Raises MediaError for a file that cannot be read."""
        ...


SOURCES: Registry[Callable[..., TrainingSource]] = Registry(
    "training source",
    {
        "folder": "nova_eval.nova.training.data:FolderSource",
        "webdataset": "nova_eval.nova.training.data:TarSource",
        "sprites": "nova_eval.nova.training.data:SpritesSource",
    },
)


class FolderSource:
    """Images and clips of a folder, in the order of their names.

    Captions stand in ``captions.jsonl`` (``{"file": …, "caption": …}`` a line), or in a ``.txt`` beside each file.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = given(folder)
        if not self.folder.is_dir():
            raise UsageError(f"no such folder: {self.folder}")
        self._captions = _caption_list(self.folder / "captions.jsonl")
        media = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES)
        self._files = [path for path in media if self._caption(path) is not None]
        if not self._files:
            raise UsageError(
                f"{self.folder}: no captioned images or clips",
                remedy="put captions into captions.jsonl, or into a .txt beside each file",
            )

    @property
    def count(self) -> int:
        return len(self._files)

    def item(self, index: int) -> TrainingItem:
        path = self._files[index]
        clip = read(path)
        return TrainingItem(str(path.relative_to(self.folder)), self._caption(path) or "", clip.frames, clip.fps)

    def _caption(self, path: Path) -> str | None:
        listed = self._captions.get(str(path.relative_to(self.folder)))
        beside = path.with_suffix(".txt")
        if listed is None and beside.is_file():
            return reading.text(beside).strip()
        return listed


class TarSource:
    """WebDataset archives: members that share a name up to the first dot are one sample.

    The caption is the ``.txt`` member, or ``caption`` or ``text`` in the ``.json`` one.
    """

    def __init__(self, files: Iterable[str | Path] | str) -> None:
        names = [files] if isinstance(files, str) else list(files)
        self._entries: list[tuple[Path, dict[str, tuple[int, int]]]] = []
        for file in map(given, names):
            self._entries += [(file, members) for members in _tar_samples(file)]
        if not self._entries:
            raise UsageError(f"no captioned images or clips in {', '.join(map(str, names))}")

    @property
    def count(self) -> int:
        return len(self._entries)

    def item(self, index: int) -> TrainingItem:
        file, members = self._entries[index]
        suffix = next(suffix for suffix in members if f".{suffix}" in MEDIA_SUFFIXES)
        content, name = _slice(file, members[suffix]), f"{file.name}:{index}"
        if "txt" in members:
            text = reading.decoded(_slice(file, members["txt"]), name, error=MediaError).strip()
        else:
            facts = reading.json_text(_slice(file, members["json"]), name, dict[str, Any], error=MediaError)
            text = str(facts.get("caption", facts.get("text", "")))
        clip = read_bytes(content, f"{name}.{suffix}")
        return TrainingItem(name, text, clip.frames, clip.fps)


_WORLD: Registry[Any] = Registry(
    "world",
    {"example": "nova_eval.sprites.examples:example", "shares": "nova_eval.sprites.examples:Shares"},
)


class SpritesSource:
    """Rendered clips of the embedded world, without end; an item is determined by (seed, index).

    ``shares`` say how common some sorts of scenes are: those of ``nova_eval.sprites.examples.Shares``.
    """

    def __init__(self, *, seed: int = 0, frames: int = 17, size: int = 64, fps: float = 8.0, **shares: float) -> None:
        known = _WORLD.get("shares")._fields
        if unknown := sorted(set(shares) - set(known)):
            raise UsageError(f"source 'sprites': no share {unknown[0]!r}", remedy=f"one of {', '.join(known)}")
        self._example, self._fps = _WORLD.get("example"), fps
        self._settings: dict[str, Any] = {"seed": seed, "frames": frames, "size": size, "fps": fps, **shares}

    @property
    def count(self) -> None:
        return None

    def item(self, index: int) -> TrainingItem:
        text, frames, usual = self._example(index, **self._settings)
        return TrainingItem(f"sprites:{index}", text, frames, self._fps if len(frames) > 1 else 0.0, usual)


Filter = Callable[[TrainingItem], str | None]
"""Says why an item cannot be used, in words that count well; None lets it pass."""


def at_least(height: int | None = None, width: int | None = None, frames: int | None = None) -> Filter:
    """Keeps what is large and long enough."""

    def check(item: TrainingItem) -> str | None:
        length, rows, columns, _ = item.frames.shape
        if (height or 0) > rows or (width or 0) > columns:
            return "too small"
        return "too short" if (frames or 0) > length else None

    return check


def text_within(tokens: Callable[[str], Any], most: int) -> Filter:
    """Keeps captions of 1 … ``most`` tokens as ``tokens`` counts them."""

    def check(item: TrainingItem) -> str | None:
        length = len(tokens(item.text))
        return "no caption" if not length else "caption too long" if length > most else None

    return check


def beautiful(judge: AestheticModel, least: float = 5.0) -> Filter:
    """Keeps what ``judge`` rates ``least`` or more on average over first, middle and last frame."""

    def check(item: TrainingItem) -> str | None:
        shown = item.frames[sorted({0, len(item.frames) // 2, len(item.frames) - 1})]
        return "not aesthetic" if float(np.mean(judge.aesthetic(shown))) < least else None

    return check


def first_objection(item: TrainingItem, filters: Iterable[Filter]) -> str | None:
    """Why the first filter that objects does so. Cheap filters belong in front."""
    return next((reason for reason in (check(item) for check in filters) if reason), None)


def cut(item: TrainingItem, *, frames: int, height: int, width: int, fps: float | None = None) -> Frames | None:
    """The first ``frames`` frames at the rate ``fps``, scaled to cover (height, width) and cropped around the centre.

    None when the item is too short.
    """
    import cv2

    every = max(1, round(item.fps / fps)) if fps and item.fps else 1
    chosen = item.frames[::every][:frames]
    if len(chosen) < frames:
        return None
    rows, columns = chosen.shape[1:3]
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(chosen)
    scale = max(height / rows, width / columns)
    size = max(width, round(columns * scale)), max(height, round(rows * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    scaled = [cv2.resize(frame, size, interpolation=how) for frame in chosen]
    return np.stack([frame[top : top + height, left : left + width] for frame in scaled])


def _caption_list(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    rows = reading.json_lines(reading.data(file), str(file), _Captioned, remedy="a line is {'file': …, 'caption': …}")
    return {row["file"]: row["caption"] for _, row in rows}


def _tar_samples(file: Path) -> list[dict[str, tuple[int, int]]]:
    """For every captioned sample: suffix → (offset, size) in the archive."""
    try:
        with tarfile.open(file, "r:") as archive:
            members = [member for member in archive if member.isfile()]
    except (OSError, ValueError, tarfile.TarError) as error:
        raise PrerequisiteError(f"{file}: unreadable archive ({error})", remedy="give an uncompressed .tar") from error
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    for member in members:
        folder, _, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        samples.setdefault(f"{folder}/{stem}", {})[suffix.lower()] = (member.offset_data, member.size)
    captioned = (parts for _, parts in sorted(samples.items()) if parts.keys() & {"txt", "json"})
    return [parts for parts in captioned if any(f".{suffix}" in MEDIA_SUFFIXES for suffix in parts)]


def _slice(file: Path, where: tuple[int, int]) -> bytes:
    with file.open("rb") as stream:
        stream.seek(where[0])
        return stream.read(where[1])
