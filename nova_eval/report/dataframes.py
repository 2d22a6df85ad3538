"""Facts of a run as data frames of pandas: nullable types, so that what is missing stays missing. Values are raw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from nova_eval.errors import printable
from nova_eval.identity import canonical_json
from nova_eval.records import Metric, Prompt, SampleKey, Score
from nova_eval.report.grid import Datum, Table

if TYPE_CHECKING:
    import pandas as pd

    from nova_eval.config import BenchmarkConfig

_TEXT, _WHOLE, _NUMBER, _SEED, _TRUTH = "string", "Int64", "Float64", "UInt64", "boolean"


Columns: TypeAlias = dict[str, tuple[str, Sequence[Any]]]
"""By name the dtype that pandas has for a column, and its values."""


def scores_frame(rows: Iterable[Score], samples: Mapping[SampleKey, Any], prompts: Sequence[Prompt]) -> pd.DataFrame:
    """What ``score_columns`` says."""
    return _frame(**score_columns(rows, samples, prompts))


def score_columns(rows: Iterable[Score], samples: Mapping[SampleKey, Any], prompts: Sequence[Prompt]) -> Columns:
    """One row a (sample, metric), sorted. ``samples`` hold seed, path and digest, as far as each is known.

    Columns: prompt_id, index, prompt, metric, value (missing where unscored), weight, reason, detail (JSON), seed,
    path, digest. Pandas is not needed.
    """
    texts = {prompt.id: prompt.text for prompt in prompts}
    ordered = sorted(rows, key=lambda row: (row.metric, row.key))
    found = [samples.get(row.key) for row in ordered]
    return {
        "prompt_id": (_TEXT, [row.key.prompt_id for row in ordered]),
        "index": (_WHOLE, [row.key.index for row in ordered]),
        "prompt": (_TEXT, [texts.get(row.key.prompt_id, "") for row in ordered]),
        "metric": (_TEXT, [row.metric for row in ordered]),
        "value": (_NUMBER, [row.value for row in ordered]),
        "weight": (_NUMBER, [row.weight for row in ordered]),
        "reason": (_TEXT, [row.reason or None for row in ordered]),
        "detail": (_TEXT, [canonical_json(row.detail) if row.detail else "{}" for row in ordered]),
        "seed": (_SEED, _told(found, "seed")),
        "path": (_TEXT, _paths(found)),
        "digest": (_TEXT, _told(found, "digest")),
    }


def samples_frame(
    wanted: Sequence[SampleKey],
    samples: Mapping[SampleKey, Any],
    absent: Mapping[SampleKey, str],
    prompts: Sequence[Prompt],
) -> pd.DataFrame:
    """One row a wanted sample, in their order; ``absent`` says why one is not there.

    Columns: prompt_id, index, prompt, seed, path (in the run's folder, or absolute), digest, bytes, width, height,
    frames, fps (missing for images), seconds (of sampling; missing where nobody measured), reason.
    """
    texts = {prompt.id: prompt.text for prompt in prompts}
    found = [samples.get(key) for key in wanted]
    why = [None if sample else absent.get(key, "not sampled yet") for key, sample in zip(wanted, found, strict=True)]
    return _frame(
        prompt_id=(_TEXT, [key.prompt_id for key in wanted]),
        index=(_WHOLE, [key.index for key in wanted]),
        prompt=(_TEXT, [texts.get(key.prompt_id, "") for key in wanted]),
        seed=(_SEED, _told(found, "seed")),
        path=(_TEXT, _paths(found)),
        digest=(_TEXT, _told(found, "digest")),
        **{name: (_WHOLE, _told(found, name)) for name in ("bytes", "width", "height", "frames")},
        **{name: (_NUMBER, [value or None for value in _told(found, name)]) for name in ("fps", "seconds")},
        reason=(_TEXT, why),
    )


def metrics_frame(metrics: Sequence[Metric], config: BenchmarkConfig) -> pd.DataFrame:
    """One row a metric: value and the ends of its interval, what they rest on, and why there is none."""
    return _frame(
        metric=(_TEXT, [one.name for one in metrics]),
        label=(_TEXT, [config.label(one.name) for one in metrics]),
        value=(_NUMBER, [one.value for one in metrics]),
        low=(_NUMBER, [one.interval and one.interval.low for one in metrics]),
        high=(_NUMBER, [one.interval and one.interval.high for one in metrics]),
        **{n: (_WHOLE, [getattr(m, n) for m in metrics]) for n in ("prompts", "samples", "unscored", "excluded")},
        higher_is_better=(_TRUTH, [one.higher_is_better for one in metrics]),
        reason=(_TEXT, [one.reason or None for one in metrics]),
    )


def table_frame(table: Table) -> pd.DataFrame:
    """The data of a table: what its CSV holds, in the unit that the table states. ``attrs`` has title and notes."""
    columns, rows = table.select("data")
    cells = {c.key: [row.cells[place].datum for row in rows] for place, c in enumerate(columns)}
    frame = _frame(**{key: (_kind(data), [_plain(datum) for datum in data]) for key, data in cells.items()})
    frame.attrs = {"title": table.title, "notes": list(table.footnotes)}
    return frame


def records_frame(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """``rows`` under the columns of ``kinds``, each with its dtype."""
    return _frame(**{name: (kind, [row[name] for row in rows]) for name, kind in kinds.items()})


def _frame(**columns: tuple[str, Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(list(data), dtype=kind) for name, (kind, data) in columns.items()})


def _told(samples: Sequence[Any], name: str) -> list[Any]:
    return [getattr(sample, name, None) for sample in samples]


def _paths(samples: Sequence[Any]) -> list[str | None]:
    return [None if path is None else printable(path) for path in _told(samples, "path")]


def _kind(data: Sequence[Datum]) -> str:
    known = [datum for datum in data if datum is not None]
    if known and all(isinstance(datum, int) for datum in known):
        return _WHOLE
    return _NUMBER if known and all(isinstance(datum, int | Decimal) for datum in known) else _TEXT


def _plain(datum: Datum) -> str | int | float | None:
    return float(datum) if isinstance(datum, Decimal) else datum
