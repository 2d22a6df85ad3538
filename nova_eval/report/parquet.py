"""The score rows of a run as one Parquet file: derived from the JSON lines, for reading with pandas."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from nova_eval import files
from nova_eval.errors import printable
from nova_eval.identity import canonical_json
from nova_eval.records import Prompt, Sample, SampleKey, Score


def write_scores(
    rows: Sequence[Score], samples: Mapping[SampleKey, Sample], prompts: Sequence[Prompt], folder: Path
) -> Path:
    """``scores.parquet``: one row a (sample, metric), sorted; missing values stay missing.

    Columns: prompt_id, index, prompt, metric, value (nullable), weight, reason, detail (JSON), seed, path, digest.
    Holds nothing that differs between two equal runs.
    """
    import pandas as pd

    texts = {prompt.id: prompt.text for prompt in prompts}
    ordered = sorted(rows, key=lambda row: (row.metric, row.key))
    found = [samples.get(row.key) for row in ordered]
    frame = pd.DataFrame(
        {
            "prompt_id": pd.Series([row.key.prompt_id for row in ordered], dtype="string"),
            "index": pd.Series([row.key.index for row in ordered], dtype="Int64"),
            "prompt": pd.Series([texts.get(row.key.prompt_id, "") for row in ordered], dtype="string"),
            "metric": pd.Series([row.metric for row in ordered], dtype="string"),
            "value": pd.Series([row.value for row in ordered], dtype="Float64"),
            "weight": pd.Series([row.weight for row in ordered], dtype="Float64"),
            "reason": pd.Series([row.reason for row in ordered], dtype="string"),
            "detail": pd.Series([canonical_json(row.detail) for row in ordered], dtype="string"),
            "seed": pd.Series([sample.seed if sample else None for sample in found], dtype="UInt64"),
            "path": pd.Series([printable(sample.path) if sample else None for sample in found], dtype="string"),
            "digest": pd.Series([sample.digest if sample else None for sample in found], dtype="string"),
        }
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, engine="pyarrow")
    return files.write(folder / "scores.parquet", buffer.getvalue())
