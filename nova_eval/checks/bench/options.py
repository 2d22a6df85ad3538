"""What each bench can be told: one record is the command's options and the measurement's argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nova_eval.checks.crosscheck.options import Package
from nova_eval.errors import UsageError

_MANY = Parameter(consume_multiple=True)


@Parameter(name="*")
@dataclass(frozen=True)
class StoreBench:
    """How many samples bookkeeping is measured on."""

    samples: int = 1000
    "Samples in the timed run."
    large: Annotated[tuple[int, ...], _MANY] = (10_000, 100_000)
    "Samples of the finished runs that are planned, resumed, reduced and compared."
    output: Path | None = None
    "Folder for store.csv and store.md."


@Parameter(name="*")
@dataclass(frozen=True)
class EngineBench:
    """Which engines are measured, with how many workers."""

    engines: Annotated[tuple[Literal["local", "ray"], ...], _MANY] = ("local",)
    "local, ray or both."
    workers: Annotated[tuple[int, ...], _MANY] = (1, 2, 4)
    "Numbers of workers, each measured with each engine."
    units: int = 200
    "Units that are sampled and scored."
    batch: int = 1
    "Samples of a unit."
    address: str = ""
    "Of a Ray cluster; with it, only ray is measured (default: one of this machine)."

    def __post_init__(self) -> None:
        if min((self.units, self.batch, *self.workers)) < 1 or not (self.engines and self.workers):
            raise UsageError("bench engine needs an engine, a worker and a unit at least")
        if self.address and set(self.engines) != {"ray"}:
            raise UsageError("address: is of a Ray cluster", remedy="say --engines ray")


@Parameter(name="*")
@dataclass(frozen=True)
class ScheduleBench:
    """Of which run the times are, and how large the one is that is simulated."""

    run: str
    "A run whose samples took time: its folder, or a name from `runs list`."
    workers: Annotated[tuple[int, ...], _MANY] = (1, 8, 16, 32, 64, 128, 256, 512)
    "Numbers of workers, each simulated."
    samples: int = 4730
    "Samples in all; 4730 are five of each prompt of VBench."
    batch: int = 8
    "Samples that a worker is handed at once, at most."
    seconds: float = 0.0
    "Mean of a sample (default: as recorded)."
    driver_ms: float = 15.0
    "What the driver takes for a sample that comes back; `bench engine` measures it."
    start: float = 0.0
    "Seconds until the workers are up."
    seed: int = 0
    "Chooses which sample takes how long."
    results: Path = Path("results")
    "Folder that holds runs."
    output: Path | None = None
    "Folder for schedule.csv and schedule.md."

    def __post_init__(self) -> None:
        if min(self.workers, default=0) < 1 or min(self.samples, self.batch) < 1:
            raise UsageError("bench schedule needs a worker, a sample and a batch of 1 at least")
        if self.seconds < 0 or self.driver_ms < 0 or self.start < 0:
            raise UsageError("bench schedule: times cannot be below 0")


@Parameter(name="*")
@dataclass(frozen=True)
class FolderBench:
    """How large the folder is that is looked at."""

    clips: int = 6220
    "Clips of 9 frames; 6220 are a model's on VBench with the official number of samples."


@Parameter(name="*")
@dataclass(frozen=True)
class SamplerBench:
    """What NOVA samples in the measurement, and on what."""

    model: Literal["mini", "mid", "paper"] = "mid"
    "mini (nova-mini), mid (two CPU cores, minutes) or paper (0.6 B text-to-video at 33×480×768; wants a GPU)."
    official: Path | None = None
    "A checkout of baaivision/NOVA, whose own code is imported, run and timed as well."
    threads: int | None = None
    "Cores of the CPU that are used (default: all)."
    diffusion_steps: Annotated[tuple[int, ...], _MANY] = (25, 100)
    "Diffusion steps, each measured with each batch."
    batches: Annotated[tuple[int, ...], _MANY] = (1,)
    "Samples at once."
    repeats: int = 2
    "How often every path takes its turn; the best counts."
    device: str = "cpu"
    "cpu, cuda, cuda:1 … or mps."
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    "Precision of the weights."
    output: Path | None = None
    "Folder for sampler.md."


@Parameter(name="*")
@dataclass(frozen=True)
class ServeBench:
    """How many clients ask a server at a time, and how it is held."""

    clients: int = 64
    "Clients that each send images and clips of their own and check what is said of them."
    requests: int = 10
    "Requests of each, one after the other."
    hostile: int = 8
    "Clients beside them that say nothing, drip, lie about lengths or leave."
    queue: int = 48
    "Requests that the server lets wait or be at work; others are refused, and come again."
    faults: int = 4
    "How often the judges hang and die by turns while they are asked."
    seconds: float = 5.0
    "Those after which the server ends judges that hang."
    output: Path | None = None
    "Folder for serve.md."

    def __post_init__(self) -> None:
        if min(self.clients, self.requests, self.queue) < 1 or min(self.hostile, self.faults) < 0:
            raise UsageError("bench serve needs a client, a request and a place in the line")


@Parameter(name="*")
@dataclass(frozen=True)
class GenEvalBench:
    """What GenEval's judge looks at in the measurement, and on what."""

    judge: Literal["geneval_objects", "geneval_objects_mmdet"] = "geneval_objects"
    "Mask2Former in transformers, or in mmdet."
    images: int = 4
    "Rendered scenes, of height × width; the detector enlarges or reduces them to at most 1333×800."
    batch: int = 4
    "Images at once."
    objects: int = 1
    "Objects of each image that are asked for their color."
    height: int = 512
    "Pixels."
    width: int = 512
    "Pixels."
    repeats: int = 1
    "How often either way takes its turn; the median counts."
    device: str = "cpu"
    "cpu, cuda, cuda:1 … or mps."
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    "Precision of the weights."


@Parameter(name="*")
@dataclass(frozen=True)
class CompareBench:
    """Which parts of the study of ``compare``, and its grid."""

    parts: Annotated[tuple[Literal["coverage", "stopping", "replayed", "bounds"], ...], _MANY] = (
        "coverage",
        "stopping",
    )
    """coverage (intervals, false alarms, power), stopping (--until-decided), replayed (the looks of two real runs),
    bounds (what any looks could save)."""
    prompts: Annotated[tuple[int, ...], _MANY] = (10, 20, 50, 100)
    "Prompts of a dimension, each measured with every kind of metric."
    repetitions: int = 2000
    "Simulated pairs of runs a point of the grid."
    seed: int = 0
    "Of the simulation: equal ones give equal files."
    output: Path | None = None
    "Folder for a table (.csv, .md) a part, and figures."
    runs: Annotated[tuple[str, ...], _MANY] = ()
    "Two runs or references: their prompts are drawn again, each difference with either sign, in place of simulation."

    def __post_init__(self) -> None:
        if min(self.prompts, default=0) < 2 or self.repetitions < 1:
            raise UsageError("bench compare needs 2 prompts and 1 repetition at least")
        if len(self.runs) not in (0, 2):
            raise UsageError(f"bench compare --runs takes two runs, not {len(self.runs)}", remedy="name two")
        if "replayed" in self.parts and not self.runs:
            raise UsageError("bench compare --parts replayed needs two runs", remedy="name them with --runs")


@Parameter(name="*")
@dataclass(frozen=True)
class VqaBench:
    """Which judge is asked how many questions, and on what."""

    judge: Literal["blip_vqa", "mplug_large"] = "blip_vqa"
    "At full size, with random weights: blip_vqa (T2I-CompBench) or mplug_large (DPG-Bench)."
    questions: int = 8
    "Questions an image; DPG-Bench asks 13.5 on average."
    repeats: int = 2
    "How often either way takes its turn; the median counts."
    device: str = "cpu"
    "cpu, cuda, cuda:1 … or mps."
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    "Precision of the weights."


@Parameter(name="*")
@dataclass(frozen=True)
class JudgesBench:
    """Which of VBench's dimensions are measured, on which clips."""

    dimensions: Annotated[tuple[str, ...], _MANY] = ()
    "Only these of the eight that are measured."
    clips: int = 2
    "Clips that are rendered and looked at."
    frames: int = 33
    "Frames of a clip."
    height: int = 480
    "Pixels."
    width: int = 768
    "Pixels."
    fps: float = 12.0
    "Frames a second."
    repeats: int = 1
    "How often each clip is looked at."
    output: Path | None = None
    "Folder for judges.md."
    package: Package = field(default_factory=Package)


@Parameter(name="*")
@dataclass(frozen=True)
class GpuBench:
    """What is measured on a GPU, in which time, and where it is written down."""

    output: Path = Path("gpu")
    "Folder for gpu.json and gpu.md, written again after every figure."
    device: str = "cuda"
    "cuda, cuda:1 …, or cpu."
    parts: Annotated[tuple[str, ...], _MANY] = ()
    "Only these: machine, parity, generator, judges, memory, overlap (default: all that the time allows)."
    limit: float = 360.0
    "Seconds for everything."
    checkpoint: str = ""
    "A NOVA checkpoint on this machine (default: drawn weights of the released text-to-video model)."
    recordings: Path | None = None
    "Folder of recorded reference outputs, replayed on the device as well."
    tiny: bool = False
    "Small networks and clips: the same code in a minute on a CPU."


@Parameter(name="*")
@dataclass(frozen=True)
class SweepBench:
    """Which setting gets which values, and what is shown of it."""

    over: str
    "The setting and its values, such as sampler.guidance_scale=1,2,4,7."
    show: Annotated[tuple[str, ...], _MANY] = ()
    "Metrics of the table and the figure (default: all with a value)."
    output: Path | None = None
    "Folder for <setting>.csv and <setting>.svg."

    @property
    def setting(self) -> tuple[str, list[str]]:
        """``"sampler.guidance_scale=1,2,4"`` → the setting and its values. UsageError for anything else."""
        key, equals, values = self.over.partition("=")
        found = [value.strip() for value in values.split(",") if value.strip()]
        if not key or not equals or len(found) < 2:
            raise UsageError(
                f"--over {self.over!r} does not give a setting several values",
                remedy="such as sampler.guidance_scale=1,2,4",
            )
        return key.strip(), found


@Parameter(name="*")
@dataclass(frozen=True)
class FuzzBench:
    """How many changed files and values go through which readers."""

    cases: int = 20_000
    "In all, shared out among the readers; slow ones get fewer."
    seed: int = 0
    "Chooses the changes."
    readers: Annotated[tuple[str, ...], _MANY] = ()
    "Only these of those in the table."
    workers: int = 1
    "Processes; the outcome is the same for any number."
    only: int | None = None
    "This one case of the first reader again, with what it raises."
    output: Path | None = None
    "Folder for fuzz.csv and fuzz.md."


@Parameter(name="*")
@dataclass(frozen=True)
class IntervalsBench:
    """Over which grid the coverage of intervals is simulated."""

    distributions: Annotated[tuple[str, ...], _MANY] = ()
    "Only these of those in the table."
    prompts: Annotated[tuple[int, ...], _MANY] = (10, 13, 20, 50, 100)
    "Prompts of a dimension."
    samples: Annotated[tuple[int, ...], _MANY] = (1, 5)
    "Samples a prompt."
    truths: Annotated[tuple[float, ...], _MANY] = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
    "True values, between 0 and 1."
    repetitions: int = 2000
    "Simulated runs a point of the grid."
    seed: int = 0
    "Of the simulation: equal ones give equal files."
    output: Path | None = None
    "Folder for coverage.csv, with every point of the grid, and coverage.md, the table."


@Parameter(name="*")
@dataclass(frozen=True)
class FaultsBench:
    """How many faults of which kinds are done to small runs."""

    faults: int = 60
    "At least so many, of all kinds alike; about three seconds each, ten on Ray."
    ray: bool = False
    "Those of many machines, in place of all: runs on a Ray cluster of this one and its nodes, drivers, shards."
    kinds: Annotated[tuple[str, ...], _MANY] = ()
    "Only these of those in the table."
    seed: int = 0
    "Chooses the moments and the places."
    workers: int = 1
    "Processes that do so side by side, each to runs of its own; one with --ray."
    output: Path | None = None
    "Folder for the table: faults.csv and faults.md, or with --ray many_machines.csv and many_machines.md."

    def __post_init__(self) -> None:
        if self.ray and self.workers != 1:
            raise UsageError("workers: faults on Ray come one after the other", remedy="leave --workers out")
        if not self.ray and any(name.startswith("ray: ") for name in self.kinds):
            raise UsageError("kinds: those of Ray need --ray", remedy="add --ray")
