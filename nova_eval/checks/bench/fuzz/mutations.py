"""Changes to a file that somebody might make, or a disk: of its values, its lines, its bytes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal

Kind = Literal["json", "jsonl", "rows", "toml", "yaml", "csv", "text", "bytes"]

TEXTS = (
    *("", " ", "\n", "\0", "\x1b[2J", "a\u202eb", "\ud800", "\udcff", "é", "𝄞", "..", "../../x", "/etc/passwd"),
    *("~", "a/b", "con", "%s", "{}", "{0}", "${x}", "$(x)", "=1+1", "'", '"', "\\", "<b>", "-1", "1e999", "nan"),
    *("true", "null", "x" * 300, "9" * 5000, "a,b;c", "auto", "0", "1/4", "x:y", "١", "²"),
)
NUMBERS = (0, 1, -1, 2, 0.5, -0.0, 1e308, 1e-320, 255, 65536, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(2**63))
ODD: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": {}}}, [1, "a", None], [[0, 0], [0, 0]]),
    *(float("nan"), float("inf"), -float("inf"), "DEEP", [0] * 300),
    *NUMBERS,
    *TEXTS,
)
TOKENS = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "9" * 400,
        "2020-01-01",
        "07:32:00",
        "true",
        '""',
        "''",
        '"""',
        "[]",
        "{}",
        "[[]]",
    ),
    *("[" * 200, "{a=" * 90, "0x7f", "1_000", "null", "~", "&a [*a]", "*b", "!!bool x", "!!binary x", "|", "? a"),
    *("[a.b]", "[[a]]", "a.b.c", "=", ":", ",", ";", "#", "\\u0000", "\\ud800", "-1", "0.5", "$x", "${a.b}", "..", "/"),
)


def mutated(data: bytes, kind: Kind, rng: Random) -> bytes:
    """``data``, a whole file of this kind, after one to three changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        share = rng.random()
        change = _bytes if kind == "bytes" or share < 0.15 else _BY_KIND[kind] if share < 0.8 else _words
        data = change(data, rng)
    return data


# --- values ---------------------------------------------------------------------------------------------------------


def _json(data: bytes, rng: Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _words(data, rng)
    return _written(changed(value, rng), rng)


def _json_lines(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = (
        _json(lines[at], rng) if rng.random() < 0.8 else rng.choice((b"", lines[0], lines[at][: len(lines[at]) // 2]))
    )
    return b"\n".join(lines)


def _rows(data: bytes, rng: Random) -> bytes:
    """Rows of a store with true checksums, as a stranger can make them."""
    lines = data.split(b"\n")
    at = rng.randrange(max(1, len(lines) - 1))
    body, mark, _ = lines[at].rpartition(b',"crc":"')
    if not mark:
        return _words(data, rng)
    body = _json(body + b"}", rng).rstrip().removesuffix(b"}")
    lines[at] = body + b',"crc":"%08x"}' % zlib.crc32(body)
    return b"\n".join(lines)


def changed(value: Any, rng: Random) -> Any:
    """One node of a value of JSON exchanged, left out, doubled, wrapped, or put elsewhere."""
    places = list(_places(value, []))
    place = rng.choice(places)
    if not place:
        return rng.choice((odd(rng), [value], {"a": value}, value))
    parent = _at(value, place[:-1])
    key = place[-1]
    how = rng.randrange(8)
    if how == 0:
        del parent[key]
    elif how == 1 and isinstance(parent, dict):
        parent[odd_text(rng)] = parent.pop(key)
    elif how == 1:
        parent.insert(key, parent[key])
    elif how == 2:
        parent[key] = [parent[key]] if rng.random() < 0.5 else {odd_text(rng): parent[key]}
    elif how == 3:
        parent[key] = _at(value, rng.choice(places)) if len(places) < 500 else odd(rng)
    elif how == 4 and isinstance(parent[key], str):
        parent[key] = _word(parent[key], rng)
    elif how == 4 and isinstance(parent[key], int | float):
        parent[key] = rng.choice(NUMBERS)
    elif how == 5 and isinstance(parent, dict):
        parent[odd_text(rng)] = odd(rng)
    else:
        parent[key] = odd(rng)
    return value


def odd(rng: Random) -> Any:
    """A value that few expect."""
    return rng.choice(ODD)


def odd_text(rng: Random) -> str:
    """A text that few expect."""
    return rng.choice(TEXTS)


def _places(value: Any, place: list[Any]) -> Any:
    yield place
    if len(place) < 8 and isinstance(value, dict | list):
        for key, inside in list(value.items() if isinstance(value, dict) else enumerate(value))[:60]:
            yield from _places(inside, [*place, key])


def _at(value: Any, place: Sequence[Any]) -> Any:
    for key in place:
        value = value[key]
    return value


def _written(value: Any, rng: Random) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5, separators=(",", ":"))
    except (ValueError, RecursionError):  # a node that was put into itself
        text = "[]"
    deep = rng.choice((40, 64, 65, 300, 2000))
    text = text.replace('"DEEP"', "[" * deep + "]" * deep)
    if rng.random() < 0.05:
        text = text.replace("{", '{"id":1,"id":2,', 1)
    return text.encode("utf-8", "surrogatepass")


# --- lines and cells ------------------------------------------------------------------------------------------------


def _lines(mark: str) -> Callable[[bytes, Random], bytes]:
    """Of lines in which a value stands behind ``mark``."""

    def change(data: bytes, rng: Random) -> bytes:
        lines = data.decode("utf-8", "replace").split("\n")
        at = rng.randrange(len(lines))
        name, stands, value = lines[at].partition(mark)
        how = rng.randrange(7)
        if how == 0:
            del lines[at]
        elif how == 1:
            lines.insert(rng.randrange(len(lines) + 1), lines[at])
        elif how == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif stands and how < 6:
            lines[at] = f"{name}{mark} {rng.choice(TOKENS) if how < 5 else json.dumps(odd_text(rng))}"
        else:
            lines[at] = _word(value, rng) if stands else rng.choice(TOKENS)
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    return change


def _cells(data: bytes, rng: Random) -> bytes:
    rows = [line.split(",") for line in data.decode("utf-8", "replace").split("\n")]
    row = rng.choice(rows)
    at = rng.randrange(len(row))
    how = rng.randrange(6)
    if how == 0:
        del row[at]
    elif how == 1:
        row.insert(at, row[at])
    elif how == 2:
        rows.append(list(rng.choice(rows)))
    else:
        row[at] = rng.choice((odd_text(rng), rng.choice(TOKENS), '"', str(rng.choice(NUMBERS))))
    return "\n".join(",".join(cells) for cells in rows).encode("utf-8", "surrogatepass")


def _words(data: bytes, rng: Random) -> bytes:
    """Of text, whatever it says."""
    return _word(data.decode("utf-8", "replace"), rng).encode("utf-8", "surrogatepass")


def _word(text: str, rng: Random) -> str:
    at = rng.randrange(len(text) + 1)
    to = min(len(text), at + rng.choice((0, 1, 1, 4, 30)))
    return text[:at] + rng.choice((odd_text(rng), rng.choice(TOKENS), "", text[:20])) + text[to:]


# --- bytes ----------------------------------------------------------------------------------------------------------


def _bytes(data: bytes, rng: Random) -> bytes:
    """Of a file as a disk, a network or an editor changes it. Headers are hit as often as all that follows."""
    most = min(len(data), 96) if rng.random() < 0.5 else len(data)
    return rng.choice(_DAMAGES)(data, rng.randrange(most + 1), rng)


def _flipped(data: bytes, at: int, rng: Random) -> bytes:
    found = bytearray(data or b"\0")
    found[min(at, len(found) - 1)] ^= 1 << rng.randrange(8)
    return bytes(found)


def _exchanged(data: bytes, at: int, rng: Random) -> bytes:
    number = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    return data[:at] + number + data[at + 4 :]


def _encoded(data: bytes, at: int, rng: Random) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "latin-1", "utf-7")), "replace")


_DAMAGES: tuple[Callable[[bytes, int, Random], bytes], ...] = (
    *(_flipped, _flipped, _flipped, _flipped, _exchanged, _encoded),
    lambda data, at, rng: data[:at],
    lambda data, at, rng: data[:at] + rng.randbytes(rng.choice((1, 4, 40))) + data[at:],
    lambda data, at, rng: data[:at] + data[at + rng.choice((1, 2, 4, 64)) :],
    lambda data, at, rng: data + rng.choice((b"\0" * 20, data[:200], b"\n", b"}")),
    lambda data, at, rng: rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\x1f\x8b", b"PK\3\4")) + data,
    lambda data, at, rng: rng.choice((b"", rng.randbytes(64), b"\n", b"<html>", b"\0" * 64)),
)

_BY_KIND: dict[str, Callable[[bytes, Random], bytes]] = {
    "json": _json,
    "jsonl": _json_lines,
    "rows": _rows,
    "toml": _lines("="),
    "yaml": _lines(":"),
    "csv": _cells,
    "text": _words,
    "bytes": _bytes,
}
