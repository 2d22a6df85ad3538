"""What a run can be asked that changes no pixel: one list for the command line, the functions and the record."""

import os
import re  # annotations are objects here, not text: the command line reads them from another module
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from nova_eval.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
_SPLIT = re.compile(r"sample=([1-9]\d{0,5}),score=([1-9]\d{0,5})")
_SHARD, _ORDER = re.compile(r"(\d+)/(\d+)"), re.compile(r"suite|shuffled:\d+")

_UNLESS_ASKED = ("prompts", "judges", "label", "devices", "address")

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
    "Only part i of n, as i/n, or slurm: the task of its array. Parts share one results folder (default: the whole)."
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
    devices: str = ""
    "How many processes sample and how many score beside them, as sample=6,score=2 (default: each does both in turn)."
    engine: Literal["local", "ray"] = "local"
    "local (the default: processes of this machine) or ray: every machine of a Ray cluster."
    address: str = ""
    "Where --engine ray finds its cluster: auto, or host:port (default: one of this machine, for this run alone)."
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
            if self.shard.startswith("slurm"):
                object.__setattr__(self, "shard", of_slurm(self.shard, os.environ))
            _ = self.part
        if self.split and self.workers not in (0, sum(self.split.values())):
            raise UsageError(f"devices: {self.devices} are not {self.workers} workers", remedy="leave --workers out")
        if self.address and self.engine != "ray":
            raise UsageError("address: is of a Ray cluster", remedy="add --engine ray")

    @property
    def part(self) -> tuple[int, int]:
        """Which part of how many, counted from 0: ``shard`` as numbers, 4/4 being 0/4; (0, 1) is all."""
        match = _SHARD.fullmatch("0/1" if self.shard is None else self.shard)
        if match is None or not int(match[1]) <= int(match[2]) != 0:
            raise UsageError(
                f"shard {self.shard!r} is not of the form i/n with 0 <= i <= n", remedy="for example --shard 1/4"
            )
        return int(match[1]) % int(match[2]), int(match[2])

    @property
    def split(self) -> dict[Literal["any", "sample", "score"], int]:
        """How many workers sample, and how many score meanwhile; empty where each does both in turn."""
        if not self.devices:
            return {}
        match = _SPLIT.fullmatch(self.devices.replace(" ", ""))
        if match is None:
            raise UsageError(
                f"devices: {self.devices!r} is not of the form sample=i,score=n", remedy="such as sample=6,score=2"
            )
        return {"sample": int(match[1]), "score": int(match[2])}

    def record(self) -> dict[str, Any]:
        """As the manifest has it: what JSON can hold, and the shard as a pair of numbers. The folder has the name."""
        values = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        values = {key: value for key, value in values.items() if value or key not in _UNLESS_ASKED}
        del values["name"]
        return values | {"shard": list(self.part) if self.shard else None}


def of_slurm(shard: str, environ: Mapping[str, str]) -> str:
    """``"slurm"`` → the part ``i/n`` that a task is of its Slurm array, which has all of ``0-(n-1)`` or ``1-n``.

    ``"slurm/n"`` says of how many: for some tasks of an earlier array that are to be done again. UsageError where tasks
    and parts would not match one to one.
    """
    match = re.fullmatch(r"slurm(?:/([1-9]\d{0,8}))?", shard)
    if match is None:
        raise UsageError(f"shard {shard!r} is not of the form slurm or slurm/n")
    task = _number(environ, "ID")
    if match[1]:
        parts = int(match[1])
    else:
        parts, first, last = (_number(environ, name) for name in ("COUNT", "MIN", "MAX"))
        if first not in (0, 1) or last - first != parts - 1:
            raise UsageError(
                f"shard slurm: the {parts} tasks from {first} to {last} are not all of an array",
                remedy="say of how many parts: --shard slurm/n",
            )
    if task > parts:
        raise UsageError(f"shard {shard}: task {task} is no part of {parts}", remedy="use --array=1-n or 0-(n-1)")
    return f"{task}/{parts}"


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(f"SLURM_ARRAY_TASK_{name}", "")
    if not text.isdecimal():
        raise UsageError(
            f"shard slurm: SLURM_ARRAY_TASK_{name} is {'not a number' if text else 'not set'}",
            remedy="submit it as an array: sbatch --array=0-7",
        )
    return int(text)


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
