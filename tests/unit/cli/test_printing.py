"""What strangers wrote is shown, and neither obeyed by a terminal nor taken for a formula by a spreadsheet."""

from __future__ import annotations

import ast
import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

import nova_eval
from nova_eval.__main__ import _failed
from nova_eval.cli.flags import print_json, put
from nova_eval.errors import UsageError, printable
from nova_eval.progress import Transfer, progress, talk, transfers
from nova_eval.report.formats import to_csv
from nova_eval.report.grid import Cell, Column, Row, Table
from nova_eval.report.terminal import render_terminal

HOSTILE = (
    "\x1b]0;owned\x07", "\x1b[2J", "a\rb", "\x9b31m", "\x7f", "\x00", "\x08\x08", "\u202egnp.exe", "\u2066x",
    "\udce9", "\u2028",
)  # fmt: skip


def harmless(text: str) -> bool:
    text.encode()
    return all(letter in "\n\t" or (letter.isprintable() and letter not in "\u202e\u2066") for letter in text)


def page(name: str) -> Table:
    columns = (Column("model", name, align="left"), Column("score", "score"))
    return Table(name, columns, (Row((Cell(name, name), Cell("1.0", Decimal("1.0")))),), footnotes=(name,))


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_shown_and_not_sent(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    talk(f"model {text}\nnext")
    put(f"folder {text}")
    print_json({"name": text})
    told = capsys.readouterr()
    assert harmless(told.err)
    assert harmless(told.out)
    assert "\\u" in told.err
    assert harmless(str(UsageError(f"the name {text}")))
    assert harmless(render_terminal(page(text), 100))


PRINTERS = {"cli/flags.py", "progress.py", "__main__.py"}
"""Who prints what the product says; tools that are called by their module, and what misbehaves on purpose, beside."""
TOOLS = {
    "checks/bench/faults/misbehaving.py",
    "checks/bench/gpu/part.py",
    "checks/parity/weight_files.py",
    "checks/crosscheck/official_vbench.py",
    "adapters/t2i_compbench/parses.py",
    "adapters/t2i_compbench/spacy_reader.py",
    "nova/training/cache.py",
    "nova/training/material.py",
}


def test_nobody_else_prints() -> None:
    package = Path(nova_eval.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    }
    assert found == PRINTERS | TOOLS


@pytest.mark.parametrize("text", HOSTILE)
def test_progress_and_errors_show_them_too(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with progress(f"reading {text}", 1, "files") as bar:
        bar.advance(1)
    with transfers() as told:
        told(Transfer(f"file {text}", "done", 1, 1))
    assert _failed(f"no command {text}", 2) == 2
    said = capfd.readouterr().err
    assert harmless(said)
    assert said.count("\n") >= 3


@pytest.mark.parametrize("text", [*HOSTILE, "plain", "two\nlines", "日本 – ±"])
def test_json_stays_the_same_value(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": text})
    assert json.loads(capsys.readouterr().out) == {"name": text}


@pytest.mark.parametrize("text", ["plain", "a\tb\nc", "日本 – ± … \u00a0 é", "100 %"])
def test_text_stays_text(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "-", "=1"])
def test_a_cell_that_begins_like_a_formula_is_text(text: str) -> None:
    _, row = csv.reader(io.StringIO(to_csv(page(text)), newline=""))
    assert row == [f"'{text}", "1.0"]


@pytest.mark.parametrize("text", ["-1.5", "+2", "-1e-3", "3", "a=b", "x-y", "'quoted'", ""])
def test_numbers_and_other_texts_stay(text: str) -> None:
    _, row = csv.reader(io.StringIO(to_csv(page(text)), newline=""))
    assert row[0] == text
    numbers = Table("t", (Column("n", "n"),), (Row((Cell("-1", Decimal("-1.25")),)),))
    assert to_csv(numbers) == "n\n-1.25\n"


def test_a_carriage_return_begins_no_row_and_no_formula() -> None:
    assert to_csv(page("\r=1")).splitlines()[1:] == ["\\u000d=1,1.0"]
