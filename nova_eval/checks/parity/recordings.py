"""Recordings of what official code answered: found in a folder, recognised, and replayed against this install."""

from __future__ import annotations

import logging
import math
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeAlias

from nova_eval import files, packages, reading
from nova_eval.checks.parity.rules import sections
from nova_eval.errors import NovaEvalError, UsageError, brief
from nova_eval.records import ParityResult
from nova_eval.registry import Registry

SHIPPED = Path(__file__).parent / "recorded"
"""The recordings that come with the package."""

DESCRIPTION = "recording.toml"
RESTORE = "restore the recording"

_NAMES = ("rules.json", "index.json", "expected.json", "golden.json")
_WORTH_A_LINE = 1.0  # seconds
_DEPTH = 2  # the root of all recordings, a benchmark's folder, a judge's folder


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of recorded answers, the family of cases that can replay it, and the judge whose weights it is about.

    What lies beside the file belongs to it. ``tolerance`` takes the place of every tolerance above 0 that the family
    knows, ``tolerances`` that of single results, by a pattern of their names (as of file names).
    """

    family: str
    file: Path
    judge: str = ""
    tolerance: float | None = None
    tolerances: Mapping[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.file.parent

    def content(self, *needed: str) -> Any:
        """What the file holds, the keys ``needed`` among it. UsageError where it cannot be read."""
        return read_json(self.file, *needed)

    def arrays(self) -> dict[str, Any]:
        """The arrays beside the file, none where there is no such file."""
        import numpy as np

        path = self.file.with_name(self.file.name.partition(".")[0] + ".npz")
        try:
            return dict(np.load(path, allow_pickle=False)) if path.is_file() else {}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise UsageError(f"{path} cannot be read: {error}", remedy=RESTORE) from error

    def named(self, found: ParityResult) -> ParityResult:
        """``found`` under the recording's own tolerances."""
        tolerance = self.tolerance if self.tolerance is not None and found.tolerance else found.tolerance
        for pattern, own in self.tolerances.items():
            if fnmatchcase(found.case, pattern):
                tolerance = own
        return found if tolerance == found.tolerance else replace(found, tolerance=tolerance)


@dataclass(frozen=True, slots=True)
class _Description:
    """``recording.toml``."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    family: str
    file: str
    judge: str = ""
    tolerance: float | None = None
    tolerances: dict[str, float] = field(default_factory=dict)


Cases: TypeAlias = Callable[[Recording, Path, str], Iterator[ParityResult]]
"""From a recording, an empty folder for weight files that is gone afterwards, and a device, to a result a quantity."""

FAMILIES: Registry[Cases] = Registry(
    "parity family",
    {
        "vbench": "nova_eval.checks.parity.rules.sections:cases",
        "vbench_judges": "nova_eval.checks.parity.networks.vbench:cases",
        "vbench_text_judges": "nova_eval.checks.parity.networks.vbench_text:cases",
        "t2i_rules": "nova_eval.checks.parity.rules.sections:cases",
        "t2i_vqa": "nova_eval.checks.parity.networks.t2i_vqa:cases",
        "geneval": "nova_eval.checks.parity.networks.geneval:cases",
        "unidet": "nova_eval.checks.parity.networks.unidet:cases",
        "dpt": "nova_eval.checks.parity.networks.dpt:cases",
        "t2i_compbench": "nova_eval.checks.parity.networks.compbench:cases",
        "nova": "nova_eval.checks.parity.generator:cases",
        "nova_sampler": "nova_eval.checks.parity.sampler:cases",
    },
)

_BY_FOLDER: Mapping[str, str] = {  # a network's recording without a description lies in a folder of its name → family
    **dict.fromkeys(("viclip", "umt", "tag2text", "grit"), "vbench_text_judges"),
    **dict.fromkeys(("blip_vqa", "mplug_large", "clip_vit_b32"), "t2i_vqa"),
    **dict.fromkeys(("mask2former", "clip_vit_l14", "geneval_end_to_end"), "geneval"),
    **dict.fromkeys(("unidet_rs200", "unidet_r50"), "unidet"),
    "dpt_hybrid": "dpt",
    "t2i_compbench_end_to_end": "t2i_compbench",
}


_WITHOUT_NETWORKS = frozenset({"vbench", "t2i_rules", "nova", "nova_sampler"})
_OF_NETWORKS = ("torchvision", "timm", "open_clip")  # what judges' networks are built from, beside the base


def _absent(family: str) -> str:
    """A package that recordings of ``family`` cannot be replayed without and that is not here, "" where all are."""
    needed = () if family in _WITHOUT_NETWORKS else _OF_NETWORKS
    return next((package for package in needed if find_spec(package) is None), "")


def _by_content(path: Path, content: Mapping[str, Any]) -> str | None:
    """The family of a recording that does not describe itself, ``None`` where there is none for it."""
    name = path.name.removesuffix(".gz")
    if name == "rules.json":
        return sections.family(content)
    if name == "index.json":
        return "nova" if all((path.parent / str(checkpoint)).is_dir() for checkpoint in content) else None
    if {"cases", "tolerance_abs"} <= content.keys():
        return "vbench_judges"
    return _BY_FOLDER.get(path.parent.name) if name == "golden.json" or "weights_check" in content else None


def find(folder: Path) -> tuple[list[Recording], list[str]]:
    """The recordings at or below ``folder``, and those (or sections of them) for which this version has no runner.

    Raises UsageError for a folder without recordings and for a recording that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}", remedy="give a folder of recorded reference outputs")
    found, not_covered = [], []
    for path in _files(folder):
        name = str(path.relative_to(folder))
        recording = _described(path) if path.name == DESCRIPTION else _recognised(path)
        if recording is None or recording.family not in FAMILIES:
            not_covered.append(name)
            continue
        if absent := _absent(recording.family):
            not_covered.append(f"{name} (needs {absent}: {packages.remedy(absent)})")
            continue
        found.append(recording)
        if recording.family in {"vbench", "t2i_rules"}:
            not_covered += [f"{name} {section!r}" for section in sections.not_covered(recording.content())]
    if not found and not not_covered:
        names = ", ".join((DESCRIPTION, *_NAMES))
        raise UsageError(f"{folder} holds no recorded reference outputs", remedy=f"expected one of {names}")
    return found, not_covered


def replay(
    folder: Path, say: Callable[[str], None] = lambda text: None, *, device: str = "cpu"
) -> Iterator[ParityResult]:
    """Replays every recording that this version can, on one thread, as they were made; ``say`` hears what takes time.

    What it cannot is logged in one line as not covered and never counts as passed; UsageError when nothing is left.
    """
    found, not_covered = find(folder)
    line = f"not covered by this install: {', '.join(not_covered)}"
    if not found:
        raise UsageError(f"nothing in {folder} can be replayed; {line}")
    if not_covered:
        logging.getLogger(__name__).warning(line)
    return _replayed(folder, found, say, device)


def _replayed(
    folder: Path, found: Sequence[Recording], say: Callable[[str], None], device: str
) -> Iterator[ParityResult]:
    for number, recording in enumerate(found, start=1):
        say(f"{number} of {len(found)}: {recording.family} in {recording.folder}")
        group = str(recording.file.relative_to(folder)).partition(".")[0]
        asked = started = time.monotonic()
        for result in results(recording, device=device):
            seconds = time.monotonic() - asked
            if seconds >= _WORTH_A_LINE or not result.passed:  # a case's first quantity carries the time of the case
                say(f"{seconds:7.1f} s  {'pass' if result.passed else 'FAIL'}  {result.case}")
            yield replace(result, group=group)
            asked = time.monotonic()
        say(f"{asked - started:7.1f} s  in all")


def results(recording: Recording, *, device: str = "cpu") -> Iterator[ParityResult]:
    """One result a quantity; the note of a failed one says what differs. What raises midway is a failed result."""
    cases = FAMILIES.get(recording.family)
    with one_thread(), TemporaryDirectory(prefix="nova_eval-recorded-") as folder:
        try:
            for found in cases(recording, Path(folder), device):
                yield recording.named(found)
        except NovaEvalError:
            raise
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            name = recording.judge or recording.family
            yield ParityResult(f"{name} is replayed to its end", math.inf, 0.0, "exact", note)


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks compute on one thread meanwhile: some of what they answer depends on how many share a sum."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_json(path: Path, *needed: str) -> Any:
    """JSON, packed by gzip where the name says so. UsageError where it cannot be read or lacks a key."""
    content: Any = reading.json_file(path, dict[str, Any] if needed else Any, remedy=RESTORE)
    if absent := [key for key in needed if key not in content]:
        raise UsageError(f"{path} holds no {absent[0]!r}", remedy=RESTORE)
    return content


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, on the CPU. UsageError where it cannot be read."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise UsageError(f"{path} is missing", remedy=RESTORE)
    try:
        return dict(load_file(path))
    except Exception as error:  # the library raises what it comes upon
        raise UsageError(f"{path} cannot be read: {brief(error)}", remedy=RESTORE) from error


def _files(folder: Path) -> list[Path]:
    """Descriptions, and the files of known names where no description lies beside them."""
    below = ["/".join(["*"] * depth) for depth in range(_DEPTH + 1)]
    places = sorted({place for level in below for place in ([folder] if not level else folder.glob(level))})
    found = []
    for place in places:
        own = place / DESCRIPTION
        names = [place / f"{name}{packed}" for name in _NAMES for packed in ("", ".gz")]
        found += [own] if own.is_file() else [path for path in names if path.is_file()]
    return sorted(found)


def _described(path: Path) -> Recording:
    """What a recording says of itself."""
    row = reading.toml_file(path, _Description, remedy="family and file, maybe judge, tolerance and [tolerances]")
    return Recording(
        family=row.family,
        file=files.inside(path.parent, row.file),
        judge=row.judge or path.parent.name,
        tolerance=row.tolerance,
        tolerances=row.tolerances,
    )


def _recognised(path: Path) -> Recording | None:
    content = read_json(path)
    family = _by_content(path, content) if isinstance(content, Mapping) and content else None
    return None if family is None else Recording(family, path, path.parent.name)
