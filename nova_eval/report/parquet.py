"""The score rows of a run as one Parquet file: derived from the JSON lines, for reading with pandas."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from nova_eval import files
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.report.dataframes import scores_frame


def write_scores(
    rows: Sequence[Score], samples: Mapping[SampleKey, Sample], prompts: Sequence[Prompt], folder: Path
) -> Path:
    """``scores.parquet``: what ``scores_frame`` makes of them.

    Holds nothing that differs between two equal runs.
    """
    buffer = io.BytesIO()
    scores_frame(rows, samples, prompts).to_parquet(buffer, index=False, engine="pyarrow")
    return files.write(folder / "scores.parquet", buffer.getvalue())
