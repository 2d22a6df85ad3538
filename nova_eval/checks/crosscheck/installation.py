"""The virtual environment in which the official ``vbench`` package runs, made once and kept.

The package pins transformers 4.33.2 and numpy below 2, so it cannot share the environment of nova_eval. What is
installed is stated in ``official_vbench.txt``; torch is taken in the version that runs here, so that both sides compute
with the same kernels. ``detectron2`` only comes as source and is left to those who need it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nova_eval import files, reading
from nova_eval.environment import cache_root
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.identity import digest
from nova_eval.progress import size_text

PACKAGE, VERSION = "vbench", "0.1.5"
PYTHON = (3, 11)  # transformers 4.33.2 needs tokenizers 0.13, whose wheels end there
CONSTRAINTS = Path(__file__).with_name("official_vbench.txt")
_MARK = "nova_eval_environment.json"
_LOG = "install.log"
_FREE_BYTES = 2 << 30  # without which no torch fits
_LINE = 240


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder with an interpreter that can import the official package."""

    folder: Path

    @property
    def python(self) -> Path:
        windows = self.folder / "Scripts" / "python.exe"
        return windows if windows.exists() else self.folder / "bin" / "python"


def default_folder() -> Path:
    """``$NOVA_EVAL_CACHE/environments/vbench-0.1.5``, by default under ``~/.cache/nova_eval``."""
    return cache_root() / "environments" / f"{PACKAGE}-{VERSION}"


def environment(
    folder: Path | None = None, say: Callable[[str], None] = lambda text: None, *, offline: bool = False
) -> Environment:
    """The environment in ``folder``, made if it is not there or was not finished; several processes may ask at once.

    An environment that somebody else made is used as it is when it can import the package. PrerequisiteError, with
    the place of pip's log, when it cannot be made, as it is ``offline``; UsageError for a folder that holds something
    else.
    """
    from filelock import FileLock

    place = Environment((folder or default_folder()).expanduser().absolute())
    try:
        place.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.folder.parent / f".{place.folder.name}.lock"):
            return _ready_or_made(place, say, offline)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {place.folder.parent} ({error.strerror or error})",
            remedy="free some space or choose another folder with --environment",
        ) from error


def _ready_or_made(place: Environment, say: Callable[[str], None], offline: bool) -> Environment:
    recipe = {"package": PACKAGE, "version": VERSION, "constraints": digest(CONSTRAINTS.read_text(encoding="utf-8"))}
    mark = _read_mark(place.folder)
    if mark is None and place.folder.is_dir() and any(place.folder.iterdir()):
        problem = "it has no interpreter" if not place.python.exists() else _import_problem(place)
        if problem:
            raise UsageError(
                f"{place.folder} is not an environment with {PACKAGE} {VERSION}: {problem}",
                remedy="give one that is, or a folder that does not exist yet",
            )
        return place
    made = mark is not None and (mark.get("state"), mark.get("recipe")) == ("ready", recipe)
    if made and not _import_problem(place):
        return place
    if offline:
        raise PrerequisiteError(
            f"there is no finished environment for {PACKAGE} {VERSION} in {place.folder}, and --offline was asked for",
            remedy="run crosscheck once without it, or name an environment with --environment",
        )
    if mark is not None:
        say(f"the environment in {place.folder} was not finished, or is an older one: it is made again")
        shutil.rmtree(place.folder)
    _make(place, recipe, say)
    return place


def _make(place: Environment, recipe: dict[str, str], say: Callable[[str], None]) -> None:
    base = interpreter()
    free = shutil.disk_usage(place.folder.parent).free
    if free < _FREE_BYTES:
        raise PrerequisiteError(
            f"cannot make an environment in {place.folder}: {size_text(free)} are free",
            remedy="free some space or choose another folder with --environment",
        )
    say(f"making an environment for {PACKAGE} {VERSION} in {place.folder} (up to 7 GB, once)")
    place.folder.mkdir(parents=True)
    _write_mark(place.folder, {"state": "making", "recipe": recipe})
    _step(place, [base, "-m", "venv", str(place.folder)], "venv")
    for packages in (("setuptools<80", "wheel"), (f"{PACKAGE}=={VERSION}", *_torch())):
        _step(place, [str(place.python), "-m", "pip", "install", "--no-input", *packages], "pip install")
    problem = _import_problem(place)
    if problem:
        raise PrerequisiteError(f"{PACKAGE} {VERSION} was installed and does not start: {problem}", remedy=_see(place))
    _write_mark(place.folder, {"state": "ready", "recipe": recipe})


def interpreter() -> str:
    """A Python that the package's pins allow: this one, or one on the PATH. PrerequisiteError when there is none."""
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    found = shutil.which(name)
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        raise PrerequisiteError(
            f"{PACKAGE} {VERSION} needs {name}, this is Python {sys.version.split()[0]}",
            remedy="install it, or give an environment that has the package with --environment",
        )
    return found


def _torch() -> list[str]:
    """Torch and torchvision as they are here, without the mark of a local build."""
    found = []
    for name in ("torch", "torchvision"):
        try:
            found.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            found.append(name)
    return found


def _step(place: Environment, command: Sequence[str], what: str) -> None:
    settings = {**os.environ, "PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    settings.pop("PYTHONPATH", None)
    with (place.folder / _LOG).open("ab") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=settings, check=False)
    if done.returncode:
        text = (place.folder / _LOG).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        wrong = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no output"]
        raise PrerequisiteError(f"{what} failed: {wrong[-1][:_LINE]}", remedy=_see(place))


def _import_problem(place: Environment) -> str:
    """Why the package cannot be imported, "" when it can, in the expected version."""
    code = (
        f"import importlib.metadata as m, {PACKAGE}, clip; found = m.version('{PACKAGE}'); "
        f"assert found == '{VERSION}', found"
    )
    try:
        done = subprocess.run(
            [str(place.python), "-c", code], capture_output=True, text=True, check=False, cwd=place.folder
        )
    except OSError as error:
        return f"its interpreter does not start ({error.strerror})"
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit code {done.returncode}")[:_LINE]


def _read_mark(folder: Path) -> dict[str, object] | None:
    try:
        return reading.json_file(folder / _MARK, dict[str, object]) if (folder / _MARK).exists() else None
    except NovaEvalError:
        return {}


def _write_mark(folder: Path, mark: dict[str, object]) -> None:
    files.write(folder / _MARK, json.dumps(mark))


def _see(place: Environment) -> str:
    return f"see {place.folder / _LOG}; the next call begins anew"
