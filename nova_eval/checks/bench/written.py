"""Rows of a measurement as they are written: CSV for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any


def to_csv(rows: Sequence[Any]) -> str:
    """Of one record or more, all of a kind: a column a field, figures to six digits, nothing for ``None``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(rows[0])])
    writer.writerows(
        [f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values()] for row in rows
    )
    return text.getvalue()


def to_markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """The first columns, as many as ``words`` says, hold words; the others figures."""
    rule = [*["---"] * words, *["---:"] * (len(head) - words)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def percent(share: float | None) -> str:
    """A share of 1; nothing for ``None``."""
    return "" if share is None else f"{100 * share:.1f} %"
