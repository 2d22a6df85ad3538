"""Media that somebody else made, in a benchmark's official names, scored where they lie."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from nova_eval import files
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.names import SIDE, SINGLE, Assignment, Names, counted_from_zero, part_of_grid
from nova_eval.adapters.own_names import OwnNames
from nova_eval.config import CUSTOM
from nova_eval.environment import cpu_count
from nova_eval.errors import MediaError, UsageError, unknown
from nova_eval.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, pictures
from nova_eval.media.folders import files_below
from nova_eval.media.videos import first_frame_problem
from nova_eval.protocols import Listing, SamplerInfo
from nova_eval.records import Part, Prompt, SampleKey
from nova_eval.samplers.folder_listing import describe, first
from nova_eval.samplers.imported import shown_as_it_is
from nova_eval.samplers.looks import Looks

_USUAL_NAMES = "vbench"
_SUFFIXES = {"image": IMAGE_SUFFIXES, "video": VIDEO_SUFFIXES}


class FolderSampler:
    """A folder of finished images or videos, named as the benchmark's own scripts name them.

    Parameters
    ----------
    folder
        The folder that holds them; sub-folders are looked into.
    prefer
        Sub-folders, best first, that settle which file counts when two with different bytes claim the same sample, as
        happens when every dimension was sampled into a folder of its own.
    names
        The benchmark whose names files have, or custom.
    modality
        image or video; by default what that benchmark judges.
    grid
        The number of samples along a side of a picture that holds all samples of a prompt.
    tile
        The side of each of them in pixels, by default half the size that most grids have (0).
    """

    light = True

    def __init__(
        self,
        folder: Path | str,
        prefer: str | Sequence[str] = (),
        *,
        names: str = _USUAL_NAMES,
        modality: str = "",
        grid: int = SIDE,
        tile: int = 0,
    ) -> None:
        benchmark = None if names == CUSTOM else load_benchmark(names)
        usual = benchmark.config.modality if benchmark else ""
        self._modality = modality or usual
        if self._modality not in _SUFFIXES:
            raise unknown("modality", self._modality, _SUFFIXES)
        endings = _SUFFIXES[self._modality]
        self.names: Names = benchmark.names(endings, grid) if benchmark else OwnNames(endings)
        given = files.given(folder)
        remedy = f"give the folder that holds the {self._modality}s"
        if not given.exists():
            raise UsageError(f"the folder {given} does not exist", remedy=remedy)
        if not given.is_dir():
            raise UsageError(f"{given} is a file", remedy=remedy)
        if not shown_as_it_is(str(given.resolve())):
            raise UsageError(f"the name of the folder {str(given)!r} cannot be written down", remedy="rename it")
        if grid < 1 or tile < 0:
            raise UsageError(f"grid {grid} or tile {tile} is too small", remedy="grid is 1 or more, tile 0 or more")
        self.folder = given.resolve()
        self._prefer = tuple(name.strip("/") for name in ((prefer,) if isinstance(prefer, str) else prefer))
        for name in self._prefer:
            if not (self.folder / name).is_dir():
                raise unknown(
                    "sub-folder to prefer", name, [entry.name for entry in self.folder.iterdir() if entry.is_dir()]
                )
        self._grid, self._tile = grid, tile
        settings: dict[str, object] = {"folder": str(self.folder)}
        changed = {
            "prefer": list(self._prefer),
            "layout": names if names != _USUAL_NAMES else "",
            "modality": self._modality if self._modality != usual else "",
            "grid": grid if grid != SIDE else 0,
            "tile": tile,
        }
        settings |= {name: value for name, value in changed.items() if value}
        self.info = SamplerInfo(name=self.folder.name or "folder", modality=self._modality, settings=settings)
        self.looks = Looks.of(self.folder)
        self._last: tuple[Sequence[Prompt], list[str], Assignment] | None = None

    def locate(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], *, decode: bool = True) -> Listing:
        """Every wanted sample is in exactly one of ``found``, ``missing``, ``unreadable`` and ``wrong_size``.

        ``extra`` are files that no sample of the suite is named like, and samples beyond the wanted ones of a prompt.
        Images are checked and videos decoded up to their first frame, once as long as they do not change; what breaks
        off later is noticed when it is scored. ``decode=False`` only looks at names. UsageError when nothing here could
        be meant.
        """
        paths = self._media_first()
        assigned = counted_from_zero(self._assigned(prompts, paths), wanted)
        if not assigned.files:
            raise self._nothing_matches(prompts, paths, assigned)

        names: dict[SampleKey, str] = {}
        missing: list[SampleKey] = []
        unreadable: dict[SampleKey, str] = {}
        for key in dict.fromkeys(wanted):
            if key not in assigned.files:
                missing.append(key)
                continue
            try:
                names[key] = _written(self._only(assigned.files[key]))
            except MediaError as error:
                unreadable[key] = str(error)

        if decode:
            problems = self._problems(names.values())
            unreadable.update({key: problems[name] for key, name in names.items() if problems[name]})
            names = {key: name for key, name in names.items() if key not in unreadable}
        parts, wrong_size = self._parts(names, assigned) if decode else ({}, {})
        notes = (*assigned.notes, *self._how_read(parts, names))
        found = {key: self.folder / name for key, name in names.items() if key not in wrong_size}
        unclear = {self.folder / name: reason for name, reason in assigned.unclear.items()}
        extra = self._extra(assigned, wanted)
        return Listing(found, missing, extra, unreadable, parts, wrong_size, unclear, notes)

    def most(self, prompts: Sequence[Prompt]) -> int:
        """How many samples there are of the prompt that has most, by names alone; at least 1."""
        indices = {key.index for key in self._assigned(prompts, self._media_first()).files}
        return max(indices, default=0) + (1 if not indices or 0 in indices else 0)

    def describe(self, listing: Listing, prompts: Sequence[Prompt]) -> list[str]:
        """One line for each kind of file in ``listing`` that occurs, with how many and the first few names."""
        extra = {os.path.relpath(path, self.folder).replace(os.sep, "/") for path in listing.extra}
        beside = [path for path in self._media_first() if path in extra or not self._is_media(path)]
        assigned = self.names.assign(prompts, beside, self.folder) if beside else Assignment({}, ())
        foreign = tuple(path for path in assigned.extra if path in extra)
        return describe(listing, prompts, self.names, Assignment(assigned.files, foreign))

    def _assigned(self, prompts: Sequence[Prompt], paths: list[str]) -> Assignment:
        """Which files are samples of these prompts; of the same ones it is known from the last time."""
        if self._last is None or self._last[0] is not prompts or self._last[1] != paths:
            self._last = prompts, paths, self.names.assign(prompts, paths, self.folder)
        return self._last[2]

    def _media_first(self) -> list[str]:
        """Relative paths of all files, in a fixed order. UsageError when there is none, or none of the modality."""
        paths = sorted(files_below(self.folder), key=lambda path: (path.count("/"), path))
        if not paths:
            raise UsageError(
                f"the folder {self.folder} is empty", remedy=f"give the folder that holds the {self._modality}s"
            )
        if not any(self._is_media(path) for path in paths):
            endings = ", ".join(sorted(_SUFFIXES[self._modality]))
            raise UsageError(
                f"no {self._modality} among the {len(paths)} files in {self.folder}, such as {paths[0]!r}",
                remedy=f"known endings: {endings}",
            )
        return paths

    def _only(self, paths: Sequence[str]) -> str:
        """The file to take where several claim one sample: any of equal bytes, else the preferred one."""
        one = paths[0]
        for other in paths[1:]:
            if not self._same_bytes(self.folder / one, self.folder / other):
                break
        else:
            return one
        for name in self._prefer:
            inside = [path for path in paths if path.startswith(f"{name}/")]
            if len(inside) == 1:
                return inside[0]
        raise MediaError(
            f"two different files claim this sample: {one!r} and {other!r}",
            remedy="keep one of them, or name the sub-folder to take with --set sampler.prefer=NAME",
        )

    def _same_bytes(self, one: Path, other: Path) -> bool:
        try:
            return one.stat().st_size == other.stat().st_size and self.looks.digest(one) == self.looks.digest(other)
        except OSError:
            return False

    def _problems(self, names: Iterable[str]) -> dict[str, str]:
        """Why files cannot be read, "" for those that can."""
        find = pictures.problem if self._modality == "image" else first_frame_problem
        distinct = list(dict.fromkeys(names))
        known = {name: self.looks.known_problem(self.folder / name) for name in distinct}
        new = [name for name, problem in known.items() if problem is None]
        with ThreadPoolExecutor(min(8, cpu_count())) as threads:  # decoding releases the interpreter lock
            found = dict(
                zip(new, threads.map(lambda name: self.looks.problem(self.folder / name, find), new), strict=True)
            )
        return {name: found.get(name) or known[name] or "" for name in distinct}

    def _parts(
        self, names: Mapping[SampleKey, str], assigned: Assignment
    ) -> tuple[dict[SampleKey, Part], dict[SampleKey, str]]:
        """Where samples lie in the grids that hold them, and why some grids cannot be cut.

        The official code cuts every picture at one size, so a grid of another size than most is none.
        """
        grids = {
            name: self.looks.facts(self.folder / name)
            for name in dict.fromkeys(names.values())
            if name in assigned.grids
        }
        if not grids:
            return {}, {}
        sizes = {name: (facts.width, facts.height) for name, facts in grids.items()}
        (usual, _), *_ = Counter(sizes.values()).most_common()
        wanted = (self._grid * self._tile, self._grid * self._tile) if self._tile else usual
        wrong = {name: self._wrong_size(name, size, wanted) for name, size in sizes.items()}
        parts = {
            key: part_of_grid(*sizes[name], key.index, self._grid)
            for key, name in names.items()
            if name in grids and not wrong[name]
        }
        return parts, {key: wrong[name] for key, name in names.items() if wrong.get(name)}

    def _how_read(self, parts: Mapping[SampleKey, Part], names: Mapping[SampleKey, str]) -> list[str]:
        """A line for each size of grids: nothing in a picture says that it is one."""
        sizes = {names[key]: part[2:] for key, part in parts.items()}
        return [
            f"{count} pictures read as grids of {self._grid}×{self._grid} samples of {width}×{height} pixels; {SINGLE} "
            "if each is one sample"
            for (width, height), count in sorted(Counter(sizes.values()).items())
        ]

    def _wrong_size(self, name: str, size: tuple[int, int], wanted: tuple[int, int]) -> str:
        shown = f"{PurePosixPath(name).name}: {size[0]}×{size[1]} pixels"
        if size != wanted:
            others = "--set sampler.tile asks for" if self._tile else "most grids have"
            return f"{shown}, {others} {wanted[0]}×{wanted[1]}"
        if size[0] % self._grid or size[1] % self._grid:
            return f"{shown} cannot be cut into {self._grid}×{self._grid} samples of one size"
        return ""

    def _extra(self, assigned: Assignment, wanted: Sequence[SampleKey]) -> list[Path]:
        """Files of no sample, and of samples that nobody wants of a prompt that is wanted."""
        keys, prompt_ids = set(wanted), {key.prompt_id for key in wanted}
        used = {path for key, claimed in assigned.files.items() if key in keys for path in claimed}
        beyond = {
            path
            for key, claimed in assigned.files.items()
            if key.prompt_id in prompt_ids and key not in keys
            for path in claimed
            if path not in used
        }
        return [self.folder / path for path in sorted((*assigned.extra, *beyond))]

    def _nothing_matches(self, prompts: Sequence[Prompt], paths: Sequence[str], assigned: Assignment) -> UsageError:
        media = [path for path in paths if self._is_media(path)]
        if assigned.unclear:
            return UsageError(
                f"nothing says which prompts the {len(assigned.unclear)} {self._modality}s in {self.folder} are of: "
                + first(dict.fromkeys(assigned.unclear.values())),
                remedy="mend these names or files",
            )
        return UsageError(
            f"none of the {len(media)} {self._modality}s in {self.folder} is named after a prompt of this suite: "
            f"{self.names.hint(prompts, media)}",
            remedy=f"name {self._modality}s {self.names.pattern}, and check --variant; under their own names "
            f"--sampler folder:{self.folder} --variant {CUSTOM} scores them (--prompts FILE says whose they are)",
        )

    def _is_media(self, path: str) -> bool:
        return PurePosixPath(path).suffix.lower() in _SUFFIXES[self._modality]


def _written(name: str) -> str:
    """MediaError for a name that no row can hold."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise MediaError(
            f"{PurePosixPath(name).name}: its name, or its folder's, is no text", remedy="rename it"
        ) from error
    return name
