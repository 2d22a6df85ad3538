"""Judges beside the official way of calling them, mostly frame after frame; the clip is decoded for each dimension."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval import environment, media
from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.official import FRAMES_AT_ONCE, Called, rule_as_called
from nova_eval.checks.bench.gpu.questions import QUESTIONS
from nova_eval.checks.bench.gpu.scale import Scale, scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.bench.timing import timed
from nova_eval.checks.parity.items import moving_shapes, pan
from nova_eval.engines.questions import scores_of, wanted_size
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey

_FPS = 12.0
_OFFICIAL = "called as officially, decoded anew"
_IMAGES = (
    "geneval_objects",
    "blip_vqa",
    "mplug_large",
    "unidet_r50",
    "unidet_rs200",
    "dpt_hybrid",
    "clipscore_vit_b32",
)
_ENOUGH = 3.0  # seconds, without which nothing further is begun


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    """Seconds a clip of VBench's dimensions, then seconds an image of the other benchmarks' judges.

    A judge's first answer is loading. Weights that are not here are drawn, which does not change what is computed.
    """
    scale = scale_of(asked)
    with (
        drawn_weights() as drawn,
        tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as folder,
        environment.arithmetic(tf32=False),
    ):
        path = film(Path(folder), 0, scale.clip)
        _, taken = timed(lambda: media.read(path))
        yield Figure("decode a clip", taken.wall, "s", remark=f"{'×'.join(map(str, scale.clip))}, H.264")
        yield from _dimensions(asked, left, scale, path)
        yield from _images(asked, left, scale)
        yield Figure("files of weights that were drawn", len(drawn), "files", remark=", ".join(sorted(drawn)))


def film(folder: Path, number: int, size: tuple[int, int, int]) -> Path:
    """A clip of (frames, height, width) as H.264: shapes that move, or a camera that does."""
    frames = pan(number, *size, dx=12, dy=4) if number % 2 else moving_shapes(number, *size)
    path = folder / f"{number}.mp4"
    path.write_bytes(media.encode_video(frames, _FPS))
    return path


def made(name: str, device: str, **settings: Any) -> Any:
    maker: Any = JUDGES.get(name)
    return maker(**settings).to(device)


def measured(scale: Scale, name: str) -> bool:
    return not scale.judges or name in scale.judges


def _dimensions(asked: GpuBench, left: Left, scale: Scale, path: Path) -> Iterator[Figure]:
    vbench = load_benchmark("vbench")
    prompts = vbench.suite("sprites").prompts
    judges: dict[tuple[str, int], Any] = {}

    def judge_of(name: str, batch: int) -> Any:
        if name and (name, batch) not in judges:
            settings = {"batch": batch} if batch and _takes_batch(name) else {}
            judges[name, batch] = made(name, asked.device, **settings)
        return judges.get((name, batch))

    rules: Sequence[Any] = vbench.scorers("official")
    for rule in rules:
        name = vbench.config.judges["official"][rule.role] if rule.role else ""
        prompt = next((prompt for prompt in prompts if rule.name in prompt.tags), None)
        if prompt is None or (name and not measured(scale, name)):
            continue
        if left() < _ENOUGH:
            return
        together = FRAMES_AT_ONCE.get(rule.name, 1) or scale.clip[0]
        judge, alone = judge_of(name, 0), Called(judge_of(name, together), together)

        def read(prompt: Prompt = prompt, name: str = name) -> Item:
            size = wanted_size(judge_of(name, 0)) if name else None
            return _item(prompt, path, size)

        item = read()
        _, loading = timed(lambda: scores_of(rule, [item], judge), asked.device)  # noqa: B023
        ours, quick = timed(lambda: scores_of(rule, [item], judge), asked.device)  # noqa: B023
        theirs, plain = timed(lambda: scores_of(rule_as_called(rule), [read()], alone), asked.device)  # noqa: B023
        remark = f"{name or 'no network'}, first {loading.wall:.1f} s{_apart(ours[0].value, theirs[0].value)}"
        yield Figure(rule.name, quick.wall, "s", plain.wall, _OFFICIAL, remark)


def _apart(ours: float | None, theirs: float | None) -> str:
    """What there is to say of two values that should be one."""
    if ours is None or theirs is None:
        return "" if ours == theirs else f", scored {ours} and {theirs}"
    return f", scores {abs(ours - theirs):.1g} apart"


def _images(asked: GpuBench, left: Left, scale: Scale) -> Iterator[Figure]:
    """All images together, then one by one."""
    count, side = (2, 128) if asked.tiny else (16, 512)
    images = np.stack([moving_shapes(number, 1, side, side)[0] for number in range(count)])
    for name in _IMAGES:
        if not measured(scale, name):
            continue
        if left() < _ENOUGH:
            return
        judge, alone = made(name, asked.device), made(name, asked.device, batch=1)
        _, loading = timed(partial(QUESTIONS[name], judge, images[:2]), asked.device)
        _, ours = timed(partial(QUESTIONS[name], judge, images), asked.device)
        _, plain = timed(lambda: [QUESTIONS[name](alone, image[None]) for image in images], asked.device)  # noqa: B023
        yield Figure(
            name, ours.wall / count, "s an image", plain.wall / count, "one by one", f"first {loading.wall:.1f} s"
        )


def _takes_batch(name: str) -> bool:
    maker: Any = JUDGES.get(name)
    return "batch" in inspect.signature(maker).parameters


def _item(prompt: Prompt, path: Path, size: tuple[int, int] | None) -> Item:
    clip = media.read(path, sizes=[] if size is None else [size])
    sample = Sample(SampleKey(prompt.id, 0), 0, "", "", 0, clip.width, clip.height, len(clip), clip.fps, 0.0)
    return Item(prompt, sample, clip, size)
