"""The form of a run's manifest, as far as readers may count on it."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

PartRecord: TypeAlias = dict[str, tuple[Annotated[int, Field(ge=0, le=1 << 20)], list[str]]]
"""By prompt how many samples, and the tags: ``Part.record``."""


class SuiteFacts(TypedDict, total=False):
    digest: str
    file: str
    prompts: int
    notes: list[str]


class _Sampler(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    settings: dict[str, Any]


class _Coverage(TypedDict, total=False):
    fraction: float | None


class _Options(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    shard: tuple[int, int] | None
    label: str


class Manifest(TypedDict, total=False):
    """What every reader of a manifest may count on, where it is there."""

    run: str
    model: str
    identity: str
    status: str
    started: str
    finished: str
    device: str
    spec: dict[str, Any]
    options: _Options
    sampler: _Sampler
    suite: SuiteFacts
    part: PartRecord
    scorers: dict[str, str]
    judges: dict[str, str | None]
    unavailable: dict[str, str]
    coverage: _Coverage
    metrics: dict[str, float | None]
    departs: list[str]
