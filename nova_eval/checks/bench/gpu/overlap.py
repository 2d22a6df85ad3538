"""What waits for what: decoding beside judging, and drawing noise beside sampling."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nova_eval import media
from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.generator import sampled
from nova_eval.checks.bench.gpu.judging import film, made, measured
from nova_eval.checks.bench.gpu.questions import QUESTIONS
from nova_eval.checks.bench.gpu.scale import half, model_and_vae, scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.bench.timing import timed
from nova_eval.nova.draws import one_ahead
from nova_eval.protocols import Frames

_CLIPS = 6
_JUDGES = ("dino_vitb16", "musiq_spaq", "amt_s")


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    """Seconds a clip of decoding, copying and judging, of all in a row, and with the next clip decoded meanwhile."""
    scale, device = scale_of(asked), asked.device
    with drawn_weights(), tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as folder:
        paths = [film(Path(folder), number, scale.clip) for number in range(2 if asked.tiny else _CLIPS)]
        clips = [_frames(path) for path in paths]

        def each(work: Callable[[Any], Any], items: list[Any]) -> float:
            return timed(lambda: [work(item) for item in items], device)[1].wall / len(items)

        yield Figure("decode", each(_frames, paths), "s a clip")
        held = [torch.tensor(clip) for clip in clips]
        yield Figure("copy to the device", each(lambda clip: clip.to(device), held), "s a clip")
        for name in _JUDGES:
            if not measured(scale, name):
                continue
            if left() < 5:
                return
            judge, ask = made(name, device), QUESTIONS[name]
            ask(judge, clips[0])
            alone = each(lambda clip: ask(judge, clip), clips)  # noqa: B023
            in_a_row = each(lambda path: ask(judge, _frames(path)), paths)  # noqa: B023
            _, taken = timed(lambda: [ask(judge, clip) for clip in one_ahead(paths, _frames)], device)  # noqa: B023
            yield Figure(f"{name}, copying and judging", alone, "s a clip")
            yield Figure(
                f"{name}, the next clip decoded meanwhile", taken.wall / len(paths), "s a clip", in_a_row, "in a row"
            )
    if left() < 10:
        return
    model, _ = model_and_vae(asked, scale, half(device))
    plan = replace(scale.plan, latent_frames=1, ar_steps=min(16, scale.plan.ar_steps))
    sampled(model, replace(plan, ar_steps=1, diffusion_steps=1), 1)
    (_, ahead, _), (_, waiting, _) = (sampled(model, plan, 1, draw_ahead=ahead) for ahead in (True, False))
    remark = f"one frame in {plan.ar_steps} steps"
    yield Figure("sampling, noise drawn meanwhile", ahead, "s", waiting, "drawn when it is needed", remark)


def _frames(path: Path) -> Frames:
    return media.read(path).frames
