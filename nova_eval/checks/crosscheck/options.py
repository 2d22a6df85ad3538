"""What `crosscheck` can be told, and what everything that runs the official package can be told about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class Package:
    """How the official package is run."""

    weights: Path | None = None
    "Folder of weight files under their published names (default: where `weights fetch` puts them)."
    environment: Path | None = None
    "Folder of the environment; one that you made, with detectron2 for instance, is used as it is."
    mirror: Path | None = None
    "Folder with pinned files as owner/repository/commit/path."
    offline: bool = False
    "Open no network connection: pinned files and the environment are here already."
    threads: int | None = None
    "Cores that the package may use (default: all)."

    @property
    def cores(self) -> int:
        from nova_eval import environment

        return self.threads or environment.cpu_count()


@Parameter(name="*")
@dataclass(frozen=True)
class Crosscheck:
    """Which part of a run is compared with the official package."""

    dimensions: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    "Only these (default: all that the run has scores of)."
    limit: int | None = None
    "At most this many videos a dimension, spread evenly."
    package: Package = field(default_factory=Package)
