from pathlib import Path

import pandas as pd
import pytest

from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.report.dataframes import scores_frame
from nova_eval.report.parquet import write_scores

KEY = SampleKey("s/0", 0)
SAMPLE = Sample(KEY, 2**63 - 1, "media/s/0/0.png", "d" * 64, 9, 8, 8, 1, 0.0, 0.5)
PROMPTS = [Prompt("s/0", "a red circle")]
ROWS = [
    Score(SampleKey("s/1", 1), "color", None, reason="not sampled yet"),
    Score(KEY, "color", 0.25, detail={"b": 1, "a": [None]}),
]


def written(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(write_scores(ROWS, {KEY: SAMPLE}, PROMPTS, folder))


def test_pandas_reads_what_is_missing_as_missing_and_no_number_as_another(tmp_path: Path) -> None:
    table = written(tmp_path)
    assert table["seed"][0] == 2**63 - 1  # as a float it would be 2**63
    assert list(table["value"].isna()) == list(table["seed"].isna()) == [False, True]
    assert table.iloc[0].drop("reason").to_dict() == {
        "prompt_id": "s/0", "index": 0, "prompt": "a red circle", "metric": "color", "value": 0.25, "weight": 1.0,
        "detail": '{"a":[null],"b":1}', "seed": 2**63 - 1, "path": SAMPLE.path, "digest": "d" * 64,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "columns"),
    [("Int64", ["index"]), ("Float64", ["value", "weight"]), ("UInt64", ["seed"])],
)
def test_columns_have_types_that_hold_a_missing_number(tmp_path: Path, kind: str, columns: list[str]) -> None:
    table = written(tmp_path)
    assert [name for name, found in table.dtypes.items() if str(found) == kind] == columns


def test_the_file_is_the_frame(tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(written(tmp_path), scores_frame(ROWS, {KEY: SAMPLE}, PROMPTS))
    assert list(written(tmp_path)["prompt"]) == ["a red circle", ""]
    assert write_scores([], {}, [], tmp_path).stat().st_size > 0
