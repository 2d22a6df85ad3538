"""A run's tables as files, and its summary as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.errors import PrerequisiteError
from nova_eval.records import RunSummary
from nova_eval.report.baselines import Published
from nova_eval.report.comparison import comparison_table
from nova_eval.report.formats import RENDERERS, to_markdown
from nova_eval.report.tables import latency_table, run_table


def write_tables(summary: RunSummary, published: Published, folder: Path) -> tuple[Path, ...]:
    """``table.*`` and ``comparison.*`` as md, csv and tex; each appears whole. Two equal runs give equal bytes."""
    pages = {"table": run_table(summary, published.config), "comparison": comparison_table([summary], published)}
    texts = {f"{name}.{ending}": draw(table) for name, table in pages.items() for ending, draw in RENDERERS.items()}
    return _write(folder, texts)


def write_latency(summary: RunSummary, published: Published, folder: Path) -> tuple[Path, ...]:
    """``latency.md``, which differs between two equal runs."""
    page = latency_table([summary], published.beside(summary.variant).rows)
    return _write(folder, {"latency.md": to_markdown(page)})


def to_json(summary: RunSummary) -> dict[str, Any]:
    """The summary as JSON types, every value in the benchmark's raw unit and ``None`` where there is none."""
    told = asdict(replace(summary, metrics=()))
    told["metrics"] = [
        {f.name: getattr(metric, f.name) for f in fields(metric) if f.name != "influence"} for metric in summary.metrics
    ]
    coverage, last = told.pop("coverage"), {name: told.pop(name) for name in ("metrics", "latency", "notes")}
    missing = coverage.pop("missing")
    counted = {"unscored": summary.coverage.unscored, "fraction": summary.coverage.fraction, "missing": missing}
    return {**told, "coverage": {**coverage, **counted}, **last}


def _write(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    try:
        for name, text in texts.items():
            with files.whole(folder / name) as stream:
                stream.write(text.encode())
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write tables to {folder}: {error.strerror}", remedy="free space, or mend its permissions"
        ) from error
    return tuple(folder / name for name in texts)
