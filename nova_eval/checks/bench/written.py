"""A measurement as it is written: rows as CSV for programs, as Markdown for people, and a page of what was printed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from nova_eval import environment, files


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


def page(path: Path, command: str, text: str) -> Path:
    """``path`` as Markdown: what ``bench command`` printed, and on which machine with which torch it did."""
    known = environment.package_versions()
    where = f"`python -m nova_eval bench {command}` on {environment.cpu_name()}, torch {known.get('torch', '?')}:"
    path.parent.mkdir(parents=True, exist_ok=True)
    indented = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return files.write(path, f"{where}\n\n{indented}\n")


def percent(share: float | None) -> str:
    """A share of 1; nothing for ``None``."""
    return "" if share is None else f"{100 * share:.1f} %"
