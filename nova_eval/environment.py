"""What a run was made with: versions, hardware, and the commit of the code."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nova_eval
from nova_eval import files
from nova_eval.errors import UsageError

PACKAGES = (
    "numpy", "opencv-python", "av", "pillow", "scipy", "pandas", "pyarrow", "torch", "torchvision", "transformers",
    "diffusers", "open-clip-torch", "timm", "safetensors",
)  # fmt: skip

CACHE_VARIABLE = "NOVA_EVAL_CACHE"

_KEPT_BYTES = 1 << 30
_KEPT_PIECE_BYTES = 32 << 20  # the largest piece that every glibc can be told to keep: DEFAULT_MMAP_THRESHOLD_MAX
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""What a system has where torch may find a device of the kind ``cuda``: NVIDIA's, in WSL too, or AMD's driver."""


def cache_root() -> Path:
    """Where what can be fetched or made again is kept: ``$NOVA_EVAL_CACHE``, by default ``~/.cache/nova_eval``."""
    root = os.environ.get(CACHE_VARIABLE)
    return files.given(root) if root else Path.home() / ".cache" / "nova_eval"


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can move a number; absent ones are left out."""
    return dict(_versions())


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    """Those that this process works with, whatever is installed meanwhile."""
    found = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def fingerprint() -> dict[str, str]:
    """What must be alike on machines that work on one run: versions, and a digest of this package's code."""
    root = Path(nova_eval.__file__).parent
    code = sha256()
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    own = {"nova_eval": nova_eval.__version__, "its code": code.hexdigest()[:8], "python": python}
    return {**own, **package_versions()}


def commit() -> str:
    """The git commit of the checkout this code runs from: ``"+"`` appended when it has changes, "" outside one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=10)
        return done.stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def devices() -> list[str]:
    """Accelerators that torch sees, by name; imports torch only where it is installed and, on Linux, a driver is."""
    try:
        version("torch")
    except PackageNotFoundError:
        return []
    if sys.platform == "linux" and not any(path.exists() for path in _DRIVERS):
        return []
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else []


def device_names() -> list[str]:
    """The names under which torch addresses the accelerators: ``cuda:0`` …, or ``mps``."""
    found = devices()
    return found if found == ["mps"] else [f"cuda:{index}" for index in range(len(found))]


def device_memory(name: str) -> int:
    """The bytes of an accelerator of the kind ``cuda``; 0 of others, which have none of their own."""
    if not name.startswith("cuda"):
        return 0
    import torch

    return int(torch.cuda.get_device_properties(name).total_memory)


def has_cuda() -> bool:
    """Whether torch has a device of the kind ``cuda``."""
    return any(name.startswith("cuda") for name in device_names())


def known_device(name: str) -> None:
    """UsageError, which says what there is, for a device that this machine does not have."""
    if name in ("auto", "cpu"):
        return
    here = ["cpu"]
    if has_cuda() or name == "mps":
        found = device_names()
        here += ["cuda", *found] if found != ["mps"] else found
    if name not in here:
        raise UsageError(f"device {name!r} is not on this machine", remedy=f"here are auto, {', '.join(here)}")


def device_for(asked: str, *, light: bool) -> str:
    """Where ``auto`` puts a network: the first accelerator, the processor where there is none or a light one asks."""
    if asked != "auto":
        return asked
    return next(iter([] if light else device_names()), "cpu")


def device_is_spoilt() -> bool:
    """Whether the GPU answers nothing more in this process, as after an illegal access: only another one can go on."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except Exception:
        return True
    return False


@contextmanager
def arithmetic(*, tf32: bool) -> Iterator[None]:
    """Whether a GPU rounds what convolutions in float32 take to TF32 in the block; for matrix products it never does.

    After the block it is as the process had set it. Nothing happens where torch is not loaded.
    """
    torch = sys.modules.get("torch")
    wanted = {} if torch is None else {torch.backends.cudnn: tf32, torch.backends.cuda.matmul: False}
    before = {of: of.allow_tf32 for of in wanted}
    try:
        for of, value in wanted.items():
            of.allow_tf32 = value
        yield
    finally:
        for of, value in before.items():
            of.allow_tf32 = value


def keep_memory() -> None:
    """From now on up to 1 GiB that this process frees stays with it. For processes that are ours alone (glibc).

    The system hands out memory for large tensors page by page, each cleared first, and takes it back when they are
    freed: with a network on a CPU whose layers each need a few of them, that is a fifth of all processor time, and
    more where other processes do the same.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        if not mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES):
            mallopt(_M_MMAP_THRESHOLD, _KEPT_PIECE_BYTES)


def cpu_name() -> str:
    """The processor's model name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def capture() -> dict[str, Any]:
    """The record kept in a run's manifest. Does not import torch."""
    return {
        "nova_eval": nova_eval.__version__,
        "commit": commit(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": cpu_count(),
        "packages": package_versions(),
    }
