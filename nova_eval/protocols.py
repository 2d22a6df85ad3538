"""What the parts of the product promise each other: samplers, the questions judges answer, scorers, benchmarks.

A scorer asks a *question*; the official network and the analytic judge of the embedded world answer it alike, so the
two are interchangeable. Frames are always uint8 RGB arrays of shape (T, H, W, 3); boxes are (x0, y0, x1, y1) in pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nova_eval.records import Metric, Part, Prompt, Sample, SampleKey, Score

if TYPE_CHECKING:
    from nova_eval.adapters.names import Names
    from nova_eval.adapters.results import OfficialResults
    from nova_eval.adapters.suite import Suite
    from nova_eval.config import BenchmarkConfig, Facts

Frames: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
T = TypeVar("T")


# --- samplers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SamplerInfo:
    """What makes two samplers equal: everything here goes into the name of the run.

    ``modality`` is ``"image"`` or ``"video"``. ``checkpoint`` is a digest of the weights ("" where there are none).
    ``fps`` is the rate at which clips are meant to be shown (0 for images).
    """

    name: str
    modality: str
    checkpoint: str = ""
    fps: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Sampler(Protocol):
    """The generator under test. It may also be ``Light``, ``Movable`` and ``Checkable``."""

    info: SamplerInfo

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        """One uint8 (T, H, W, 3) array per prompt (T = 1 for an image), made from ``prompt.sampling_text``.

        An image may be (H, W, 3) or a picture of PIL too, a clip a list of these.
        The result for one (prompt, seed) must not depend on what else is in the batch.
        """
        ...


@runtime_checkable
class Light(Protocol):
    """A sampler or judge, or its class, that says whether it needs neither an accelerator nor much memory.

    One process a core may then run. Who says nothing is not light.
    """

    light: bool


@runtime_checkable
class Movable(Protocol):
    """A sampler that can be moved to ``"cpu"``, ``"cuda:0"`` …, whether it is loaded already or not."""

    def to(self, device: str) -> object: ...


@runtime_checkable
class Checkable(Protocol):
    """A sampler that can say before anything is made with it whether its weights load."""

    def check(self) -> None:
        """Loads them and lets them go. NovaEvalError where they do not load."""
        ...


def is_light(part: object) -> bool:
    """What a sampler or judge, or its class, says of itself."""
    return isinstance(part, Light) and part.light


class Listing(NamedTuple):
    """What a folder of finished media holds, measured against the samples that are wanted.

    ``parts`` says of found samples that share a picture with others which part of it they are; ``wrong_size`` why a
    shared picture cannot be cut. ``unclear`` are files that may be samples, and why nothing says of which prompt;
    ``notes`` say how names were read.
    """

    found: Mapping[SampleKey, Path]
    missing: Sequence[SampleKey]
    extra: Sequence[Path]
    unreadable: Mapping[SampleKey, str]
    parts: Mapping[SampleKey, Part] = MappingProxyType({})
    wrong_size: Mapping[SampleKey, str] = MappingProxyType({})
    unclear: Mapping[Path, str] = MappingProxyType({})
    notes: Sequence[str] = ()

    def absent(self, missing: str = "the file is missing") -> dict[SampleKey, str]:
        """Why each wanted sample that was not found is not there; ``missing`` where there is no file."""
        unclear = list(dict.fromkeys(self.unclear.values()))
        perhaps = (
            f", or among the {len(self.unclear)} files whose prompt nothing says ({unclear[0]})" if unclear else ""
        )
        reasons = {key: f"unreadable: {reason}" for key, reason in self.unreadable.items()}
        reasons.update((key, f"wrong size: {reason}") for key, reason in self.wrong_size.items())
        reasons.update((key, missing + perhaps) for key in self.missing)
        return reasons


@runtime_checkable
class MediaSource(Protocol):
    """A sampler whose media exist already: files are scored where they lie, nothing is generated or copied."""

    info: SamplerInfo

    def locate(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Listing:
        """Which file is which sample. ``prompts`` is the whole suite (it decides what is extra)."""
        ...

    def describe(self, listing: Listing, prompts: Sequence[Prompt]) -> list[str]:
        """One line for each kind of file in ``listing`` that occurs."""
        ...


# --- judges: the questions ------------------------------------------------------------------------------------------


class Detection(NamedTuple):
    """One region of a frame: ``label`` is the object's name, ``caption`` a description where the judge gives one.

    ``mask`` (H, W) says which pixels of the frame belong to it, where the judge knows.
    """

    label: str
    box: tuple[float, float, float, float]
    score: float = 1.0
    caption: str = ""
    mask: Mask | None = None


@runtime_checkable
class Judge(Protocol):
    """A frozen network or measuring device. ``digest`` changes when its answers can change."""

    name: str
    digest: str

    def to(self, device: str) -> Judge:
        """Moves to ``"cpu"``, ``"cuda:0"`` … and returns itself."""
        ...


class ImageEncoder(Judge, Protocol):
    def encode_images(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N, D) features, not necessarily normalised."""
        ...


class ImageTextModel(Judge, Protocol):
    def image_text_similarity(self, frames: Frames, text: str) -> Floats:
        """(N, H, W, 3) → (N,) similarity of each frame with ``text``, a cosine for the official network."""
        ...


class VideoTextModel(Judge, Protocol):
    def video_text_similarity(self, frames: Frames, text: str) -> float:
        """Similarity of one clip (N sampled frames) with ``text``, a cosine for the official network."""
        ...


class Detector(Judge, Protocol):
    def detect(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the objects of each frame, highest score first."""
        ...


class ColorClassifier(Judge, Protocol):
    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """(H, W, 3) and objects in it → the color of each, from its box and mask and given its label.

        One of red, orange, yellow, green, blue, purple, pink, brown, black and white.
        """
        ...


class ColoredObjectDetector(Detector, ColorClassifier, Protocol):
    """Finds objects, with masks, and names their colors."""


class DenseCaptioner(Judge, Protocol):
    def describe(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the regions of each frame with label and caption, highest score first."""
        ...


class OpticalFlow(Judge, Protocol):
    def flow(self, first: Frames, second: Frames) -> Floats:
        """Two (N, H, W, 3) → (N, h, w, 2) displacement (x, y) in pixels; h, w may be padded beyond H, W."""
        ...


class FrameInterpolator(Judge, Protocol):
    def interpolate(self, first: Frames, second: Frames) -> Frames:
        """Two (N, H, W, 3) → (N, H, W, 3) predicted middle frames."""
        ...


class ActionRecognizer(Judge, Protocol):
    def action_logits(self, frames: Frames) -> tuple[Sequence[str], Floats]:
        """One clip → the class names and one logit a class (independent classes: sigmoid, not softmax)."""
        ...


@runtime_checkable
class WantsSize(Protocol):
    """A judge whose frames must be decoded at a size of its own, (H, W); ``None``: as they are."""

    input_size: tuple[int, int] | None


class SceneCaptioner(Judge, WantsSize, Protocol):
    def caption(self, frames: Frames) -> list[str]:
        """(N, H, W, 3) → one caption a frame."""
        ...


class DepthModel(Judge, Protocol):
    def depth(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N, H, W) nearness of each pixel in 0 … 1 over the frame's own range: larger is nearer."""
        ...


class DepthDetector(Detector, DepthModel, Protocol):
    """Finds objects, and says how near each pixel is."""


class VisualQuestionAnswerer(Judge, Protocol):
    def answer(self, frames: Frames, questions: Sequence[str]) -> list[list[str]]:
        """(N, H, W, 3) and Q questions → N lists of Q answers in words, exactly as the judge gives them."""
        ...


class YesNoAnswerer(Judge, Protocol):
    def probability_of_yes(self, frames: Frames, questions: Sequence[str]) -> Floats:
        """(N, H, W, 3) and Q questions → (N, Q) probability of yes against no."""
        ...


class AestheticModel(Judge, Protocol):
    def aesthetic(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N,) aesthetic ratings, about 0 to 10."""
        ...


class QualityModel(Judge, Protocol):
    def quality(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N,) technical quality, about 0 to 100."""
        ...


# --- scorers and benchmarks -----------------------------------------------------------------------------------------


class Footage(Protocol):
    """Decoded media: ``fps`` frames per second (0 for an image), of the file at ``path``, where there is one.

    ``rate_is`` says what ``fps`` is where the file does not declare it, "" where it does.
    ``in_memory`` is False for a clip that is too large for it, of which ``take`` and ``runs`` give a part.
    """

    @property
    def fps(self) -> float: ...
    @property
    def rate_is(self) -> str: ...
    @property
    def path(self) -> Path | None: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def in_memory(self) -> bool: ...

    @property
    def frames(self) -> Frames:
        """All frames at once, uint8 (T, H, W, 3): of long clips only for those who cannot do with a part."""
        ...

    def __len__(self) -> int: ...

    def take(self, indices: Sequence[int]) -> Frames:
        """The frames at ``indices``, in that order."""
        ...

    def runs(self) -> Iterator[Frames]:
        """All frames in consecutive runs, none of them large, for those who look at frames one by one."""
        ...

    def at_size(self, height: int, width: int, indices: Sequence[int] | None = None) -> Frames:
        """Frames (all, or those at ``indices``) at (height, width), aspect not kept, as FFmpeg's bilinear scaler makes
        them from the source.

        Scaling before the conversion to RGB is what the official VBench reader does; frames without a file behind
        them are scaled from RGB.
        """
        ...

    def as_opencv(self, *, shown: bool = False) -> Footage:
        """The clip by OpenCV 4.11, which takes all colors for BT.601 and does not turn frames; with ``shown`` they are
        turned as the file says. Decoded again when the file declares others.
        """
        ...


class Item(NamedTuple):
    """What a scorer looks at: the prompt, the sample's row, and the decoded media.

    ``size`` is the (H, W) at which the scorer's judge wants the frames, ``None`` where it takes them as they are.
    """

    prompt: Prompt
    sample: Sample
    clip: Footage
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a scorer asks about an item: the judge's ``method`` is called with ``arguments``, frames first.

    ``joined``: the answer has one part a frame, and no part depends on the other frames, so that questions that differ
    in frames of one size alone may be put as one. What follows the frames is hashable then.
    """

    method: str
    arguments: tuple[Any, ...]
    joined: bool = False


Asking: TypeAlias = Generator[Question, Any, T]
"""The way to a ``T``: yields questions, is sent the answer to each, or thrown what the judge raises."""


class Scorer(Protocol):
    """A benchmark's rule: which questions it asks about an item, and the score that it makes of the answers.

    ``role`` names the question's place in ``benchmark.toml`` (``[judges.<set>]`` maps roles to judges), or is ``None``
    for rules that need pixels only. ``version`` changes whenever a score could change.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def role(self) -> str | None: ...

    def score(self, item: Item) -> Score | Asking[Score]:
        """The item's row, or the questions that lead to it. May raise on an item that it cannot score."""
        ...


class Benchmark(Protocol):
    """All that the rest of the package knows of a benchmark, those of other packages included.

    ``prompts`` and ``wanted`` are the part of a suite that a run takes, and its samples.
    """

    facts: Facts
    config: BenchmarkConfig

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        """Every prompt of a variant. Official files are looked for in ``mirror`` first, then in the cache."""
        ...

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        """Gets what the rules need beside pinned files, and says in a line each what there is."""
        ...

    def names(self, endings: Collection[str] = ..., side: int = ...) -> Names:
        """How official files are called: those with ``endings``, by default of the benchmark's modality.

        Where samples share a picture there are ``side`` of them along its side; with 1 each has its own.
        """
        ...

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """The rules under ``scoring``: ``"official"`` (published defects included) or ``"corrected"``."""
        ...

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterable[tuple[SampleKey, str]]:
        """Every (sample, scorer name) pair that the metrics need."""
        ...

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str
    ) -> list[Score]:
        """What the metrics are made of and coverage counts, from the scorers' rows: undecided ones say why.

        Independent of the order of ``scores``. They are what ``reduce`` takes, and no ``scores`` any more.
        """
        ...

    def reduce(self, rows: Sequence[Score], scoring: str) -> list[Metric]:
        """Metrics of what ``rows`` gave, composites last. Pure."""
        ...

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        """The result files that the official scripts write, by name."""
        ...
