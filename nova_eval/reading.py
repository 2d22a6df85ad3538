"""The one way in for text that anybody may have written: JSON, JSON lines, TOML, YAML, CSV, plain lines.

What comes back is whole, UTF-8, no larger than its setting, no deeper than ``DEEPEST``, without what JSON has no word
for, and of the form asked for: a type with annotations, by pydantic. All else is one error of the class ``error`` (by
default UsageError) that says in which file and where in it, what stands there, and the remedy. A file that the system
does not let us read is a PrerequisiteError in place of a UsageError.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import sys
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from nova_eval import files
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.limits import Limit

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

DEEPEST = 64
"""Levels of lists and objects."""
_SHOWN = 60  # letters of what stands there
_WORDS = {
    "missing": "is missing",
    "dict_type": "should be an object",
    "dataclass_type": "should be an object",
    "model_type": "should be an object",
    "list_type": "should be a list",
    "string_type": "should be text",
    "extra_forbidden": "is not known",
    "unexpected_keyword_argument": "is not known",
}
"""For kinds of pydantic's."""
_LEAST, _MOST, _DIGITS = -(1 << 63), (1 << 64) - 1, 20
_HUGE = sys.float_info.max
_NESTS = (dict, list, tuple)


class How(TypedDict, total=False):
    """``error`` is the class of what is raised, ``remedy`` its remedy where the reader knows none.

    ``most`` counts bytes. ``halves``: halves of characters may stand there, as Python has them for the bytes of names
    of files that are no UTF-8.
    """

    error: type[NovaEvalError]
    remedy: str
    most: int
    halves: bool


# --- bytes and text -------------------------------------------------------------------------------------------------


def data(path: Path, **how: Unpack[How]) -> bytes:
    """The bytes of a regular file."""
    kind, most = how.get("error", UsageError), min(how.get("most", Limit.TEXT.most), Limit.TEXT.most)
    try:
        with files.opened(path) as stream:
            content = stream.read(most + 1)
    except FileNotFoundError as error:
        raise kind(f"no such file: {path}", remedy=how.get("remedy", "")) from error
    except OSError as error:
        if os.path.isdir(path):  # which, unlike pathlib, says no of names that cannot be
            raise kind(f"{path} is a folder", remedy=how.get("remedy", "")) from error
        raise _unreadable(path, error.strerror or str(error), how) from error
    except ValueError as error:  # a name may hold what no system takes
        raise _unreadable(path, str(error), how) from error
    if len(content) > most:
        if most == Limit.TEXT.most:
            Limit.TEXT.hold(str(path), len(content), kind)
        raise kind(f"{path} has over {most:,} bytes", remedy=how.get("remedy", ""))
    return content


def _unreadable(path: Path, reason: str, how: How) -> NovaEvalError:
    kind = PrerequisiteError if _class(how) is UsageError else _class(how)
    return kind(f"cannot read {path}: {reason}", remedy=how.get("remedy", ""))


def decoded(content: bytes, where: str, **how: Unpack[How]) -> str:
    """UTF-8 text; a mark at the start is left out."""
    try:
        return content.decode("utf-8-sig", "surrogatepass" if how.get("halves") else "strict")
    except UnicodeDecodeError as error:
        raise how.get("error", UsageError)(
            f"{where} is not UTF-8 text: {error.reason} at byte {error.start}", remedy="save it as UTF-8"
        ) from error


def text(path: Path, **how: Unpack[How]) -> str:
    """A file of text."""
    return decoded(data(path, **how), str(path), **how)


# --- forms ----------------------------------------------------------------------------------------------------------


def json_file(path: Path, form: type[T], **how: Unpack[How]) -> T:
    """A file of JSON, packed by gzip where its name says so."""
    content = data(path, **how)
    if path.suffix == ".gz":
        content = _unpacked(content, path, how)
    return json_text(content, str(path), form, **how)


def _unpacked(content: bytes, path: Path, how: How) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            found = stream.read(Limit.TEXT.most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _fault(f"{path} is not packed by gzip: {_said(error)}", how) from error
    Limit.TEXT.hold(str(path), len(found), _class(how))
    return found


def json_text(given: str | bytes, where: str, form: type[T], **how: Unpack[How]) -> T:
    """JSON as its standard has it: every name once, numbers of 64 bits, no NaN, no half of a character."""
    written = given if isinstance(given, str) else decoded(given, where, **how)
    try:
        found = json.loads(written, object_pairs_hook=_once, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise _fault(f"{where} is not JSON: {_said(error)}", how) from error
    return fitting(found, where, form, values=len(written), **how)


def json_lines(given: str | bytes, where: str, form: type[T], **how: Unpack[How]) -> Iterator[tuple[str, T]]:
    """A value a line, with its place; blank lines hold none."""
    written = given if isinstance(given, str) else decoded(given, where, **how)
    for number, line in enumerate(written.split("\n"), 1):
        if line.strip():
            place = f"{where}, line {number}"
            yield place, json_text(line, place, form, **how)


def toml_file(path: Path, form: type[T], **how: Unpack[How]) -> T:
    """A file of TOML."""
    return toml_text(text(path, **how), str(path), form, **how)


def toml_text(given: str, where: str, form: type[T], **how: Unpack[How]) -> T:
    """TOML that says what JSON can: neither dates nor infinities."""
    try:
        found = tomllib.loads(given)
    except (ValueError, RecursionError) as error:
        raise _fault(f"{where} is not TOML: {_said(error)}", how) from error
    return fitting(found, where, form, values=len(given), **how)


def yaml_file(path: Path, form: type[T], **how: Unpack[How]) -> T:
    """A file of YAML that says what JSON can; needs PyYAML."""
    yaml: Any = import_module("yaml")
    written = text(path, **how)
    try:
        found = yaml.safe_load(written)
    except Exception as error:  # its readers of numbers, dates and flags raise whatever they come upon
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        said = f"{problem}, line {mark.line + 1}" if mark and problem else _said(error)
        raise _fault(f"{path} is not YAML: {said}", how) from error
    return fitting(found, str(path), form, values=len(written), **how)


def toml_value(given: str, where: str) -> Any:
    """One value as TOML has it; what is none is text. UsageError for what JSON cannot say."""
    try:
        found = tomllib.loads(f"value = {given}")
    except tomllib.TOMLDecodeError:
        return given
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {_said(error)}", remedy="quote what is text") from error
    if found.keys() != {"value"}:  # more lines than one
        return given
    return fitting(found["value"], where, Any, remedy="quote what is text")


def csv_rows(given: str, where: str, *, strict: bool = True, **how: Unpack[How]) -> Iterator[tuple[str, list[str]]]:
    """The cells of each row that has some, with its place, the header's first."""
    reader = csv.reader(io.StringIO(given, newline=""), strict=strict)
    try:
        for cells in reader:
            if cells:
                yield f"{where}, line {reader.line_num}", cells
    except csv.Error as error:
        raise _fault(f"{where}, line {reader.line_num}: not a row of CSV ({error})", how) from error


def csv_columns(given: str, where: str, *, strict: bool = True, **how: Unpack[How]) -> list[str]:
    """The names in the first row, none where there is no row."""
    return [name.strip() for name in next((cells for _, cells in csv_rows(given, where, strict=strict, **how)), [])]


def csv_table(
    given: str, where: str, *, strict: bool = True, **how: Unpack[How]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Every row by the names of the first one, which are different; all rows have as many cells."""
    names: list[str] | None = None
    for place, cells in csv_rows(given, where, strict=strict, **how):
        if names is None:
            names = [name.strip() for name in cells]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise _fault(f"{where} has two columns {twice!r}", how)
        elif len(cells) != len(names):
            raise _class(how)(f"{place}: {len(cells)} cells, the header has {len(names)}", remedy="quote commas")
        else:
            yield place, dict(zip(names, cells, strict=True))


def fitting(found: object, where: str, form: type[T], *, values: int = 1 << 26, **how: Unpack[How]) -> T:
    """``found`` as ``form``, once it is seen to hold nothing that JSON cannot say, in at most ``values`` values."""
    problem = unsound(found, values, halves=how.get("halves", False))
    if problem:
        raise _fault(f"{where}: {problem}", how)
    return typed(found, where, form, **how)


def typed(found: object, where: str, form: type[T], **how: Unpack[How]) -> T:
    """``found``, which was read or put together here, as ``form``."""
    from pydantic import ValidationError

    kind: Any = form  # which is hashable
    adapter: TypeAdapter[T] = _adapter(kind)
    try:
        fits = adapter.validate_python(found)
    except ValidationError as error:
        raise _fault(f"{where}: {misfit(error)}", how) from error
    except NovaEvalError as error:  # of the form itself
        raise _class(how)(f"{where}: {error.problem}", remedy=error.remedy or how.get("remedy", "")) from error
    if _has_numbers(kind) and (place := _infinite(fits)) is not None:  # of text, such as "1e999"
        raise _fault(f"{where}: {_place(place) or 'it'} is not a finite number", how)
    return fits


def _infinite(value: Any) -> tuple[Any, ...] | None:
    """The steps to the first number that is none in what was brought to a form."""
    if isinstance(value, float):
        return None if math.isfinite(value) else ()
    if isinstance(value, Mapping):
        inside: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    elif isinstance(fields := getattr(value, "__dict__", None), dict):  # of a dataclass or a model
        inside = fields.items()
    else:
        inside = ((name, getattr(value, name)) for name in getattr(value, "__dataclass_fields__", ()))  # with slots
    for name, one in inside:
        if (further := _infinite(one)) is not None:
            return (name, *further)
    return None


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def misfit(error: ValidationError) -> str:
    """The first of what does not fit: where, what is expected, what is there. A key that nobody knows comes first."""
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] in _UNKNOWN), found[0])
    said = _WORDS.get(first["type"], str(first["msg"]).removeprefix("Input "))
    there = "" if first["type"] == "missing" else f" (it is {_short(first['input'])})"
    return f"{_place(first['loc']) or 'what it holds'} {said[:1].lower()}{said[1:]}{there}"


def unsound(value: object, most: int = 1 << 26, *, halves: bool = False) -> str:
    """What in a value JSON has no word for, or no program the depth, with its place; "" where there is nothing.

    More than ``most`` values are unsound too: text holds fewer than it has letters, and names for parts of itself
    (YAML's) can multiply them.
    """
    left: list[tuple[Any, tuple[Any, ...], int]] = [([value], (), 0)]
    while left:
        found, place, depth = left.pop()
        most -= len(found)
        if most < -1:
            return "it holds more by reference than is written in it"
        if depth > DEEPEST:
            return f"{_place(_steps(place)[1:4])} … is nested deeper than {DEEPEST} levels"
        named = isinstance(found, dict)
        for key, inside in found.items() if named else enumerate(found):
            if named and not (type(key) is str and (halves or key.isascii())) and (wrong := _no_name(key, halves)):
                return f"{_place(_steps(place)[1:])}: {wrong}".removeprefix(": ")
            kind = type(inside)
            if (
                (kind is float and -_HUGE <= inside <= _HUGE)
                or (kind is str and (halves or inside.isascii()))
                or (kind is int and _LEAST <= inside <= _MOST)
            ):
                continue  # the commonest: a call would cost as much as all else
            if isinstance(inside, _NESTS):
                left.append((inside, (place, key), depth + 1))
            elif wrong := _no_value(inside, halves):
                return f"{_place(_steps((place, key))[1:])}: {wrong}".removeprefix(": ")
    return ""


def _no_name(key: object, halves: bool) -> str:
    return _no_value(key, halves) if isinstance(key, str) else f"the name {_short(key)} is no text"


def _no_value(found: object, halves: bool) -> str:
    if isinstance(found, str):
        return "" if halves or found.isascii() or _is_text(found) else f"{_short(found)} holds half of a character"
    if isinstance(found, float):
        return "" if math.isfinite(found) else f"{found} is not a finite number"
    if isinstance(found, int):  # flags too
        return "" if _LEAST <= found <= _MOST else "a number of more than 64 bits"
    return "" if found is None else f"a {type(found).__name__}, where text or a number is expected"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _steps(place: tuple[Any, ...]) -> list[Any]:
    steps: list[Any] = []
    while place:
        place, key = place
        steps.append(key)
    return steps[::-1]


def _place(steps: Any) -> str:
    """``prompts[3].text``."""
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{str(step)[:_SHOWN]}" for step in steps)
    return said.removeprefix(".")


def _short(value: object) -> str:
    try:
        said = repr(value)
    except (ValueError, RecursionError):  # of thousands of digits, or deep
        said = f"a {type(value).__name__}"
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{_short(next(name for name in names if names.count(name) > 1))} stands there twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _said(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"nested deeper than {DEEPEST} levels"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _class(how: How) -> type[NovaEvalError]:
    return how.get("error", UsageError)


def _fault(problem: str, how: How) -> NovaEvalError:
    return _class(how)(problem, remedy=how.get("remedy", ""))


@lru_cache(maxsize=256)
def _adapter(form: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(form)


@lru_cache(maxsize=256)
def _has_numbers(form: Any) -> bool:
    """Whether text may become a number with a fraction in it."""
    return "'float'" in repr(_adapter(form).core_schema)
