"""Videos that somebody else made, in VBench's official names, scored where they lie."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from nova_eval.environment import cpu_count
from nova_eval.errors import MediaError, PrerequisiteError, UsageError, unknown
from nova_eval.layout import NAME_BYTES, assign, official_name, parse_name
from nova_eval.media import VIDEO_SUFFIXES
from nova_eval.protocols import Listing, SamplerInfo
from nova_eval.records import Prompt, SampleKey

_SHOWN = 3  # names a line of ``describe`` quotes
# Opening a container decodes a frame to guess what it holds; looking at a 768x480 frame is twice as fast without that.
_NO_GUESSING = [{"skip_frame": "all"}] * 4


class FolderSampler:
    """A folder of finished videos: ``{prompt}-{index}.mp4`` (.gif, .mov, .webm, .mkv, .avi), flat or in sub-folders.

    ``prefer`` names sub-folders, best first, that settle which file counts when two with different bytes claim the same
    sample, as happens when every dimension was sampled into a folder of its own.
    """

    light = True

    def __init__(self, folder: Path | str, prefer: str | Sequence[str] = ()) -> None:
        given = Path(folder).expanduser()
        if not given.exists():
            raise UsageError(f"the folder {given} does not exist", remedy="give the folder that holds the videos")
        if not given.is_dir():
            raise UsageError(f"{given} is a file", remedy="give the folder that holds the videos")
        self.folder = given.resolve()
        self._prefer = tuple(name.strip("/") for name in ((prefer,) if isinstance(prefer, str) else prefer))
        for name in self._prefer:
            if not (self.folder / name).is_dir():
                raise unknown(
                    "sub-folder to prefer", name, [entry.name for entry in self.folder.iterdir() if entry.is_dir()]
                )
        settings: dict[str, object] = {"folder": str(self.folder)}
        if self._prefer:
            settings["prefer"] = list(self._prefer)
        self.info = SamplerInfo(name=self.folder.name or "folder", modality="video", settings=settings)
        self._looked_at: dict[tuple[Path, int, int], str] = {}

    def locate(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], *, decode: bool = True) -> Listing:
        """Every wanted sample is in exactly one of ``found``, ``missing`` and ``unreadable``.

        ``extra`` are files that no sample of the suite is named like, and samples beyond the wanted ones of a prompt.
        Files are decoded up to their first frame, once as long as they do not change; one that breaks off later is
        noticed when it is scored. ``decode=False`` only looks at names. UsageError when nothing here could be meant.
        """
        paths = self._videos_first()
        assigned = assign(prompts, paths)
        if not assigned.files:
            raise self._nothing_matches(prompts, paths)

        found: dict[SampleKey, Path] = {}
        missing: list[SampleKey] = []
        unreadable: dict[SampleKey, str] = {}
        for key in dict.fromkeys(wanted):
            if key not in assigned.files:
                missing.append(key)
                continue
            try:
                found[key] = self.folder / self._only(assigned.files[key])
            except MediaError as error:
                unreadable[key] = str(error)

        if decode:
            with ThreadPoolExecutor(min(8, cpu_count())) as threads:  # decoding releases the interpreter lock
                problems = list(threads.map(self._problem, found.values()))
            unreadable.update({key: problem for key, problem in zip(found, problems, strict=True) if problem})
            found = {key: path for key, path in found.items() if key not in unreadable}

        wanted_keys, wanted_prompts = set(wanted), {key.prompt_id for key in wanted}
        beyond = [
            path
            for key, claimed in assigned.files.items()
            if key.prompt_id in wanted_prompts and key not in wanted_keys
            for path in claimed
        ]
        extra = [self.folder / path for path in sorted((*assigned.extra, *beyond))]
        return Listing(found, missing, extra, unreadable)

    def _videos_first(self) -> list[str]:
        """Relative paths of all files, in a fixed order. UsageError when there is none, or no video among them."""
        paths = sorted(_files(self.folder), key=lambda path: (path.count("/"), path))
        if not paths:
            raise UsageError(f"the folder {self.folder} is empty", remedy="give the folder that holds the videos")
        if not any(_is_video(path) for path in paths):
            endings = ", ".join(sorted(VIDEO_SUFFIXES))
            raise UsageError(
                f"no video among the {len(paths)} files in {self.folder}, such as {paths[0]!r}",
                remedy=f"known endings: {endings}",
            )
        return paths

    def _only(self, paths: Sequence[str]) -> str:
        """The file to take where several claim one sample: any of equal bytes, else the preferred one."""
        first = paths[0]
        for other in paths[1:]:
            if not _same_bytes(self.folder / first, self.folder / other):
                break
        else:
            return first
        for name in self._prefer:
            inside = [path for path in paths if path.startswith(f"{name}/")]
            if len(inside) == 1:
                return inside[0]
        raise MediaError(
            f"two different files claim this sample: {first!r} and {other!r}",
            remedy="keep one of them, or name the sub-folder to take with --set sampler.prefer=NAME",
        )

    def _problem(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError as error:
            return f"{path.name}: {error.strerror}"
        state = (path, status.st_size, status.st_mtime_ns)
        if state not in self._looked_at:
            self._looked_at[state] = first_frame_problem(path)
        return self._looked_at[state]

    def _nothing_matches(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> UsageError:
        videos = [path for path in paths if _is_video(path)]
        texts = [prompt.text for prompt in prompts]
        for path in videos[:_SHOWN]:
            stem = PurePosixPath(path).stem
            text, _ = parse_name(path) or (stem, 0)
            if near := get_close_matches(text, texts, n=1, cutoff=0.5):
                hint = f"{path!r} is nearest to {_expected(near[0], path)!r}"
                break
        else:
            hint = f"found {videos[0]!r}, expected names such as {_expected(texts[0], videos[0])!r}" if texts else ""
        return UsageError(
            f"none of the {len(videos)} videos in {self.folder} is named after a prompt of this suite: {hint}",
            remedy="name videos '{prompt}-{index}.mp4', and check --variant",
        )


def first_frame_problem(path: Path) -> str:
    """Why the first frame of a video cannot be decoded, "" when it can."""
    import av

    try:
        if path.stat().st_size == 0:
            return f"{path.name}: the file is empty"
        with av.open(str(path), stream_options=_NO_GUESSING) as container:
            if not container.streams.video:
                return f"{path.name}: no video stream"
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # frame threads read ahead, and one frame is enough
            if next(container.decode(stream), None) is None:
                return f"{path.name}: the video has no frame"
    except EOFError:
        return f"{path.name}: the video has no frame"
    except (av.error.FFmpegError, OSError) as error:
        return f"{path.name}: unreadable video ({error.strerror or error})"
    return ""


def describe(listing: Listing, prompts: Sequence[Prompt]) -> list[str]:
    """One line for each kind of file in ``listing`` that occurs, with how many and the first few names."""
    texts = {prompt.id: prompt.text for prompt in prompts}

    def name(key: SampleKey) -> str:
        return f"{texts.get(key.prompt_id, key.prompt_id)}-{key.index}"

    wanted = len(listing.found) + len(listing.missing) + len(listing.unreadable)
    lines = [f"found {len(listing.found)} of {wanted} samples"]
    if listing.missing:
        prompt_count = len({key.prompt_id for key in listing.missing})
        lines.append(
            f"missing {len(listing.missing)} samples of {prompt_count} prompts: "
            + _first(repr(name(key)) for key in listing.missing)
        )
    if listing.unreadable:
        reasons = _first(f"{name(key)!r} ({reason})" for key, reason in listing.unreadable.items())
        lines.append(f"unreadable {len(listing.unreadable)} samples: {reasons}")
    nameless = {key.prompt_id for key in listing.missing if not _storable(texts.get(key.prompt_id, ""), key.index)}
    if nameless:
        lines.append(
            f"of the missing, {len(nameless)} prompts cannot be file names (a slash, or over {NAME_BYTES} bytes)"
        )
    extra = assign(prompts, map(str, listing.extra))
    beyond = [path for paths in extra.files.values() for path in paths]
    if beyond:
        lines.append(f"not needed {len(beyond)} further samples: {_first(repr(Path(path).name) for path in beyond)}")
    if extra.extra:
        lines.append(
            f"not of this suite {len(extra.extra)} files: {_first(repr(Path(path).name) for path in extra.extra)}"
        )
    return lines


def _first(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _is_video(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES


def _expected(text: str, path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return official_name(text, 0, suffix) if _storable(text, 0) else "{prompt}-0" + suffix


def _storable(text: str, index: int) -> bool:
    try:
        return bool(official_name(text, index))
    except UsageError:
        return False


def _same_bytes(first: Path, second: Path) -> bool:
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError:
        return False


def _files(folder: Path) -> list[str]:
    """Every file below ``folder`` as a relative path; hidden folders are left out, links followed once."""

    def unreadable(error: OSError) -> None:
        raise PrerequisiteError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        files.extend(name if inside == "." else f"{inside}/{name}" for name in names)
    return files
