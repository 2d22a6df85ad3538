"""Scores of frames in memory: the benchmark's own rules and judges, without a run and without a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nova_eval import environment, media
from nova_eval.adapters import load_benchmark, own
from nova_eval.api.parts import device_for
from nova_eval.config import CUSTOM, BenchmarkConfig
from nova_eval.engines.questions import rows_of
from nova_eval.engines.sampling import as_frames
from nova_eval.errors import UsageError, unknown
from nova_eval.files import given
from nova_eval.identity import file_digest
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item, Scorer
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.report.dataframes import scores_frame
from nova_eval.runs.judging import Judging, judging, made
from nova_eval.runs.options import scoring_of
from nova_eval.runs.part import serving

if TYPE_CHECKING:
    import pandas as pd

Told: TypeAlias = str | Prompt | Mapping[str, Any]
"""A prompt: its text, one of a suite, or an object as ``--prompts`` takes it: ``{"prompt": …, "dimension": …, …}``."""


def score(
    frames: Any,
    prompt: Told | Sequence[Told],
    *,
    benchmark: str,
    metrics: Sequence[str] = (),
    fps: float | None = None,
    judges: str = "",
    scoring: Literal["", "official", "corrected"] = "",
    device: str = "auto",
) -> pd.DataFrame:
    """What a benchmark says of one clip or image, or with a list of prompts of as many: a row a (sample, metric).

    ``frames`` is uint8 (T, H, W, 3), for images (H, W, 3) or a picture of PIL, or the path of a file. Clips in memory
    need ``fps``, files have their own. Judged are the dimensions that each prompt brings enough for, or those of
    ``metrics``; ``judges`` is a set of ``benchmark.toml``: official (the default), or sprites for the embedded world. A
    score that is not there is missing and has its ``reason``. The row is the one that a run has of the same frames; a
    lossy codec changes them.

    Columns: prompt_id, index, prompt, metric, value, weight, reason, detail (JSON).
    """
    environment.known_device(device)
    adapter = load_benchmark(benchmark)
    config = adapter.config
    for name in metrics:
        if name not in config.dimensions:
            raise unknown(f"dimension of {benchmark}", name, config.dimensions)
    told, clips = ([prompt], [frames]) if isinstance(prompt, str | Prompt | Mapping) else (list(prompt), list(frames))
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
    found = judging(list(scorers.values()), config.judges_of(CUSTOM, judges), made, benchmark=benchmark)
    rows = [
        *(Score(key, name, None, reason=found.unavailable[name]) for key, name in pairs if name in found.unavailable),
        *_looked(found, scorers, items, pairs, device),
    ]
    return scores_frame(adapter.rows(suite, keys, rows, rule), {}, suite).drop(columns=["seed", "path", "digest"])


def _served(config: BenchmarkConfig, told: Any, metrics: Sequence[str], place: int) -> Prompt:
    """The prompt with the dimensions that it is judged on. UsageError where that is none, or not all of ``metrics``."""
    prompt = told if isinstance(told, Prompt) else own.prompt_of(config, told, place)
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
    device: str,
) -> Iterable[Score]:
    """The rows of every scorer whose judge is at hand, judge by judge; only one is loaded at a time."""
    judge, loaded = None, None
    for plan in sorted(found.plans, key=lambda plan: plan.judge or ""):
        if plan.judge != loaded:
            judge = None  # let go before the next is loaded
            judge = JUDGES.make(plan.judge).to(device_for(device, light=found.light)) if plan.judge else None
            loaded = plan.judge
        yield from rows_of(scorers[plan.name], [items[key] for key, name in pairs if name == plan.name], judge)
