"""Bringing weight files here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nova_eval.errors import PrerequisiteError
from nova_eval.weights.catalogue import entry


def fetch(names: Iterable[str]) -> list[Path]:
    """Not yet."""
    raise PrerequisiteError(f"cannot fetch {', '.join(entry(name).file for name in names)}")
