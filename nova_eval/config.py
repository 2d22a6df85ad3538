"""What is run, as far as it can change a pixel, and what a benchmark is; profiles come from TOML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nova_eval import reading
from nova_eval.errors import UsageError, unknown

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder ``benchmarks`` or ``prompts``: inside an installed wheel, or at the root of a checkout."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


@dataclass(frozen=True, slots=True)
class Facts:
    """What a benchmark is called and where its own files lie.

    ``benchmark``: ``benchmark.toml`` and, where results are published, ``baselines.csv``. ``prompts``: ``SOURCE.toml``,
    which pins official files, and ``sprites.json``, each where there is one.
    """

    name: str
    benchmark: Path
    prompts: Path


def facts_of(name: str) -> Facts:
    """Those of a benchmark of this package."""
    return Facts(name, data_folder("benchmarks") / name, data_folder("prompts") / name)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SamplerSpec(_Frozen):
    """A registered name, or ``path/to/file.py:Class``, and the keyword settings of its constructor."""

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)


class RunSpec(_Frozen):
    """Everything that can change a pixel of a sample. Its digest, with the sampler's and the suite's, names the run."""

    benchmark: str
    variant: str
    seed: int = Field(default=0, ge=0, lt=2**63)
    sampler: SamplerSpec
    codec: str = "h264"


CUSTOM = "custom"
"""The variant of every benchmark whose prompts are the user's own."""


class Dimension(_Frozen):
    """One dimension of a benchmark: the normalisation range, the weight within its group, the role of its judge.

    ``needs`` is what a prompt has to bring to be judged on it: ``"text"``, ``"named"`` (it says that it is of this
    dimension) or a key of its reference. ``of_own`` is what a reader has to know of it for prompts of his own.

    ``bounds`` is the range that raw scores keep to, ``[-inf, inf]`` where there is none. Intervals are made for it; a
    score outside makes them Student's t.
    """

    label: str = ""
    group: str = ""
    weight: float = 1.0
    minimum: float = 0.0
    maximum: float = 1.0
    bounds: tuple[float, float] = (0.0, 1.0)
    role: str = ""
    higher_is_better: bool = True
    needs: tuple[str, ...] = ()
    of_own: str = ""


class Protocol(_Frozen):
    """``pictures``: whether the official code turns them as EXIF says, as every viewer shows them, or leaves it be."""

    samples_per_prompt: int = 5
    official_samples_per_prompt: dict[str, int] = Field(default_factory=dict)
    pictures: Literal["shown", "stored"] = "shown"
    long_clips: float = 0.0  # clips of so many seconds and more are published by another protocol; 0: by this one
    long_protocol: str = ""


class Variant(_Frozen):
    """One suite of prompts, the set of judges that can look at it, and the scoring it is meant for."""

    judges: str
    scoring: Literal["official", "corrected"] = "official"
    baselines: bool = True
    note: str = ""


class Profile(_Frozen):
    """Named defaults of a run. Any value can be overridden."""

    variant: str
    sampler: dict[str, Any]
    codec: str = "h264"
    seed: int = 0
    samples_per_prompt: int | Literal["official"] | None = None


class Report(_Frozen):
    unit: Literal["percent", "fraction"] = "percent"
    beside: tuple[str, ...] = ()  # the published rows shown unless all are asked for

    @property
    def scale(self) -> float:
        """What a fraction is multiplied with to be in ``unit``."""
        return 100.0 if self.unit == "percent" else 1.0

    @property
    def decimals(self) -> int:
        return 2 if self.unit == "percent" else 4


class BenchmarkConfig(_Frozen):
    """``benchmarks/<name>/benchmark.toml``.

    ``groups`` weigh the group scores in the total; empty when the benchmark has no composite. A single group is the
    total under its own name. ``gates`` say of a metric, in raw units, how much worse is too much.
    """

    name: str
    version: str
    modality: Literal["image", "video"]
    protocol: Protocol = Protocol()
    report: Report = Report()
    groups: dict[str, float] = Field(default_factory=dict)
    gates: dict[str, float] = Field(default_factory=dict)
    dimensions: dict[str, Dimension]
    judges: dict[str, dict[str, str]]
    variants: dict[str, Variant]
    profiles: dict[str, Profile]

    @model_validator(mode="before")
    @classmethod
    def _takes_own_prompts(cls, values: Any) -> Any:
        """Every benchmark has the variant ``custom``, judged as the first of its others."""
        variants = values.get("variants") if isinstance(values, dict) else None
        if not variants or not isinstance(variants, dict) or CUSTOM in variants:
            return values
        first = next(iter(variants.values()))
        judges = first.get("judges") if isinstance(first, dict) else getattr(first, "judges", None)
        if judges is None:
            return values  # the fields' own check names what is missing
        own = {"judges": judges, "baselines": False}
        return {**values, "variants": {**variants, CUSTOM: own}}

    @model_validator(mode="after")
    def _composes(self) -> Self:
        here = f"benchmarks/{self.name}/benchmark.toml"
        for name, dimension in self.dimensions.items():
            if dimension.group and dimension.group not in self.groups:
                known = ", ".join(self.groups) or "none"
                raise UsageError(
                    f"{here}: dimension {name} is of group {dimension.group!r}", remedy=f"[groups] has {known}"
                )
            if not dimension.minimum < dimension.maximum:
                span = f"minimum {dimension.minimum}, maximum {dimension.maximum}"
                raise UsageError(f"{here}: dimension {name} has {span}")
        for name, gate in self.gates.items():
            if name not in self.metrics or not 0 < gate < float("inf"):
                raise UsageError(
                    f"{here}: gate {name} = {gate}", remedy="a gate is a positive number under the name of a metric"
                )
        return self

    @property
    def composites(self) -> tuple[str, ...]:
        """Group names, then ``"total"`` where there are several; nothing without groups."""
        return (*self.groups, "total") if len(self.groups) > 1 else tuple(self.groups)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric of a table in its order: dimensions, then composites."""
        return (*self.dimensions, *self.composites)

    @property
    def headline(self) -> str:
        """The one number that a model is known by: the last composite, or the dimension ``overall``; "" without."""
        return self.composites[-1] if self.composites else "overall" if "overall" in self.dimensions else ""

    @property
    def official_samples(self) -> tuple[str, ...]:
        """The values of ``RunSummary.samples_per_prompt`` that equal the benchmark's own rule."""
        counts = {self.protocol.samples_per_prompt, *self.protocol.official_samples_per_prompt.values()}
        return ("official", *(str(count) for count in counts if len(counts) == 1))

    def judges_of(self, variant: str, chosen: str = "") -> dict[str, str]:
        """The judge of each role, of the set ``chosen`` or else of the variant's."""
        name = chosen or self.variants[variant].judges
        if name not in self.judges:
            raise unknown(f"set of judges of {self.name}", name, self.judges)
        return self.judges[name]

    def note_of(self, variant: str, judges: str = "") -> str:
        """What a table says of a variant's numbers; under other judges, what the variant that they are for says."""
        own = self.variants.get(variant)
        meant = (v.note for v in self.variants.values() if v.judges == judges and v.note)
        return (own and own.note) or (next(meant, "") if judges not in ("", own and own.judges) else "")

    def label(self, metric: str) -> str:
        """What a table calls a metric."""
        known = self.dimensions.get(metric)
        return (known and known.label) or metric.replace("_", " ").capitalize()

    def with_baselines(self, variant: str) -> bool:
        """Whether published rows may stand beside runs over these prompts; yes for a variant it does not describe."""
        return variant not in self.variants or self.variants[variant].baselines

    def samples_of(self, tags: Sequence[str], rule: int | str) -> int:
        """How many samples a prompt with these tags gets."""
        if isinstance(rule, int):
            return rule
        counts = self.protocol.official_samples_per_prompt
        default = counts.get("default", self.protocol.samples_per_prompt)
        return max([counts.get(tag, default) for tag in tags] or [default])


def read_benchmark(facts: Facts) -> BenchmarkConfig:
    """What ``benchmark.toml`` says."""
    path = facts.benchmark / "benchmark.toml"
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _read(path, None)
    return _read(path, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=16)
def _read(path: Path, _state: tuple[int, int, int] | None) -> BenchmarkConfig:
    """Once a process, as long as the file stays as it is: a command asks for it dozens of times."""
    return reading.toml_file(path, BenchmarkConfig)
