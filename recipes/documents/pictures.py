"""Pictures of what a dimension measures: a sample as asked above one that is spoiled, each with the score it gets."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

import nova_eval
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.reduce import reduced
from nova_eval.protocols import Frames
from nova_eval.records import Prompt, SampleKey, Score
from recipes.documents.examples import EXAMPLES

SEED = 1
FPS = 8.0
_SIDE, _FRAMES, _GAP = 96, 6, 4  # of a clip's strip; an image is twice as large


class Shown(NamedTuple):
    """Frames as asked and spoiled, and the value of the dimension in raw units that each of them alone gets."""

    right: Frames
    spoiled: Frames
    value: float
    lowered: float


def shown(benchmark: str, dimension: str) -> Shown:
    """The example of a dimension, drawn and measured."""
    example = EXAMPLES[benchmark][dimension]
    [prompt] = [
        one for one in nova_eval.prompts(benchmark, "sprites") if one.text == example.prompt and dimension in one.tags
    ]
    right, spoiled = (_drawn(benchmark, prompt, name) for name in ("none", example.corruption))
    return Shown(right, spoiled, *(_value(benchmark, dimension, prompt, frames) for frames in (right, spoiled)))


def picture(found: Shown) -> bytes:
    """A JPEG file of both, one above the other for clips, side by side for images."""
    if len(found.right) == 1:
        rows = [_beside([_scaled(one[0], 2 * _SIDE) for one in (found.right, found.spoiled)])]
    else:
        rows = [_strip(one) for one in (found.right, found.spoiled)]
    gap = np.full((_GAP, rows[0].shape[1], 3), 255, np.uint8)
    joined = np.concatenate([part for row in rows for part in (gap, row)][1:], axis=0)
    stream = io.BytesIO()
    Image.fromarray(joined).save(stream, format="JPEG", quality=82, optimize=True)
    return stream.getvalue()


def _drawn(benchmark: str, prompt: Prompt, corruption: str) -> Frames:
    sampler = nova_eval.sampler("oracle", benchmark=benchmark, corruption=corruption)
    return sampler.sample([prompt], [SEED])[0]


def _value(benchmark: str, dimension: str, prompt: Prompt, frames: Frames) -> float:
    adapter, key = load_benchmark(benchmark), SampleKey(prompt.id, 0)
    told = nova_eval.score(frames, prompt, benchmark=benchmark, fps=FPS, judges="sprites")
    if len(own := told[told.metric == dimension]) == 1:
        return float(own.value.iloc[0])
    rows = [
        Score(key, str(row["metric"]), float(row["value"]), float(row["weight"]), detail=json.loads(row["detail"]))
        for row in told.dropna(subset=["value"]).to_dict("records")
    ]
    metrics = {metric.name: metric.value for metric in reduced(adapter, [prompt], [key], rows, "corrected")}
    value = metrics[dimension]
    if value is None:
        raise ValueError(f"{benchmark} {dimension}: {told.to_string()}")
    return value


def _strip(frames: Frames) -> Frames:
    places = [round(place) for place in np.linspace(0, len(frames) - 1, _FRAMES)]
    return _beside([_scaled(frames[place], _SIDE) for place in places])


def _beside(pictures: Sequence[Frames]) -> Frames:
    gap = np.full((len(pictures[0]), _GAP, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (gap, picture)][1:], axis=1)


def _scaled(frame: Frames, side: int) -> Frames:
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST))
