"""Faults between commands: what a finished run holds is changed behind its back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from nova_eval.checks.bench.faults import holding
from nova_eval.checks.bench.faults.case import Case, paths_of
from nova_eval.errors import INCOMPLETE, OK, PREREQUISITE, USAGE

_MEDIA, _SAMPLES, _SCORES = "media/**/*.*", "samples/*.jsonl", "scores/*/*.jsonl"
_ROWS = "s[ac]*/**/*.jsonl"


@dataclass(frozen=True)
class Damage:
    """What is done to a run's folder.

    ``found``: `verify` says so. ``mends``: `verify --fix`, then `run`, bring it back; else ``remedy`` is done by hand
    first, which is what the message says.
    """

    do: Callable[[Path, Random], object]
    found: bool = True
    remedy: Callable[[Path], object] | None = None

    def __call__(self, case: Case) -> None:
        run = case.copy_finished()
        self.do(run, case.random)
        case.count.injected += 1
        case.told(case.command("table", run, "--baselines", "none", "--json"))
        case.ended(case.command("verify", run), USAGE, PREREQUISITE, *(() if self.found else (OK,)))
        again = case.command(*case.words())
        if case.ended(again, OK, INCOMPLETE, USAGE, PREREQUISITE) and again.code == OK:
            _same_tables(case, run)
        if self.remedy is not None:
            self.remedy(run)
        case.ended(case.command("verify", run, "--fix"), OK, USAGE, PREREQUISITE)
        case.finishes(damaged=True)


def _same_tables(case: Case, run: Path) -> None:
    """After a `run` that says it is complete the tables are those of the undisturbed run."""
    if holding.tables(run) != case.world.facts["tables"]:
        case.wrong("silent", note="other tables after `run` with exit code 0")


def _pick(run: Path, pattern: str, random: Random) -> Path:
    return random.choice(paths_of(run, pattern))


def _flip(path: Path, random: Random, first: int = 0, last: int = 0) -> None:
    """One bit of one byte; time and size stay."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[random.randrange(first, len(data) - last)] ^= 1 << random.randrange(8)
    path.write_bytes(bytes(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _cut(path: Path, random: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: random.randrange(len(data))])


def _broken_line(run: Path, random: Random) -> None:
    """A byte of a row, its line feed left."""
    path = _pick(run, _ROWS, random)
    data = bytearray(path.read_bytes())
    places = [place for place, byte in enumerate(data) if byte != 10]
    data[random.choice(places)] = random.choice(b"x7{}")
    if bytes(data) == path.read_bytes():
        data[0] = ord("x")
    path.write_bytes(bytes(data))


def _exchanged(run: Path, random: Random) -> None:
    """Two media change places; sizes may differ or not."""
    one, other = random.sample(paths_of(run, _MEDIA), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _doubled(run: Path, random: Random) -> None:
    """Rows once more: in their own file, or in another's."""
    path = _pick(run, _ROWS, random)
    lines = path.read_bytes().splitlines(keepends=True)
    target = path if random.random() < 0.5 else path.with_name("elsewhere-1.jsonl")
    with target.open("ab") as stream:
        stream.writelines(random.choices(lines, k=random.randint(1, 4)))


def _suite(change: Callable[[list[bytes], Random], list[bytes]]) -> Callable[[Path, Random], None]:
    def do(run: Path, random: Random) -> None:
        path = run / "prompts.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True), random)))

    return do


def _other_prompt(lines: list[bytes], random: Random) -> list[bytes]:
    place = random.randrange(len(lines))
    row = json.loads(lines[place])
    row.update(random.choice(({"text": "another"}, {"tags": ["another"]}, {"reference": {}}, {"id": "another/0"})))
    lines[place] = json.dumps(row).encode() + b"\n"
    return lines


def _manifest(run: Path, random: Random) -> None:
    path = run / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    changes: list[Callable[[], object]] = [
        manifest["scorers"].popitem,
        lambda: manifest["spec"].update(seed=manifest["spec"]["seed"] + 1),
        lambda: manifest["options"].update(samples_per_prompt=9),
        lambda: manifest["options"].update(limit=1),
        lambda: manifest["coverage"].update(fraction=0.5),
        lambda: manifest.update(run="another/run"),
        lambda: manifest["suite"].update(prompts=1),
        lambda: manifest.update(schema=2),
    ]
    random.choice(changes)()
    path.write_text(json.dumps(manifest))


def _table(run: Path, random: Random) -> None:
    path = run / "tables" / random.choice(("table.csv", "table.md", "table.tex", "comparison.csv", "comparison.md"))
    random.choice((_flip, _cut, lambda found, _: found.write_text("better\n")))(path, random)


def _remove_manifest(run: Path) -> None:
    """As the message says: moved away, then run again."""
    path = run / "manifest.json"
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)


def _special(run: Path, random: Random) -> None:
    """A pipe, or a folder, in place of a medium."""
    path = _pick(run, _MEDIA, random)
    path.unlink()
    random.choice((os.mkfifo, os.mkdir))(path)


def _special_file(run: Path, random: Random) -> None:
    """A pipe in place of rows or the suite."""
    path = random.choice((_pick(run, _ROWS, random), run / "prompts.jsonl"))
    path.unlink()
    os.mkfifo(path)


def _linked(run: Path, random: Random) -> None:
    """A medium, rows, or a folder of the run is a link to the same elsewhere."""
    chosen = [_pick(run, _MEDIA, random), _pick(run, _ROWS, random), run / "media", run / "samples", run / "scores"]
    path = random.choice([*chosen, run / "tables", run / "prompts.jsonl"])
    path.rename(run.parents[3] / "elsewhere")
    path.symlink_to(run.parents[3] / "elsewhere")


def _unlinked(run: Path) -> None:
    """The real one in place of the link, as the message says."""
    for path in [path for path in run.rglob("*") if path.is_symlink()]:
        path.unlink()
        (run.parents[3] / "elsewhere").rename(path)


def _unspecial(run: Path) -> None:
    for path in run.rglob("*"):
        if path.is_fifo() or (path.is_dir() and path.suffix):
            path.rmdir() if path.is_dir() else path.unlink()


def _times(run: Path, random: Random) -> None:
    """The clock goes back: files are of the future, or of 1970."""
    for path in paths_of(run, "**/*"):
        moment = random.choice((0, 4_000_000_000))
        os.utime(path, (moment, moment))


def moved(case: Case) -> None:
    """A run's folder is copied under another name: the copy says the same, and where it is alone it goes on."""
    run = case.copy_finished()
    other = run.with_name(f"copy {case.random.randrange(100)}")
    shutil.copytree(run, other)
    case.count.injected += 1
    _same_metrics(case, other)
    case.ended(case.command("score", other), OK)
    case.ended(case.command("verify", other), OK)
    if case.random.random() < 0.5:
        shutil.rmtree(other)
        case.finishes()
    else:
        shutil.rmtree(run)
        case.ended(case.command(*case.words()), OK)
        _same_metrics(case, other)
        if run.exists():
            case.wrong("lost", note="made anew beside its copy")


def _same_metrics(case: Case, run: Path) -> None:
    done = case.command("table", run, "--baselines", "none", "--json")
    if case.ended(done, OK) and [row["metrics"] for row in json.loads(done.output)] != [
        row["metrics"] for row in case.world.table
    ]:
        case.wrong("silent", done, "a copy says something else")


def _append_torn(run: Path, random: Random) -> None:
    with _pick(run, _ROWS, random).open("ab") as stream:
        stream.write(b'{"key":["sprites/0000",0],"of":"'[: random.randint(1, 30)])


def _cut_rows(run: Path, random: Random) -> None:
    """The end of a file of rows is gone, a whole line or less."""
    path = _pick(run, _ROWS, random)
    path.write_bytes(path.read_bytes()[: -random.randint(1, 400)])


KINDS: dict[str, Callable[[Case], None]] = {
    "torn last line": Damage(_append_torn, found=False),
    "rows cut off": Damage(_cut_rows, found=False),
    "broken inner line": Damage(_broken_line),
    "file of rows gone": Damage(lambda run, random: _pick(run, _ROWS, random).unlink(), found=False),
    "rows doubled": Damage(_doubled, found=False),
    "medium: a bit, time kept": Damage(lambda run, random: _flip(_pick(run, _MEDIA, random), random)),
    "medium cut": Damage(lambda run, random: _cut(_pick(run, _MEDIA, random), random)),
    "medium gone": Damage(lambda run, random: _pick(run, _MEDIA, random).unlink()),
    "media exchanged": Damage(_exchanged),
    "pipe or folder in place of a medium": Damage(_special, remedy=_unspecial),
    "pipe in place of rows or suite": Damage(_special_file, remedy=_unspecial),
    "link in place of a file or folder": Damage(_linked, found=False, remedy=_unlinked),
    "suite cut": Damage(_suite(lambda lines, random: lines[: random.randrange(len(lines))])),
    "suite changed": Damage(_suite(_other_prompt)),
    "suite in another order": Damage(_suite(lambda lines, random: lines[::-1])),
    "suite gone": Damage(lambda run, random: (run / "prompts.jsonl").unlink()),
    "manifest changed": Damage(_manifest, remedy=_remove_manifest),
    "manifest: a bit": Damage(lambda run, random: _flip(run / "manifest.json", random), remedy=_remove_manifest),
    "manifest cut": Damage(lambda run, random: _cut(run / "manifest.json", random), remedy=_remove_manifest),
    "manifest gone": Damage(lambda run, random: (run / "manifest.json").unlink()),
    "table changed by hand": Damage(_table),
    "tables gone": Damage(lambda run, random: shutil.rmtree(run / "tables")),
    "scores gone": Damage(lambda run, random: shutil.rmtree(random.choice(sorted((run / "scores").iterdir())))),
    "all scores gone": Damage(lambda run, random: shutil.rmtree(run / "scores")),
    "samples gone, media there": Damage(lambda run, random: shutil.rmtree(run / "samples")),
    "times of files": Damage(_times, found=False),
    "run copied elsewhere": moved,
}
