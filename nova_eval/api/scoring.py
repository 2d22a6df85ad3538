"""Scores of frames in memory as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nova_eval import environment
from nova_eval.judges import JUDGES
from nova_eval.records import Prompt
from nova_eval.report.dataframes import scores_frame
from nova_eval.runs.in_memory import Told, scored

if TYPE_CHECKING:
    import pandas as pd


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
    told, clips = ([prompt], [frames]) if isinstance(prompt, str | Prompt | Mapping) else (list(prompt), list(frames))
    found = scored(
        told, clips, _OneAtATime(device), benchmark=benchmark, metrics=metrics, fps=fps, judges=judges, scoring=scoring
    )
    return scores_frame(found.rows, {}, found.prompts).drop(columns=["seed", "path", "digest"])


class _OneAtATime:
    """Makes judges; each is let go before the next is loaded."""

    def __init__(self, device: str) -> None:
        self._device, self._name = device, ""
        self._judge: Any = None

    def __call__(self, name: str, light: bool) -> Any:
        if name != self._name:
            self._judge = None
            self._judge = JUDGES.make(name).to(environment.device_for(self._device, light=light))
            self._name = name
        return self._judge
