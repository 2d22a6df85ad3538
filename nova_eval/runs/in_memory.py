"""Scores of frames in memory: a benchmark's own rules and judges, without a run and without a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from nova_eval import media
from nova_eval.adapters import load_benchmark, own
from nova_eval.config import CUSTOM, BenchmarkConfig
from nova_eval.engines.questions import rows_of
from nova_eval.engines.sampling import as_frames
from nova_eval.engines.units import ScorerPlan
from nova_eval.errors import UsageError, unknown
from nova_eval.files import given
from nova_eval.identity import file_digest
from nova_eval.protocols import Item, Scorer
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs.judging import Judging, Look, judging, made
from nova_eval.runs.options import scoring_of
from nova_eval.runs.part import serving

Told: TypeAlias = str | Prompt | Mapping[str, Any]
"""A prompt: its text, one of a suite, or an object as ``--prompts`` takes it: ``{"prompt": …, "dimension": …, …}``."""

Hold: TypeAlias = Callable[[str, bool], Any]
"""From a judge's name to the judge, on its device; told whether every judge that is asked for is light."""


class Found(NamedTuple):
    """The prompts, each once, the rows of their samples, who was asked by which rule, and under which ``scoring``."""

    prompts: list[Prompt]
    rows: list[Score]
    plans: tuple[ScorerPlan, ...]
    scoring: str


def scored(
    told: Sequence[Told],
    clips: Sequence[Any],
    hold: Hold,
    *,
    benchmark: str,
    metrics: Sequence[str] = (),
    fps: float | None = None,
    judges: str = "",
    scoring: str = "",
    look: Look = made,
) -> Found:
    """What a benchmark says of each clip or image, given the prompt that it was made for.

    A clip is uint8 (T, H, W, 3), an image (H, W, 3) or a picture of PIL, or the path of a file; clips in memory need
    ``fps``, files have their own. Judged are the dimensions that each prompt brings enough for, or those of
    ``metrics``. UsageError and MediaError for what cannot be; a judge that is not at hand leaves its reason.
    """
    adapter = load_benchmark(benchmark)
    config = adapter.config
    for name in metrics:
        if name not in config.dimensions:
            raise unknown(f"dimension of {benchmark}", name, config.dimensions)
    if fps is not None and all(isinstance(one, str | Path) for one in clips):
        raise UsageError("a file has a frame rate of its own", remedy="leave fps out, or give the frames")
    if len(told) != len(clips):
        raise UsageError(f"{len(clips)} samples and {len(told)} prompts", remedy="give each sample its prompt")
    prompts = [_served(config, one, metrics, place) for place, one in enumerate(told)]
    keys, suite = _keys(prompts), _suite(prompts)
    rule = scoring or scoring_of(config, CUSTOM, judges)
    stored = rule == "official" and config.protocol.pictures == "stored"
    items = {
        key: _item(config, one, key, clip, fps=fps, stored=stored)
        for one, key, clip in zip(prompts, keys, clips, strict=True)
    }
    pairs = list(adapter.pairs(suite, keys))
    scorers = {one.name: one for one in adapter.scorers(rule) if one.name in {name for _, name in pairs}}
    found = judging(list(scorers.values()), config.judges_of(CUSTOM, judges), look, benchmark=benchmark)
    rows = [
        *(Score(key, name, None, reason=found.unavailable[name]) for key, name in pairs if name in found.unavailable),
        *_looked(found, scorers, items, pairs, hold),
    ]
    return Found(suite, adapter.rows(suite, keys, rows, rule), found.plans, rule)


def _served(config: BenchmarkConfig, told: Any, metrics: Sequence[str], place: int) -> Prompt:
    """The prompt with the dimensions that it is judged on. UsageError where that is none, or not all of ``metrics``."""
    prompt = told if isinstance(told, Prompt) else own.prompt_of(config, told, place)
    for name in prompt.tags:
        if name not in config.dimensions:
            raise unknown(f"dimension of {config.name}", name, config.dimensions)
    for name in metrics:
        if name not in prompt.tags:
            reason = own.why_not(config, name, [prompt])
            raise UsageError(f"{name} cannot be judged: {reason}", remedy="see 'Your own prompts' of the documents")
    kept = serving([prompt], metrics)
    if not kept or not kept[0].tags:
        raise UsageError(
            f"nothing of {config.name} can be judged of prompt {place}: it brings a text alone",
            remedy="give an object with what its dimensions need, such as {'prompt': …, 'dimension': …}",
        )
    return kept[0]


def _keys(prompts: Iterable[Prompt]) -> list[SampleKey]:
    counts: dict[str, int] = {}
    keys = []
    for prompt in prompts:
        counts[prompt.id] = counts.get(prompt.id, -1) + 1
        keys.append(SampleKey(prompt.id, counts[prompt.id]))
    return keys


def _suite(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Each prompt once. UsageError where two that differ have one id."""
    suite: dict[str, Prompt] = {}
    for prompt in prompts:
        if suite.setdefault(prompt.id, prompt) != prompt:
            raise UsageError(f"two prompts have the id {prompt.id!r}", remedy="change one")
    return list(suite.values())


def _item(
    config: BenchmarkConfig, prompt: Prompt, key: SampleKey, frames: Any, *, fps: float | None, stored: bool
) -> Item:
    if isinstance(frames, str | Path):
        clip, digest = _read(config, given(frames), stored=stored)
    else:
        clip, digest = _held(config, frames, fps)
    sample = Sample(
        key=key,
        seed=0,
        path="" if clip.path is None else str(clip.path),
        digest=digest,
        bytes=0,
        width=clip.width,
        height=clip.height,
        frames=len(clip),
        fps=clip.fps,
        seconds=0.0,
    )
    return Item(prompt, sample, clip)


def _read(config: BenchmarkConfig, path: Path, *, stored: bool) -> tuple[media.Clip, str]:
    endings = media.VIDEO_SUFFIXES if config.modality == "video" else media.IMAGE_SUFFIXES
    if path.suffix.lower() not in endings:
        raise UsageError(f"{path} is no {config.modality}, which {config.name} judges", remedy="name another file")
    return media.read(path, as_stored=stored), file_digest(path)


def _held(config: BenchmarkConfig, frames: Any, fps: float | None) -> tuple[media.Clip, str]:
    held = as_frames(frames, config.modality, "the frames are")
    if isinstance(held, str):
        raise UsageError(held, remedy="give numpy's uint8, colors last")
    if config.modality == "image":
        if len(held) != 1:
            raise UsageError(f"{len(held)} frames where {config.name} judges one image", remedy="give each its prompt")
        return media.Clip(held, 0.0), sha256(held.tobytes()).hexdigest()
    if fps is None or not 0 < fps < float("inf"):
        raise UsageError(
            f"{config.name} judges motion: how many frames a second?", remedy="say it, such as fps=8 (above 0)"
        )
    return media.Clip(held, float(fps)), sha256(held.tobytes()).hexdigest()


def _looked(
    found: Judging,
    scorers: Mapping[str, Scorer],
    items: Mapping[SampleKey, Item],
    pairs: Sequence[tuple[SampleKey, str]],
    hold: Hold,
) -> Iterable[Score]:
    """The rows of every scorer whose judge is at hand, judge by judge."""
    for plan in sorted(found.plans, key=lambda plan: plan.judge or ""):
        wanted = [items[key] for key, name in pairs if name == plan.name]
        yield from rows_of(scorers[plan.name], wanted, hold(plan.judge, found.light) if plan.judge else None)
