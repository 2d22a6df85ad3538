"""The table of questions: what is asked about each item, and which question makes sense only after which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.adapters.sources import load_sources, locate
from nova_eval.config import facts_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.identity import digest
from nova_eval.records import Prompt

OFFICIAL_SKIPS_FIRST_ROW = True
"""The reader leaves out the first row of data, as if the header had not been read already: the first item lacks its
first question, and is dropped whole where another question depends on that one (compute_dpg_bench.py
``prepare_dpg_data``). Corrected: the row counts."""

OFFICIAL_LATER_BLOCK_REPLACES_EARLIER = True
"""Where the rows of an item are interrupted by another item's, only the last block counts. Corrected: all do."""

OFFICIAL_READER_NEEDS_TEXT = True
"""Dependencies are split as text, which stops the whole script where every one of them is a single number, so that
pandas reads numbers, or where one is empty; items are looked up by text, which finds none where every id is a number.
Corrected: cells are text."""

QUESTIONS = "questions"
"""The key of a prompt's reference under which it may bring its own questions: rows of the table, by column."""

_COLUMNS = ("item_id", "proposition_id", "dependency", "tuple", "question_natural_language")
_DIGITS = 18
_EMPTY = frozenset({"", "NA", "N/A", "n/a", "nan", "NaN", "-nan", "null", "NULL", "None", "<NA>", "#N/A"})


class DSGQuestion(NamedTuple):
    """``subject`` is the proposition asked about, such as ``"attribute - color (boat, red)"``. Parent 0 is none."""

    id: int
    parents: tuple[int, ...]
    subject: str
    text: str


class _Asked(TypedDict):
    """A question as a prompt brings it."""

    proposition_id: int | str
    dependency: str
    tuple: str
    question_natural_language: str


def category_of(subject: str) -> str:
    """The detailed category of a proposition: ``"attribute - color"`` of ``"attribute - color (boat, red)"``."""
    return subject.split("(", maxsplit=1)[0].strip()


def broad_category(category: str) -> str:
    """``"attribute"`` of ``"attribute - color"``."""
    return category.split("-", maxsplit=1)[0].strip()


Questions = Mapping[str, tuple[DSGQuestion, ...]]  # by item


@dataclass(frozen=True)
class QuestionTable:
    """Every item's questions in the order of their rows: ``all`` of them, and those that the official reader keeps.

    It keeps none where it stops with an error, which ``official_reader_stops`` tells from a table without questions.
    """

    all: Questions = field(default_factory=dict)
    official: Questions = field(default_factory=dict)
    official_reader_stops: bool = False

    def __bool__(self) -> bool:
        return bool(self.all)

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over all questions and over which of them count officially."""
        return digest([self.all, self.official])

    def of(self, item: str, *, official: bool) -> tuple[DSGQuestion, ...]:
        """An item's questions, none where it has none. PrerequisiteError without a table."""
        if not self:
            raise PrerequisiteError(
                "the question table dpg_bench.csv is not at hand",
                remedy="run `python -m nova_eval prompts fetch dpg_bench`",
            )
        return (self.official if official else self.all).get(item, ())


def load_table(path: Path | None = None) -> QuestionTable:
    """The table at ``path``, by default the pinned one from the cache, checked; empty where there is none."""
    if path is None:
        source = next(source for source in load_sources(facts_of("dpg_bench")) if source.role == "questions")
        try:
            path = locate(source, offline=True)
        except PrerequisiteError:
            return QuestionTable()
    table = read_table(reading.text(path), path.name)
    check_graph(table.all, path.name)
    return table


def own_questions(prompt: Prompt) -> tuple[DSGQuestion, ...] | None:
    """The questions that a prompt brings, ``None`` where it brings none and the table's are asked.

    UsageError, one line, for rows that are none, for a question that depends on one that is not there, or on itself.
    """
    rows = prompt.reference.get(QUESTIONS)
    if rows is None:
        return None
    where, remedy = f"the questions of the prompt {prompt.id}", f"each needs {', '.join(_COLUMNS[1:])}"
    told = [{**row} for row in reading.typed(rows, where, list[_Asked], remedy=remedy)]
    try:
        questions = tuple(_question({name: str(cell) for name, cell in row.items()}) for row in told)
        ids = {question.id for question in questions}
        if len(ids) < len(questions):
            raise ValueError("two questions of one proposition_id")
    except ValueError as error:
        raise UsageError(f"{where} cannot be read: {error}", remedy=remedy) from error
    check_graph({prompt.id: questions}, "the prompts")
    return questions


def read_table(text: str, name: str = "dpg_bench.csv") -> QuestionTable:
    """The table in a CSV text. UsageError, one line, for what is no such table."""
    rows = list(_rows(text, name))
    items: dict[str, dict[int, DSGQuestion]] = {}
    for item, question, _ in rows:
        items.setdefault(item, {})[question.id] = question
    everything = {item: tuple(found.values()) for item, found in items.items()}
    stops = _stops(rows)
    return QuestionTable(everything, {} if stops else _official(rows), stops)


def check_graph(items: Questions, name: str = "dpg_bench.csv") -> None:
    """UsageError, one line, for a question that depends on one that is not there, or on itself by whatever way."""
    for item, questions in items.items():
        parents = {question.id: set(question.parents) - {0} for question in questions}
        for question, needed in parents.items():
            for missing in sorted(needed - parents.keys()):
                raise UsageError(f"{name}: question {question} of {item!r} depends on {missing}, which does not exist")
        settled: set[int] = set()
        while left := parents.keys() - settled:
            ready = {question for question in left if parents[question] <= settled}
            if not ready:
                raise UsageError(f"{name}: questions {sorted(left)} of {item!r} depend on each other in a circle")
            settled |= ready


def _rows(text: str, name: str) -> Iterator[tuple[str, DSGQuestion, str]]:
    columns = reading.csv_columns(text, name, strict=False)
    if missing := [column for column in _COLUMNS if column not in columns]:
        raise UsageError(f"{name} has no column {missing[0]!r}", remedy=f"it needs {', '.join(_COLUMNS)}")
    for where, row in reading.csv_table(text, name, strict=False):
        try:
            yield row["item_id"], _question(row), row["dependency"]
        except ValueError as error:
            raise UsageError(f"{where}: not a row of questions ({error})") from error


def _question(row: Mapping[str, str]) -> DSGQuestion:
    """ValueError for a number that is none."""
    parents = tuple(_number(part) for part in row["dependency"].split(",") if part.strip())
    return DSGQuestion(_number(row["proposition_id"]), parents, row["tuple"], row["question_natural_language"])


def _number(cell: str) -> int:
    if len(cell) > _DIGITS:
        raise ValueError(f"a number of {len(cell)} characters")
    return int(cell)


def _official(rows: Sequence[tuple[str, DSGQuestion, str]]) -> Questions:
    """What the official reader keeps, by item; nothing where items are numbers and cannot be looked up."""
    if not _has_text([item for item, _, _ in rows]):
        return {}
    items: dict[str, dict[int, DSGQuestion]] = {}
    previous = None
    for item, question, _ in rows[1:]:
        if item != previous:
            items[item] = {}
        items[item][question.id] = question
        previous = item
    return {item: tuple(found.values()) for item, found in items.items()}


def _stops(rows: Sequence[tuple[str, DSGQuestion, str]]) -> bool:
    """Whether the official reader fails to split a dependency, of a row that it does not skip."""
    cells = [cells for _, _, cells in rows]
    return bool(cells[1:]) and (not _has_text(cells) or any(cell in _EMPTY for cell in cells[1:]))


def _has_text(cells: Sequence[str]) -> bool:
    """Whether pandas would read a column as text: some cell is neither a number nor empty."""
    for cell in cells:
        try:
            float(cell)
        except ValueError:
            if cell not in _EMPTY:
                return True
    return False
