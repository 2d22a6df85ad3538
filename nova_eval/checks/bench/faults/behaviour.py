"""Faults of what a run consults: samplers and judges that fail, die, hang, answer oddly, or are exchanged."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nova_eval.checks.bench.faults import holding, misbehaving, steps
from nova_eval.checks.bench.faults.case import Case, environment, only_run
from nova_eval.checks.bench.faults.steps import Step
from nova_eval.errors import INCOMPLETE, OK, PREREQUISITE, USAGE

_HURRY = ("--unit-timeout", "2")
_UNREADABLE = {"\x1b", "\u202e", "\udce9"}


def sampler(case: Case, deeds: Iterable[str], code: int = INCOMPLETE) -> None:
    """One prompt at which the sampler does something: its samples have a reason, all others are made."""
    deed, workers, batch = case.random.choice(sorted(deeds)), case.random.randint(1, 2), case.random.choice((1, 2, 3))
    victim = case.random.choice(sorted({json.loads(row)["key"][0] for row in case.world.facts["samples"]}))
    prepare = [environment(misbehaving.DEED, deed), environment(misbehaving.VICTIM, victim)]
    done = case.command(*case.words(*_HURRY, workers=workers, batch=batch), prepare=prepare)
    case.count.injected += 1
    case.ended(done, code)
    case.swept(done)
    if code == INCOMPLETE and case.run is not None:
        rows = list(holding.rows(case.run / "samples"))
        _others_made(case, victim, rows)
        if any(_UNREADABLE & set(row.get("failed", "")) or len(row.get("failed", "")) > 400 for row in rows):
            case.wrong("unclear", done, "a reason that no terminal should show")
        case.told(case.command("table", case.run, "--baselines", "none", "--json"))
    case.finishes()


def _others_made(case: Case, victim: str, rows: list[dict[str, Any]]) -> None:
    made = {tuple(row["key"]) for row in rows if "failed" not in row}
    wanted = {tuple(json.loads(row)["key"]) for row in case.world.facts["samples"]}
    if missing := {key for key in wanted - made if key[0] != victim}:
        case.wrong("lost", note="neighbors of the victim were not made", number=len(missing))
    if any(key[0] == victim for key in made):
        case.wrong("silent", note="the victim's samples were made of nothing")


def rate(case: Case) -> None:
    """A frame rate that cannot be is said before anything is on disk."""
    value = case.random.choice(("-3", "0", "nan", "inf", "1e9", "-inf"))
    words = [
        "run",
        "vbench",
        "--sampler",
        f"{case.world.plugin}:Misbehaving",
        "--results",
        case.results,
        "--limit",
        "1",
    ]
    done = case.command(*words, "--results", case.results, prepare=[environment(misbehaving.RATE, value)])
    case.count.injected += 1
    case.ended(done, USAGE)
    if case.results.exists() and any(case.results.rglob("*.jsonl")):
        case.wrong("silent", done, "something was made")


def judge(case: Case, deeds: dict[str, Callable[[], Any]], workers: int) -> None:
    """The judge does something at some pictures: they have a reason, and are asked about again."""
    deed = deeds[case.random.choice(sorted(deeds))]
    part, of = case.random.randrange(3), 3

    def prepare() -> None:
        from nova_eval.sprites.judges import SpritesJudge

        real = SpritesJudge.detect

        def detect(self: SpritesJudge, frames: Any) -> Any:
            if any(int(frame.sum()) % of == part for frame in frames):
                return deed()
            return real(self, frames)

        SpritesJudge.detect = detect  # type: ignore[method-assign]

    done = case.command(*case.words(*_HURRY, workers=workers), prepare=[prepare])
    case.count.injected += done.code != OK
    case.ended(done, OK, INCOMPLETE)
    case.swept(done)
    if case.run is not None:
        case.told(case.command("table", case.run, "--baselines", "none", "--json"))
    case.finishes()


def other_judge(case: Case) -> None:
    """The judge is another one when a worker loads it."""
    seen: list[int] = []

    class Digest:
        def __get__(self, judge: object, kind: object) -> str:
            seen.append(1)
            return str(len(seen)) * 64

    def prepare() -> None:
        from nova_eval.sprites.judges import SpritesJudge

        SpritesJudge.digest = Digest()  # type: ignore[assignment]

    done = case.command(*case.words(), prepare=[prepare])
    case.count.injected += 1
    _refused(case, case.ended(done, PREREQUISITE), done.error)
    for folder in case.results.glob("runs/*/*/scores"):
        case.wrong("silent", done, f"{folder} was written by another judge")
    shutil.rmtree(case.results)
    case.finishes()


def exchanged(case: Case, name: str) -> None:
    """The sampler's code, or its weights, are others when a killed worker is replaced: it refuses, and says so."""
    path = case.world.plugin.with_name(name)
    before = path.read_bytes()

    def deed(step: Step) -> None:
        path.write_bytes(before + b"\n# another\n")
        steps.kill(step)

    injection = case.injection(deed, where="/samples", who="workers", workers=2)
    done = case.command(*case.words(workers=2), prepare=[injection])
    case.count.injected += injection.struck
    if injection.struck and case.ended(done, OK, PREREQUISITE) and done.code == PREREQUISITE:
        _refused(case, True, done.error)
    if case.random.random() < 0.5:  # goes on with the new one: a run of its own
        case.ended(case.command(*case.words()), OK)
        if len(list(case.results.glob("runs/*/*/manifest.json"))) != 2:
            case.wrong("silent", note="another sampler works in the same run")
    path.write_bytes(before)
    case.finishes()


def _refused(case: Case, ended: bool, error: str) -> None:
    if ended and "changed while the run was at work" not in error:
        case.wrong("unclear", note=f"does not say what changed: {error[-200:]}")


def finished_media(case: Case) -> None:
    """Somebody else's pictures change between two runs, size and time kept: they are other samples."""
    images, words = case.folder / "images", ["run", "geneval", "--variant", "sprites", "--limit", "3", "--workers", "1"]
    cache = environment("NOVA_EVAL_CACHE", str(case.folder / "cache"))
    run = partial(case.command, prepare=[cache])
    case.ended(case.command("export", case.world.run, images), OK)
    words += ["--samples-per-prompt", "2", "--sampler", f"folder:{images}"]
    case.ended(run(*words, "--results", case.results), OK)
    one, other = case.random.sample(sorted(images.rglob("*.png")), 2)
    times = {path: path.stat() for path in (one, other)}
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    for path, was in times.items():
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    case.count.injected += 1
    case.ended(run(*words, "--results", case.results), OK)
    fresh = case.folder / "fresh"
    done = case.command(*words, "--results", fresh, prepare=[environment("NOVA_EVAL_CACHE", str(case.folder / "none"))])
    case.ended(done, OK)
    if holding.tables(only_run(case.results)) != holding.tables(only_run(fresh)):
        case.wrong("silent", done, "the tables are of pictures that are not there any more")


def _raise() -> None:
    raise RuntimeError("cannot look\x1b[31m")


def _leave() -> None:
    raise SystemExit(0)


_SAYS: dict[str, Callable[[], Any]] = {
    "raises": _raise,
    "leaves": _leave,
    "nothing": lambda: None,
    "too few": list,
    "words": lambda: "words",
    "a number": lambda: 7,
    "no detections": lambda: [None],
}
_ENDS: dict[str, Callable[[], Any]] = {"dies": lambda: os._exit(7), "hangs": lambda: time.sleep(10_000)}

OWN_KINDS: dict[str, Callable[[Case], None]] = {
    "sampler fails": lambda case: sampler(case, misbehaving.FAILS),
    "sampler dies (a poison prompt)": lambda case: sampler(case, misbehaving.DIES),
    "sampler hangs": lambda case: sampler(case, misbehaving.HANGS),
    "sampler answers oddly": lambda case: sampler(case, {**misbehaving.ODD, **misbehaving.TOO_MANY}),
    "sampler prints, goes elsewhere, leaves a thread": lambda case: sampler(case, misbehaving.HARMLESS, OK),
    "sampler with an impossible rate": rate,
    "sampler's code exchanged": lambda case: exchanged(case, case.world.plugin.name),
    "sampler's weights exchanged": lambda case: exchanged(case, misbehaving.WEIGHTS),
}
JUDGE_KINDS: dict[str, Callable[[Case], None]] = {
    "judge fails or answers oddly": lambda case: judge(case, _SAYS, case.random.randint(1, 2)),
    "judge dies or hangs": lambda case: judge(case, _ENDS, 2),
    "judge exchanged": other_judge,
    "finished media exchanged, time kept": finished_media,
}
