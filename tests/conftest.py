"""Reference material kept outside the repository (a test that wants it skips where it is absent), and one thread."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _shared_folder(name: str) -> Path:
    root = Path(os.environ.get("NOVA_EVAL_SHARED", ROOT.parent / "shared"))
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"no reference folder {name!r} (set NOVA_EVAL_SHARED to the folder that holds it)")
    return folder


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background, where tests of Ctrl-C fail
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"parity", "mirror", "baselines"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.reference)


@pytest.fixture(scope="session")
def parity() -> Path:
    """Recorded outputs of the official code."""
    return _shared_folder("parity")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Official prompt files as <owner>/<repository>/<commit>/<path>."""
    return _shared_folder("mirror")


@pytest.fixture(scope="session")
def baselines() -> Path:
    """Published numbers with sources, one CSV a benchmark."""
    return _shared_folder("baselines")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Sums in one order: torch's threads are one while a module's tests run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
