"""One sample as a notebook shows it. All text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from nova_eval.config import BenchmarkConfig
from nova_eval.media import Clip
from nova_eval.protocols import Frames
from nova_eval.records import Score
from nova_eval.report.grid import MISSING

_MOST_FRAMES = 8
_HEIGHT = 160  # pixels of a strip
_IMAGE = 384  # pixels of an image's longer side


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample's prompt, a picture of its frames (uint8 (H, W, 3)), and its scores."""

    name: str
    prompt: str
    strip: Frames = field(repr=False)
    scores: tuple[Score, ...] = field(repr=False)
    config: BenchmarkConfig = field(repr=False)

    def __str__(self) -> str:
        told = [f"{self.config.label(row.metric)} {_value(row)}" for row in self.scores]
        return f"{self.name}: {self.prompt}\n{'; '.join(told)}"

    def _repr_html_(self) -> str:
        cells = [(self.config.label(row.metric), _value(row), row.reason) for row in self.scores]
        rows = [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>" for line in cells]
        source = f"data:image/png;base64,{base64.b64encode(_png(self.strip)).decode()}"
        return (
            f'<figure style="margin:0"><img src="{source}" alt="{escape(self.prompt)}" style="max-width:100%">'
            f"<figcaption><code>{escape(self.name)}</code> {escape(self.prompt)}</figcaption></figure>"
            "<table><thead><tr><th>Dimension</th><th>Score</th><th>Why not</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )


def shown(name: str, prompt: str, clip: Clip, scores: Sequence[Score], config: BenchmarkConfig) -> Shown:
    """At most eight frames of a clip side by side, the first and the last among them; of an image itself."""
    order = {metric: place for place, metric in enumerate(config.dimensions)}
    ordered = sorted(scores, key=lambda row: (order.get(row.metric, len(order)), row.metric))
    count = min(len(clip), _MOST_FRAMES)
    frames = clip.take([round(place) for place in np.linspace(0, len(clip) - 1, count)])
    return Shown(name, prompt, _strip(frames), tuple(ordered), config)


def _strip(frames: Frames) -> Frames:
    import cv2

    _, height, width, _ = frames.shape
    scale = _IMAGE / max(height, width) if len(frames) == 1 else _HEIGHT / height
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    strip: Frames = np.concatenate([cv2.resize(frame, size, interpolation=how) for frame in frames], axis=1)
    return strip


def _png(frame: Frames) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="PNG")
    return stream.getvalue()


def _value(row: Score) -> str:
    return MISSING if row.value is None else f"{row.value:.4g}"
