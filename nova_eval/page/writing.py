"""A page on disk: a folder of one HTML file with its scripts, data and media, which opens without server or network."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval import __version__, files, reading
from nova_eval.errors import MediaError, UsageError, brief
from nova_eval.packages import needed_by
from nova_eval.page import columns, telling
from nova_eval.page.footage import Shown, Wanted, shown, stems
from nova_eval.page.gathering import Gathered, Told, gathered
from nova_eval.records import SampleKey

INDEX = "index.html"
MADE_BY = '<meta name="generator" content="nova_eval">'
"""What tells a page from any other folder: only its own files are ever replaced or removed."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' file:",
        "style-src 'self' file:",
        "img-src 'self' file:",
        "media-src 'self' file:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""Nothing but the page's own files. A page from a disk has no origin of its own, and only some browsers take its
neighbors for ``'self'``: ``file:`` says the same, and means nothing where a page comes from a server."""
_OF_REPORT = ("base.js", "players.js", "details.js", "panes.js", "viewer.js", "samples.js", "report.js")
_OWN = Path(__file__).resolve().parent
_REMEDY = "choose another place with --out"


@dataclass(frozen=True, slots=True)
class Written:
    """Where the page is, and what it could not show."""

    index: Path
    bytes: int
    lines: tuple[str, ...]


def write_report(folders: Sequence[Path], out: Path, allow: Collection[str] = ()) -> Written:
    """The report of runs below ``out``, which is new, empty, or an earlier page. UsageError otherwise."""
    checked(out)
    told = gathered(folders, allow)
    found = columns.dimensions(told)
    seen = [pictures(run, out / "media") for run in told.runs]
    core = columns.core(told, found, seen, telling.verdicts_of(told))
    scripts = {"data.js": columns.script("core", core)}
    scripts |= {one.file: columns.script(one.name, columns.scores(one, told.keys)) for one in found}
    page = rendered("report.html", {**telling.context(told, found, seen), "scripts": _OF_REPORT})
    media = {name for run in seen for one in run.values() for name in (one.poster, one.file) if name}
    return put(out, page, {**scripts, **assets(_OF_REPORT)}, media, [*_said(told, seen)])


def checked(out: Path) -> None:
    """UsageError for a folder that holds anything but a page."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not _is_page(out):
        raise UsageError(f"{out} is there already and holds no report", remedy="choose another place with --out")


def _is_page(out: Path) -> bool:
    """A page that was begun and not finished has media and no more."""
    try:
        if set(os.listdir(out)) <= {"media"}:
            return True
        return MADE_BY.encode() in files.read(out / INDEX, 1 << 30)[:4_000]
    except OSError:
        return False


def pictures(run: Told, folder: Path) -> dict[SampleKey, Shown]:
    """What there is to see of each sample; the reason where there is none, or it cannot be read."""
    named = dict(stems(run.outcome.samples))
    absent = {row.key: row.reason for row in run.outcome.rows if row.value is None and row.reason}
    wanted, found = [], dict[SampleKey, Shown]()
    for key in run.opened.wanted:
        sample = run.outcome.samples.get(key)
        if sample is None:
            found[key] = Shown(why=absent.get(key, "not sampled yet"))
            continue
        try:
            wanted.append(Wanted(sample, run.opened.store.media(sample), named[key]))
        except MediaError as error:
            found[key] = Shown(why=brief(error))
    made = shown(wanted, folder)
    return found | {one.sample.key: made[one.stem] for one in wanted}


def rendered(name: str, told: Mapping[str, Any]) -> str:
    """A template with what it asks for; whatever is no markup of ours is escaped."""
    with needed_by("the report"):
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    environment = Environment(
        loader=FunctionLoader(lambda asked: reading.text(_OWN / "templates" / asked)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render({**told, "policy": POLICY, "made_by": MADE_BY, "version": __version__})


def assets(scripts: Sequence[str]) -> dict[str, str]:
    """The style sheet and scripts, as they come with the package."""
    return {name: reading.text(_OWN / "assets" / name) for name in ("page.css", *scripts)}


def put(out: Path, page: str, beside: Mapping[str, str], media: Collection[str], lines: Sequence[str]) -> Written:
    """Writes what changed, the page last, and removes what an earlier page had and this one has not."""
    with files.writing(out, _REMEDY):
        files.make_folder(out)
        for name, text in {**beside, INDEX: page}.items():
            with files.whole(out / name) as stream:
                stream.write(text.encode("utf-8", "backslashreplace"))
        for left in (*_left(out, beside, "data-*.js"), *_left(out / "media", media, "*.*")):
            left.unlink()
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Written(out / INDEX, size, tuple(lines))


def _left(folder: Path, kept: Collection[str], pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.name not in kept]


def _said(told: Gathered, seen: Sequence[Mapping[SampleKey, Shown]]) -> list[str]:
    lines = [f"not held against each other: {told.apart}"] if told.apart else []
    for run, pictures_ in zip(told.runs, seen, strict=True):
        if run.other:
            lines.append(f"{run.label}: {len(run.other)} prompts say something else than the first run's, not shown")
        unseen = sorted({one.why for key, one in pictures_.items() if one.why and key in run.outcome.samples})
        lines += [f"{run.label}: cannot be shown: {why}" for why in unseen[:5]]
        lines += [f"{run.label}: and {len(unseen) - 5} more reasons"] if len(unseen) > 5 else []
    return lines
