"""What a run can be asked that changes no pixel: one list for the command line, the functions and the record."""

import re  # annotations are objects here, not text: the command line reads them from another module
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from nova_eval.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
_SHARD, _ORDER = re.compile(r"(\d+)/(\d+)"), re.compile(r"suite|shuffled:\d+")

MOST_SAMPLES = 100_000
"""Of a prompt: more would be counted for ever."""
THERE = "there"
"""The number of samples that a folder holds of the prompt of which it holds most; settled when a run is opened."""


@dataclass(frozen=True)
class RunOptions:
    """Which part to do, how to score it, where to put it, how fast. UsageError for a value that cannot be."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    profile: str = "mini"
    "Named defaults: mini (the default: embedded world, minutes on two cores) or paper (the published protocol)."
    scoring: Literal["official", "corrected"] = "official"
    "official reproduces published numbers with their defects, corrected repairs these (default: the prompts')."
    samples_per_prompt: int | Literal["official", "there"] = 5
    "A number, or official for the benchmark's own count (default: the profile's, or the protocol's)."
    limit: int | None = None
    "At most this many prompts, spread evenly over the dimensions (default: all)."
    prompts: Path | None = None
    "Prompts of your own, or some of the suite's: txt, csv, json, jsonl, or a folder of media (default: the variant's)."
    judges: str = ""
    "Which set of judges looks, of those in benchmark.toml: official or sprites (default: the prompts')."
    metrics: tuple[str, ...] = ()
    "Only these dimensions, of `list dimensions BENCHMARK` (default: all)."
    shard: str | None = None
    "Only part i of n, as i/n; parts share one results folder (default: the whole)."
    order: str = "suite"
    "suite (the default), or shuffled:SEED."
    results: Path = Path("results")
    "Folder that holds runs (default: results)."
    name: str = ""
    "What the run is called (default: its model and a digest of all that makes its samples)."
    label: str = ""
    "What tables call it (default: its model)."
    workers: int = 0
    "Processes (default: one per device, or one per core for light samplers)."
    device: str = "auto"
    "cpu, cuda, cuda:1 … or mps (default: what is there)."
    batch: int = 8
    "Samples that a process is handed at once (default 8), and the most that a crash can cost."
    unit_timeout: float = 14400.0
    "Seconds that a process may be at what it is handed at once before it is replaced (default 14400; 0: for ever)."
    offline: bool = False
    "Open no network connection (default: what is missing may be fetched)."
    mirror: Path | None = None
    "Folder with official files as owner/repository/commit/path (default: the cache and their origin)."

    def __post_init__(self) -> None:
        _at_least("limit", self.limit, 1)
        _at_least("batch", self.batch, 1)
        _at_least("workers", self.workers, 0)
        if not 0 <= self.unit_timeout < float("inf"):
            raise UsageError(f"unit-timeout: must be a number of seconds, or 0 (got {self.unit_timeout})")
        if isinstance(self.samples_per_prompt, int) and not 1 <= self.samples_per_prompt <= MOST_SAMPLES:
            raise UsageError(
                f"samples-per-prompt: must be 1 to {MOST_SAMPLES}, or 'official' (got {self.samples_per_prompt})"
            )
        if not _ORDER.fullmatch(self.order):
            raise UsageError(f"order: must be 'suite' or 'shuffled:<seed>' (got {self.order!r})")
        if self.name:
            check_name(self.name)
        if not self.label.isprintable():
            raise UsageError(f"label: {self.label!r} is not one line of text", remedy="use letters, digits and blanks")
        if self.shard is not None:
            _ = self.part

    @property
    def part(self) -> tuple[int, int]:
        """Which part of how many, counted from 0: ``shard`` as numbers, 4/4 being 0/4; (0, 1) is all."""
        match = _SHARD.fullmatch("0/1" if self.shard is None else self.shard)
        if match is None or not int(match[1]) <= int(match[2]) != 0:
            raise UsageError(
                f"shard {self.shard!r} is not of the form i/n with 0 <= i <= n", remedy="for example --shard 1/4"
            )
        return int(match[1]) % int(match[2]), int(match[2])

    def record(self) -> dict[str, Any]:
        """As the manifest has it: what JSON can hold, and the shard as a pair of numbers. The folder has the name."""
        values = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        values = {key: value for key, value in values.items() if value or key not in ("prompts", "judges", "label")}
        del values["name"]
        return values | {"shard": list(self.part) if self.shard else None}


def check_name(name: str) -> None:
    """UsageError for what cannot be the name of a run's folder."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a run",
            remedy="use up to 150 letters, digits and . _ - beginning with a letter or digit",
        )


@dataclass(frozen=True)
class View:
    """Which part of a run is looked at, and over what its coverage is stated. It changes nothing of the run."""

    limit: int | None = None
    "At most this many prompts of the run, spread evenly over the dimensions."
    metrics: tuple[str, ...] = ()
    "Only these dimensions."
    samples_per_prompt: int | Literal["official"] | None = None
    "At most so many samples of each prompt."
    over: Literal["asked", "have", "suite"] = "asked"
    "State coverage over what was asked for (the default), over the samples that are there, or over the whole suite."


ALL = View()
"""All there is of a run."""


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"{name}: Input should be greater than or equal to {least} (got {value})")
