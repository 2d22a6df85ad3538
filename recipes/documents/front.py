"""The picture of the front page: clips of nova-mini with what they score, and the ladder of the embedded world."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import nova_eval
from nova_eval import reading
from nova_eval.protocols import Frames

PROMPTS = (
    "a red circle",
    "a yellow star bouncing on a beach",
    "a circle on the left of a square",
    "an orange star in a city, zoom out",
)
SEED = 3
REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
COLUMNS = ("quality", "semantic", "total")
LADDER = {"the renderer": "oracle", "nova-mini": "nova-mini", "early nova-mini": "nova-mini-early", "noise": "noise"}
_FRAMES, _SIDE, _GAP, _TEXT = 6, 88, 4, 34
_WIDTH, _TABLE = _FRAMES * (_SIDE + _GAP), 400
_INK, _PAPER, _FAINT = (30, 30, 36), (255, 255, 255), (120, 120, 130)


def front() -> bytes:
    """A JPEG file."""
    settings = dict(nova_eval.benchmarks()["vbench"].profiles["mini"].sampler)
    sampler = nova_eval.sampler(str(settings.pop("name")), benchmark="vbench", **settings)
    suite = {prompt.text: prompt for prompt in nova_eval.prompts("vbench", "sprites")}
    prompts = [suite[text] for text in PROMPTS]
    clips = sampler.sample(prompts, [SEED] * len(prompts))
    scores = nova_eval.score(clips, prompts, benchmark="vbench", fps=float(settings["fps"]), judges="sprites")
    labels = nova_eval.benchmarks()["vbench"]
    page = Image.new("RGB", (_WIDTH + _TABLE, len(prompts) * (_SIDE + _TEXT)), _PAPER)
    pen = ImageDraw.Draw(page)
    for row, (prompt, clip) in enumerate(zip(prompts, clips, strict=True)):
        top = row * (_SIDE + _TEXT)
        page.paste(Image.fromarray(_strip(clip)), (0, top))
        told = [
            f"{labels.label(str(one['metric']))} {one['value']:.2f}"
            for one in scores.to_dict("records")
            if one["prompt_id"] == prompt.id
        ][:2]
        pen.text((2, top + _SIDE + 4), f"{prompt.text}:  {',  '.join(told)}", _INK, ImageFont.load_default(14))
    _table(pen)
    stream = io.BytesIO()
    page.save(stream, format="JPEG", quality=88, optimize=True)
    return stream.getvalue()


def ladder() -> dict[str, dict[str, float]]:
    """Quality, Semantic and Total in percent of the runs in ``results/reference``, by what the picture calls them."""
    found = {}
    for label, folder in LADDER.items():
        path = REFERENCE / folder / "vbench" / "table.csv"
        lines = [line for _, line in reading.csv_table(reading.text(path), path.name)]
        values = {line["metric"]: round(float(line["value"]), 1) + 0 for line in lines if line["value"]}
        found[label] = {name: values[name] for name in COLUMNS}
    return found


def caption() -> str:
    """What the picture's table says of Total, for those who cannot see it."""
    told = ", ".join(f"{label} {values['total']:.1f}" for label, values in ladder().items())
    return f"Total of VBench in the embedded world: {told}"


def _table(pen: ImageDraw.ImageDraw) -> None:
    """Quality, Semantic and Total of the ladder's runs, as ``results/reference`` has them."""
    places = (_WIDTH + 190, _WIDTH + 275, _WIDTH + 350)
    pen.text((_WIDTH + 24, 20), "VBench, the embedded world", _INK, ImageFont.load_default(18))
    for place, name in zip(places, COLUMNS, strict=True):
        pen.text((place, 66), name.capitalize(), _FAINT, ImageFont.load_default(15), anchor="ma")
    pen.text((_WIDTH + 24, 290), "These numbers compare with each other only.", _FAINT, ImageFont.load_default(14))
    for row, (label, values) in enumerate(ladder().items()):
        top = 100 + 44 * row
        pen.line([(_WIDTH + 24, top - 8), (_WIDTH + _TABLE - 12, top - 8)], (210, 210, 216))
        pen.text((_WIDTH + 24, top), label, _INK, ImageFont.load_default(16))
        for place, name in zip(places, COLUMNS, strict=True):
            pen.text((place, top), f"{values[name]:.1f}", _INK, ImageFont.load_default(16), anchor="ma")


def _strip(clip: Frames) -> Frames:
    places = [round(place) for place in np.linspace(0, len(clip) - 1, _FRAMES)]
    gap = np.full((_SIDE, _GAP, 3), 255, np.uint8)
    parts = [Image.fromarray(clip[place]).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC) for place in places]
    return np.concatenate([part for picture in parts for part in (np.asarray(picture), gap)], axis=1)
