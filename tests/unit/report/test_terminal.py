"""Wide tables stay readable: turned when few rows, split when many, never squeezed."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from nova_eval.report.grid import Cell, Column, Row, Table
from nova_eval.report.terminal import render_terminal

NAMES = [f"Motion smoothness {i}" for i in range(19)]


def _wide(rows: int) -> Table:
    return Table(
        "wide",
        (Column("model", "Model"), *(Column(f"c{i}", name, "right") for i, name in enumerate(NAMES))),
        tuple(
            Row((Cell(f"model {r}"), *(Cell(f"{r + 10}.{i:02}", Decimal(i), strong=r == 1) for i in range(19))))
            for r in range(rows)
        ),
    )


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_every_number_stays_whole_at_every_width(width, rows):
    text = render_terminal(_wide(rows), width)
    assert max(len(line) for line in text.splitlines()) <= width
    found = re.findall(r"\d\d\.\d\d", text)
    assert sorted(found) == sorted(f"{r + 10}.{i:02}" for r in range(rows) for i in range(19))


def test_few_rows_are_turned_and_titles_written_out():
    text = render_terminal(_wide(2), 80)
    assert "Motion smoothness 18" in text
    assert text.count("model") == 2


def test_many_rows_are_split_under_the_same_first_column():
    text = render_terminal(_wide(40), 100)
    blocks = text.count("Model")
    assert 1 < blocks <= 4
    assert text.count("model 7\x20") == blocks


def test_color_makes_the_best_bold_and_its_absence_makes_a_star():
    assert "\x1b[1m11.00\x1b[0m" in render_terminal(_wide(2), 80, color=True)
    plain = render_terminal(_wide(2), 80)
    assert "\x1b" not in plain
    assert "11.00*" in plain


def test_square_brackets_are_text_and_not_markup():
    table = Table(
        "[bold]t[/]", (Column("m", "Model"), Column("r", "Ref.", "right")), (Row((Cell("[red]a"), Cell("[1]"))),)
    )
    text = render_terminal(table, 60)
    assert "[bold]t[/]" in text
    assert "[red]a" in text
    assert "[1]" in text


def test_stars_keep_the_decimal_points_of_a_column_in_line():
    lines = [line for line in render_terminal(_wide(40), 100).splitlines() if line.startswith("model")]
    assert len({line.index(".") for line in lines[:40]}) == 1


def test_a_table_without_rows_is_its_title_and_columns():
    assert "Model" in render_terminal(_wide(0), 400)
