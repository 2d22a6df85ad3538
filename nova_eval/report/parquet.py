"""The score rows of a run as one Parquet file: derived from the JSON lines, for reading with pandas."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nova_eval import files
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.report.dataframes import score_columns

_ARROW = {"string": "large_string", "Int64": "int64", "Float64": "float64", "UInt64": "uint64"}


def write_scores(
    rows: Sequence[Score], samples: Mapping[SampleKey, Sample], prompts: Sequence[Prompt], folder: Path
) -> Path:
    """``scores.parquet``: what ``scores_frame`` makes of them, as pandas writes it, which takes long to load.

    Holds nothing that differs between two equal runs.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = score_columns(rows, samples, prompts)
    arrays = {name: pa.array(data, getattr(pa, _ARROW[kind])()) for name, (kind, data) in columns.items()}
    head = {"pandas": _for_pandas({name: kind for name, (kind, _) in columns.items()})}
    buffer = io.BytesIO()
    pq.write_table(
        pa.table(arrays).replace_schema_metadata(head), buffer, write_statistics=False, write_page_checksum=True
    )
    return files.write(folder / "scores.parquet", buffer.getvalue())


def _for_pandas(kinds: Mapping[str, str]) -> str:
    """What makes ``pandas.read_parquet`` take types that hold a missing number."""
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind.lower(), "numpy_type": kind, "metadata": None}
        for name, kind in kinds.items()
    ]
    return json.dumps({"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"})
