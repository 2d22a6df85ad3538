"""What is fuzzed: a reader of a file, the files that it is meant to read, and how they are changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nova_eval.checks.bench.fuzz.mutations import Kind


@dataclass(frozen=True, slots=True)
class Reader:
    """``make`` fills a folder with what the file needs beside it and gives whole files, made by the product's writers.

    ``read`` is given such a file, changed, as ``file`` in that folder, and does with it what the product does. A reader
    that needs longer gets a smaller ``share`` of the cases. Unchanged files are read, all where they are ``whole``.
    """

    name: str
    file: str
    kind: Kind
    make: Callable[[Path], Iterable[bytes]]
    read: Callable[[Path], object]
    share: float = 1.0
    whole: bool = True
