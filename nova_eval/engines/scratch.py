"""A folder of one process on a machine that holds no run: what it is to look at lies there for a moment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nova_eval import files

try:
    import fcntl
except ImportError:  # no such locks here: what killed processes left stays
    fcntl = None  # type: ignore[assignment]


class Scratch:
    """Made when this is, under ``$TMPDIR``, and held: such folders that nobody holds any more are removed."""

    def __init__(self) -> None:
        home = Path(tempfile.gettempdir()) / f"nova_eval-{os.getuid() if hasattr(os, 'getuid') else 0}"
        home.mkdir(mode=0o700, exist_ok=True)
        for left in home.iterdir():
            if (number := _held(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(number)
        self.folder = Path(tempfile.mkdtemp(dir=home))
        self._held = _held(self.folder)

    def close(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextmanager
    def holding(self, contents: Mapping[str, bytes]) -> Iterator[None]:
        """These files are there during the block, by names relative to ``folder``."""
        for name, data in contents.items():
            path = files.inside(self.folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            yield
        finally:
            for name in contents:
                with suppress(OSError):
                    (self.folder / name).unlink()


def _held(folder: Path) -> int | None:
    """The open folder, held until it is closed; ``None`` where another process holds it, or nobody can."""
    if fcntl is None:
        return None
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number
