"""What this machine has, what works here, and how to get what is missing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nova_eval import environment, packages
from nova_eval.progress import size_text


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``required`` ones that are not ``ok`` keep the embedded run from working."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = False

    def as_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def examine() -> list[Finding]:
    """Looks at Python, packages, codecs, disk, accelerators, prompt files, judges, checkpoints. Writes only to temp."""
    return [
        Finding(
            "python", sys.version_info >= (3, 11), sys.version.split()[0], "use Python 3.11 or later", required=True
        ),
        *(_package(name, required=True) for name in ("numpy", "cv2", "av", "PIL", "scipy", "pandas", "pyarrow")),
        *(_package(name) for name in ("torch", "transformers", "diffusers", "torchvision", "timm", "open_clip")),
        _tried("video codecs", _encode_and_decode, "reinstall av: pip install --force-reinstall av", required=True),
        _tried("opencv", _opencv, "on a bare Linux image: apt-get install libgl1 libglib2.0-0", required=True),
        _accelerators(),
        _disk(),
        *_prompt_files(),
        *_judges(),
        *_checkpoints(),
    ]


_DISTRIBUTIONS = {"cv2": "opencv-python", "PIL": "pillow", "open_clip": "open-clip-torch"}


def _package(module: str, *, required: bool = False) -> Finding:
    name = _DISTRIBUTIONS.get(module, module)
    try:
        return Finding(name, True, version(name), required=required)
    except PackageNotFoundError:
        return Finding(name, False, "not installed", packages.remedy(module), required)


def _tried(name: str, attempt: Callable[[], str], remedy: str, *, required: bool) -> Finding:
    try:
        return Finding(name, True, attempt(), required=required)
    except Exception as error:
        return Finding(name, False, " ".join(f"{type(error).__name__}: {error}".split()), remedy, required)


def _encode_and_decode() -> str:
    import numpy as np

    from nova_eval import media

    frames = np.arange(2 * 16 * 16 * 3, dtype=np.uint8).reshape(2, 16, 16, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        path.write_bytes(media.encode_video(frames, 8.0, "h264-lossless"))
        if not np.array_equal(media.read(path).frames, frames):
            raise ValueError("lossless H.264 did not return the frames it was given")
    return "lossless H.264 round trip"


def _opencv() -> str:
    import cv2

    return f"OpenCV {cv2.__version__}"


def _accelerators() -> Finding:
    names = environment.devices()
    here = ", ".join(names) or f"none; CPU {environment.cpu_name()}, {environment.cpu_count()} cores"
    return Finding("accelerator", bool(names), here, "the embedded world needs none; official profiles want a GPU")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding(
        "disk", free > 1e9, f"{size_text(free)} free here", "choose another folder with --results", required=True
    )


def _prompt_files() -> list[Finding]:
    from nova_eval.adapters import benchmark_names, load_benchmark
    from nova_eval.adapters.sources import verify

    found = []
    for name in benchmark_names():
        checks = verify(load_benchmark(name).facts)
        wrong = [check for check in checks if check.problem]
        detail = f"{len(checks)} files" if not wrong else f"{len(wrong)} of {len(checks)} files: {wrong[0].problem}"
        found.append(Finding(f"{name} prompts", not wrong, detail, f"python -m nova_eval prompts fetch {name}"))
    return found


def _judges() -> list[Finding]:
    """Whether the judges of every benchmark can be had: known to this version, and their weight files here."""
    from nova_eval.adapters import benchmark_names, load_benchmark
    from nova_eval.judges import JUDGES
    from nova_eval.weights.catalogue import missing

    findings = []
    for name in benchmark_names():
        for kind, roles in load_benchmark(name).config.judges.items():
            judges = sorted(set(roles.values()))
            unknown = [judge for judge in judges if judge not in JUDGES]
            files = {row.name: row for judge in judges for row in missing(judge)}
            ready = sum(judge not in unknown and not missing(judge) for judge in judges)
            detail = f"{ready} of {len(judges)} ready"
            if unknown:
                detail += f"; not part of this version: {', '.join(unknown)}"
            if files:
                size = sum(row.bytes for row in files.values())
                detail += f"; {len(files)} weight files missing, about {size_text(size)}"
            remedy = f"python -m nova_eval weights fetch {name}" if files else ""
            findings.append(Finding(f"{name} {kind} judges", ready == len(judges), detail, remedy))
    return findings


def _checkpoints() -> list[Finding]:
    """Whether the generators of the paper profiles are here."""
    from nova_eval.adapters import benchmark_names, load_benchmark
    from nova_eval.runs.cost import checkpoint_files

    found = {}
    for name in benchmark_names():
        for profile in load_benchmark(name).config.profiles.values():
            checkpoint = profile.sampler.get("checkpoint")
            if checkpoint:
                files = checkpoint_files(str(checkpoint))
                size = sum(file.bytes for file in files)
                detail = f"not here, about {size_text(size)}" if files else "here"
                remedy = "the first run fetches it; or give a folder: --sampler nova:FOLDER"
                found[checkpoint] = Finding(f"checkpoint {checkpoint}", not files, detail, remedy)
    return list(found.values())
