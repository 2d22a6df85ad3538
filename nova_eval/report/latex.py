"""One table as LaTeX for a paper: booktabs rules, headings of two lines, shrunk where it is wider than the line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from nova_eval.report.grid import Cell, Column, Table, two_lines

WIDE = 9
"""A table of more columns than this spans the page, its notes in the smallest type."""

_SHRINK = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"


def to_latex(table: Table) -> str:
    """A ``table`` environment with booktabs rules, shrunk by graphicx where it is wider than the line.

    Columns of one group share a heading above their own; the table's ``key`` becomes its label.
    """
    columns, rows = table.select("page")
    wide = len(columns) > WIDE
    align = "".join("r" if column.align == "right" else "l" for column in columns)
    environment = "table*" if wide else "table"
    notes = [f"\\textbf{{Bold}}: {_latex(table.strong_means)}"] if table.strong_means else []
    notes += [_latex(note) for note in table.footnotes]
    body = [
        _SHRINK,
        f"\\begin{{tabular}}{{{align}}}",
        "\\toprule",
        *_groups(columns),
        _ampersands([_title(c) for c in columns]),
        "\\midrule",
    ]
    for row in rows:
        body += ["\\midrule"] if row.ruled else []
        body.append(_ampersands([_cell(cell, table.lowered) for cell in row.cells]))
    body += ["\\bottomrule", "\\end{tabular}}"]
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        f"\\begin{{{environment}}}[tp]",
        "\\centering",
        f"\\caption{{{_latex(table.title)}}}",
        *([f"\\label{{{table.key}}}"] if table.key else []),
        *body,
    ]
    if notes:
        lines += [
            "\\par\\smallskip",
            f"\\begin{{minipage}}{{\\linewidth}}\\{'tiny' if wide else 'footnotesize'}\\raggedright",
        ]
        lines += [f"{note}\\quad" if wide else f"{note}\\par" for note in notes]
        lines += ["\\end{minipage}"]
    return "\n".join([*lines, f"\\end{{{environment}}}"]) + "\n"


def _groups(columns: Sequence[Column]) -> list[str]:
    """The line of what neighbouring columns have in common, with a rule under each; nothing without groups."""
    cells, rules, place = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        number = len(list(members))
        cells += [f"\\multicolumn{{{number}}}{{c}}{{{_latex(group)}}}"] if group else [""] * number
        rules += [f"\\cmidrule(lr){{{place}-{place + number - 1}}}"] if group else []
        place += number
    return [_ampersands(cells), *rules] if rules else []


def _cell(cell: Cell, lowered: bool) -> str:
    text = f"\\textbf{{{_latex(cell.text)}}}" if cell.strong else _latex(cell.text)
    span = f"\\textsubscript{{{_latex(cell.span)}}}" if lowered else f" {_latex(cell.span)}"
    return f"{text}{span}" if cell.span else text


def _title(column: Column) -> str:
    if column.align == "left":
        return _latex(column.title)
    lines = [_latex(line) for line in two_lines(column.title)]
    stacked = "\\\\".join(lines)
    return f"\\shortstack[r]{{{stacked}}}" if len(lines) > 1 else stacked


def _ampersands(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


_LATEX = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "%": "\\%",
    "_": "\\_",
    "&": "\\&",
    "#": "\\#",
    "$": "\\$",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "''",
    "`": "\\`{}",
    "[": "{[}",
    "]": "{]}",
    "†": "\\textdagger{}",
    "‡": "\\textdaggerdbl{}",
    "§": "\\S{}",
    "¶": "\\P{}",
    "‖": "$\\|$",
    "⁑": "$\\ast$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": "$\\times$",
    "±": "$\\pm$",
    "→": "$\\rightarrow$",
    "≥": "$\\geq$",
    "≤": "$\\leq$",
    "…": "\\ldots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "\u00a0": "~",
}


def _latex(text: str) -> str:
    """Ordinary text for LaTeX; letters beyond ASCII stay UTF-8."""
    text = "".join(_LATEX.get(character, character) for character in " ".join(text.replace("--", "-\0-").split()))
    return text.replace("\0", "{}")
