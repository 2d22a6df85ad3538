"""One sample as a notebook shows it. All text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from nova_eval.config import BenchmarkConfig
from nova_eval.media import Clip
from nova_eval.page.footage import still, strip
from nova_eval.records import Score
from nova_eval.report.grid import MISSING


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample's prompt, a picture of its frames (a JPEG file), and its scores."""

    name: str
    prompt: str
    picture: bytes = field(repr=False)
    scores: tuple[Score, ...] = field(repr=False)
    config: BenchmarkConfig = field(repr=False)

    def __str__(self) -> str:
        told = [f"{self.config.label(row.metric)} {_value(row)}" for row in self.scores]
        return f"{self.name}: {self.prompt}\n{'; '.join(told)}"

    def _repr_html_(self) -> str:
        cells = [(self.config.label(row.metric), _value(row), row.reason) for row in self.scores]
        rows = [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>" for line in cells]
        source = f"data:image/jpeg;base64,{base64.b64encode(self.picture).decode()}"
        return (
            f'<figure style="margin:0"><img src="{source}" alt="{escape(self.prompt)}" style="max-width:100%">'
            f"<figcaption><code>{escape(self.name)}</code> {escape(self.prompt)}</figcaption></figure>"
            "<table><thead><tr><th>Dimension</th><th>Score</th><th>Why not</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )


def shown(name: str, prompt: str, clip: Clip, scores: Sequence[Score], config: BenchmarkConfig) -> Shown:
    """Some frames of a clip side by side, the first and the last among them, or an image."""
    order = {metric: place for place, metric in enumerate(config.dimensions)}
    ordered = sorted(scores, key=lambda row: (order.get(row.metric, len(order)), row.metric))
    return Shown(name, prompt, strip(clip) if len(clip) > 1 else still(clip.frames[0]), tuple(ordered), config)


def _value(row: Score) -> str:
    return MISSING if row.value is None else f"{row.value:.4g}"
