"""Packages that may be absent: which command brings each, and the error that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from nova_eval.errors import PrerequisiteError

BASE = (
    "PIL", "av", "cv2", "cyclopts", "docstring_parser", "filelock", "jinja2", "numpy", "pandas", "pyarrow", "pydantic",
    "rich", "safetensors", "scipy", "tokenizers", "torch", "transformers", "typing_extensions",
)  # fmt: skip
"""What every installation has, by the names that Python imports."""
EXTRAS = {
    "nova": ("diffusers", "huggingface_hub"),
    "judges": ("torchvision", "timm", "open_clip", "regex", "mmdet", "mmengine", "mmcv"),
    "train": ("accelerate", "matplotlib", "tensorboard"),
    "ray": ("ray",),
    "serve": ("starlette", "uvicorn"),
    "track": ("tensorboard",),
}
"""What each extra adds."""


def remedy(package: str) -> str:
    """The command that brings ``package``: this package, its extra that asks for it, or the other package itself."""
    for extra, packages in EXTRAS.items():
        if package in packages:
            return f"pip install 'nova_eval[{extra}]'"
    return f"pip install {'nova_eval' if package in BASE else package}"


def missing(package: str, wanted_by: str) -> PrerequisiteError:
    """The error for a ``package`` without which ``wanted_by`` cannot be had."""
    return PrerequisiteError(
        f"{wanted_by} needs the package {package!r}, which is not installed", remedy=remedy(package)
    )


def require(wanted_by: str, *names: str) -> None:
    """PrerequisiteError, naming the first package that is missing, before any work is done. Imports nothing."""
    for name in names:
        if find_spec(name) is None:
            raise missing(name, wanted_by)


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Around imports: a package that is not there becomes a PrerequisiteError. Faults of nova_eval itself pass."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "nova_eval"):
            raise
        raise missing(package, what) from error
