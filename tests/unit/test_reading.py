"""One way in: what is no text, no JSON, or of another form is one line that says where; all else is as it was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from nova_eval import reading
from nova_eval.errors import CorruptStoreError, NovaEvalError, PrerequisiteError, UsageError

DEEP = 5000


@dataclass(frozen=True)
class Thing:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Measured:
    sizes: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Slotted:
    size: float | None


class Modelled(BaseModel):
    inside: tuple[Slotted, ...]


class TestJSON:
    def test_a_form_may_be_a_type_of_the_house(self) -> None:
        assert reading.json_text('{"name": "a", "sizes": [1, 2]}', "x.json", Thing) == Thing("a", (1, 2))

    @pytest.mark.parametrize("value", [[], {"ü": [1.5, None, True, -(1 << 63), (1 << 64) - 1]}, "𝄞", [[[[]]]]])
    def test_what_json_can_say_is_read_as_it_is(self, value: Any) -> None:
        assert reading.json_text(json.dumps(value), "x.json", Any) == value

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "x.json is not JSON: Expecting value"),
            ('{"a": 1, "a": 2}', "'a' stands there twice"),
            ('{"b": [0, {"c": NaN}]}', r"b\[1\]\.c: nan is not a finite number"),
            ('{"b": 1e999}', "b: inf is not a finite number"),
            ('["\\ud800"]', r"\[0\]: '\\ud800' holds half of a character"),
            ('{"\\ud800": 1}', "holds half of a character"),
            (f"[{1 << 64}]", r"\[0\]: a number of more than 64 bits"),
            ("1" * 5000, "a number of 5000 digits"),
            ("[" * DEEP, "nested deeper than 64 levels"),
            ("[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ],
    )
    def test_what_it_cannot_is_one_line_with_the_place(self, text: str, problem: str) -> None:
        with pytest.raises(UsageError, match=problem) as error:
            reading.json_text(text, "x.json", Any)
        assert "\n" not in str(error.value)

    def test_another_form_says_what_was_expected_and_what_is_there(self) -> None:
        with pytest.raises(UsageError, match=r"x: sizes\[1\] should be .*integer.* \(it is 'b'\); mend it"):
            reading.json_text('{"name": "a", "sizes": [1, "b"]}', "x", Thing, remedy="mend it")
        with pytest.raises(CorruptStoreError, match="x: name is missing"):
            reading.json_text("{}", "x", Thing, error=CorruptStoreError)

    @pytest.mark.parametrize("text", ["1e999", "-inf", "nan", "Infinity"])
    @pytest.mark.parametrize(
        ("form", "value", "place"),
        [
            (Measured, {"sizes": {"a": [1.0, "?"]}}, r"sizes\.a\[1\]"),
            (Slotted, {"size": "?"}, "size"),
            (Modelled, {"inside": [{"size": "?"}]}, r"inside\[0\]\.size"),
            (list[float], ["?"], r"\[0\]"),
            (float, "?", "it"),
        ],
        ids=["dataclass", "with slots", "model", "list", "number"],
    )
    def test_text_does_not_become_a_number_that_is_none(self, form: Any, value: Any, place: str, text: str) -> None:
        written = json.dumps(value).replace("?", text)
        with pytest.raises(UsageError, match=rf"^x: {place} is not a finite number$"):
            reading.json_text(written, "x", form)
        assert reading.json_text(written.replace(text, "0.5"), "x", form)

    def test_lines_have_their_numbers(self) -> None:
        assert [where for where, _ in reading.json_lines("1\n\n2", "x", int)] == ["x, line 1", "x, line 3"]
        with pytest.raises(UsageError, match="x, line 2: what it holds should be a valid integer"):
            list(reading.json_lines('1\n"b"\n', "x", int))


class TestTOMLAndYAML:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a = 2020-01-01", "a: a date, where text or a number is expected"),
            ("a = nan", "a: nan is not a finite number"),
            ("a = " + "[" * DEEP, "nested deeper"),
            ("a = " + "9" * 5000, "is not TOML"),
            (".".join("a" * 100) + " = 1", "nested deeper"),
            ("a", "is not TOML"),
        ],
    )
    def test_toml(self, text: str, problem: str) -> None:
        with pytest.raises(UsageError, match=problem):
            reading.toml_text(text, "x.toml", dict[str, Any])

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: !!bool maybe", "is not YAML"),
            ("a: !!python/object:os.system x", "is not YAML"),
            ("a: &a [*a]", "by reference"),
            ("a: &a [1, 2, 3, 4, 5, 6]\nb: &b [*a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b]", "by reference"),
            ("1: a", "the name 1 is no text"),
            ("a: 2020-01-01", "a date"),
            ("[" * DEEP, "nested deeper"),
            ("a", "should be an object"),
        ],
    )
    def test_yaml(self, tmp_path: Path, text: str, problem: str) -> None:
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(PrerequisiteError, match=problem):
            reading.yaml_file(tmp_path / "x.yaml", dict[str, Any], error=PrerequisiteError)

    @pytest.mark.parametrize(("given", "value"), [("3", 3), ("[1, 2]", [1, 2]), ("a b", "a b"), ("1\nb=2", "1\nb=2")])
    def test_a_value_of_the_command_line_is_toml_or_text(self, given: str, value: object) -> None:
        assert reading.toml_value(given, "--set a") == value

    @pytest.mark.parametrize("given", ["2020-01-01", "inf", "9" * 5000, "[" * DEEP])
    def test_what_no_run_could_record_is_refused(self, given: str) -> None:
        with pytest.raises(UsageError, match=r"--set a: .*; quote what is text"):
            reading.toml_value(given, "--set a")


class TestCSV:
    def test_rows_by_the_names_of_the_first(self) -> None:
        assert list(reading.csv_table('a, b\n"1\n2",3\n\n4,5\n', "x")) == [
            ("x, line 3", {"a": "1\n2", "b": "3"}),
            ("x, line 5", {"a": "4", "b": "5"}),
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a,b\n1\n", "x, line 2: 1 cells, the header has 2"),
            ("a,a\n1,2\n", "x has two columns 'a'"),
            ('a\n"b', "x, line 2: not a row of CSV"),
            ("a\n" + "b" * 200_000, "x, line 2: not a row of CSV"),
        ],
    )
    def test_faults_have_their_line(self, text: str, problem: str) -> None:
        with pytest.raises(UsageError, match=problem):
            list(reading.csv_table(text, "x"))


class TestFiles:
    def test_a_mark_at_the_start_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfa cat")
        assert reading.text(tmp_path / "x.txt") == "a cat"

    def test_other_encodings_say_where(self, tmp_path: Path) -> None:
        (tmp_path / "x.txt").write_bytes("ein Bär".encode("latin-1"))
        with pytest.raises(UsageError, match=r"x\.txt is not UTF-8 text: .* at byte 5; save it as UTF-8"):
            reading.text(tmp_path / "x.txt")

    def test_size_is_bounded_by_a_setting_and_by_the_reader(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "x.txt").write_text("a" * 11)
        with pytest.raises(UsageError, match=r"x\.txt has over 10 bytes"):
            reading.text(tmp_path / "x.txt", most=10)
        monkeypatch.setenv("NOVA_EVAL_MAX_TEXT_BYTES", "10")
        with pytest.raises(UsageError, match="more than the 10 that are taken; raise NOVA_EVAL_MAX_TEXT_BYTES"):
            reading.text(tmp_path / "x.txt")

    @pytest.mark.parametrize("name", ["", "/dev/zero", "a\0b", "\ud800", "x" * 400, "none"])
    def test_what_is_no_file(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(NovaEvalError) as error:
            reading.data(tmp_path / name)
        assert "\n" not in str(error.value)


def test_nothing_reads_text_by_another_way() -> None:
    """But for what the system says of itself, programs that run elsewhere, rows, and instruments that damage files."""
    package = Path(reading.__file__).parent
    raw = re.compile(r"json(lib)?\.loads?\(|tomllib\.|csv\.(DictR|r)eader\(|yaml\.(safe_)?load|\.read_text\(")
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if raw.search(path.read_text())}
    assert {name for name in found if not name.startswith(("checks/bench/fuzz/", "checks/bench/faults/"))} == {
        "reading.py",
        "rows.py",  # each field is looked at
        "samplers/looks.py",  # likewise
        "store.py",  # of what is about to be written
        *("checks/bench/gpu/part.py", "checks/bench/gpu/course.py"),  # of processes of ours
        "compare/reference.py",  # of what is about to be written, and what a score says beside, which rows.py looks at
        *("environment.py", "files.py", "locks.py", "nova/stages.py"),  # /proc
        *("checks/crosscheck/official_vbench.py", "adapters/t2i_compbench/spacy_reader.py"),  # in other environments
        "checks/crosscheck/installation.py",  # a log, and constraints that come with the package
        "checks/parity/networks/tag2text.py",  # a vocabulary that was written a moment before
        "cli/checks.py",  # an example that comes with the package
    }
