"""One fault: the run it strikes, the commands around it, and what is found wrong afterwards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from nova_eval.checks.bench.faults import holding, misbehaving
from nova_eval.checks.bench.faults.cluster import Cluster
from nova_eval.checks.bench.faults.commands import Command, Done, Preparation, forked_workers
from nova_eval.checks.bench.faults.steps import Deed, Injection, nothing
from nova_eval.errors import OK, PrerequisiteError

GENEVAL = ("run", "geneval", "--sampler", "oracle", "--limit", "3", "--samples-per-prompt", "2")
VBENCH = (
    *("run", "vbench", "--sampler", "oracle", "--limit", "2", "--samples-per-prompt", "1"),
    *("--metrics", "temporal_flickering", "object_class"),
)
WORLDS = {"geneval": GENEVAL, "vbench": VBENCH, "own": GENEVAL}


@dataclass(slots=True)
class Count:
    """What was done and found of a kind of fault.

    ``lost``: finished work that is gone or made anew, or a run that does not come to what it would have held.
    ``doubled``: samples and scores with more rows than one. ``silent``: an answer that differs without a word.
    ``hangs``: commands that did not end. ``orphans``: processes and temporary files left.
    ``unclear``: another exit code than it should be, no line or several, a traceback.
    """

    kind: str = ""
    injected: int = 0
    lost: int = 0
    doubled: int = 0
    silent: int = 0
    hangs: int = 0
    orphans: int = 0
    unclear: int = 0

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.silent + self.hangs + self.orphans + self.unclear


class World:
    """A small run: the words that make it, and what it holds when nothing disturbs it."""

    def __init__(self, name: str, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.name, self._folder, self._said = name, folder / name, folder / "said"
        self.plugin = folder / "own" / "misbehaving.py"
        self._steps: dict[tuple[Any, ...], int] = {}
        if name == "own":
            self.plugin.parent.mkdir()
            shutil.copyfile(misbehaving.__file__, self.plugin)
            self.plugin.with_name(misbehaving.WEIGHTS).write_bytes(b"weights\n")

    def words(self, results: Path, *more: str, workers: int = 1, batch: int = 1) -> list[str]:
        """``run`` of it; a worker is handed ``batch`` samples at once."""
        words = list(WORLDS[self.name])
        if self.name == "own":
            words[words.index("oracle")] = f"{self.plugin}:Misbehaving"
            words += ["--variant", "sprites"]
        return [*words, "--workers", str(workers), "--batch", str(batch), "--json", "--results", str(results), *more]

    @cached_property
    def run(self) -> Path:
        """The undisturbed run."""
        self._made(self._folder / "undisturbed")
        return only_run(self._folder / "undisturbed")

    @cached_property
    def facts(self) -> dict[str, Any]:
        return holding.facts(self.run)

    @cached_property
    def table(self) -> Any:
        """What `table` says of the undisturbed run."""
        return _answer(self._done(["table", str(self.run), "--baselines", "none", "--json"]))

    def steps(self, who: str, where: str, workers: int, more: tuple[str, ...] = ()) -> int:
        """How many steps an undisturbed run takes there; ``more`` are words of it."""
        key = (who, where, workers, more)
        if key not in self._steps:
            results = self._folder / "counted"
            count = Injection(results, nothing, -1, where, who)
            self._made(results, count, workers=workers, more=more)
            shutil.rmtree(results)
            self._steps[key] = count.steps
        return self._steps[key]

    def _made(self, results: Path, *prepare: Preparation, workers: int = 1, more: tuple[str, ...] = ()) -> None:
        self._done(self.words(results, *more, workers=workers), *prepare)

    def _done(self, words: Sequence[str], *prepare: Preparation) -> Done:
        done = Command(words, self._said, prepare=(forked_workers, *prepare)).wait()
        if done.code != OK:
            raise PrerequisiteError(f"the undisturbed run fails: {done.error.strip()[-300:]}")
        return done


@dataclass
class Case:
    """A fault to come in a fresh folder. What is found wrong is counted, and told in ``notes``."""

    world: World
    random: Random
    folder: Path
    count: Count = field(default_factory=Count)
    cluster: Cluster | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def run(self) -> Path | None:
        """The folder of the run, once there is one."""
        folder = self.results / "runs" / self.world.run.parent.name / self.world.run.name
        return folder if folder.exists() else None

    def words(self, *more: str, workers: int = 1, batch: int = 1) -> list[str]:
        return self.world.words(self.results, *more, workers=workers, batch=batch)

    def start(self, words: Sequence[object], *prepare: Preparation, output: Path | None = None) -> Command:
        return Command(words, self.folder / "said", prepare=(forked_workers, *prepare), output=output)

    def command(self, *words: object, prepare: Sequence[Preparation] = (), output: Path | None = None) -> Done:
        return self.start(words, *prepare, output=output).wait()

    def injection(
        self,
        deed: Deed,
        *,
        where: str = "",
        who: str = "all",
        workers: int = 1,
        lasting: bool = False,
        more: tuple[str, ...] = (),
    ) -> Injection:
        """The deed at one of the steps that an undisturbed run takes."""
        if not (steps := self.world.steps(who, where, workers, more)):
            raise PrerequisiteError(f"a run takes no step of {who} on {where!r}")
        at = self.random.randrange(steps)
        return Injection(self.results, deed, at, where, who, lasting)

    def copy_finished(self) -> Path:
        """A finished run to be damaged."""
        target = self.results / "runs" / self.world.run.parent.name / self.world.run.name
        shutil.copytree(self.world.run, target)
        return target

    # --- what must hold ---------------------------------------------------------------------------------------------

    def wrong(self, what: str, done: Done | None = None, note: str = "", number: int = 1) -> None:
        """Counts a finding under the name of a field of ``Count``."""
        setattr(self.count, what, getattr(self.count, what) + number)
        how = "" if done is None else f" [{' '.join(done.words[:2])}: {done.code}: {done.error.strip()[-200:]!r}]"
        self.notes.append(f"{what}: {note}{how}")

    def ended(self, done: Done, *codes: int) -> bool:
        """Whether a command ended as it should: with one of the codes, and where it is an error's, in one line."""
        before = self.count.wrong
        if done.hung:
            self.wrong("hangs", done, "did not end")
        if done.orphans:
            self.wrong("orphans", done, "processes were left", done.orphans)
        if not done.hung and done.code not in codes:
            self.wrong("unclear", done, f"exit code is none of {codes}")
        elif "Traceback" in done.error or (done.code in (1, 2, 4, 130) and not _says_why(done)):
            self.wrong("unclear", done, "not one line")
        return self.count.wrong == before

    def swept(self, done: Done) -> None:
        """No temporary file is left by a command that was not killed."""
        if done.code >= 0 and (left := holding.temporary(self.results)):
            self.wrong("orphans", done, f"temporary files such as {left[0]}", len(left))

    def finishes(self, *, damaged: bool = False, verified: bool = True) -> None:
        """The same command again brings the run to what an undisturbed one holds; nothing finished is lost.

        What was damaged is made anew, and has another row then.
        """
        before = holding.finished(None if damaged else self.run)
        done = self.command(*self.words())
        if not self.ended(done, OK):
            self.wrong("lost", done, "the same command does not go on")
            return
        run = self.run
        assert run is not None
        if lost := holding.lost(before, holding.finished(run)):
            self.wrong("lost", done, "rows or media that were finished", lost)
        if not damaged and (doubled := holding.doubled(run)):
            self.wrong("doubled", done, "rows", doubled)
        if (now := holding.facts(run)) != self.world.facts:
            self.wrong(
                "silent", done, f"other {', '.join(part for part in now if now[part] != self.world.facts[part])}"
            )
        self.swept(done)
        if verified:
            self.ended(self.command("verify", run), OK)

    def told(self, done: Done, *codes: int) -> None:
        """An answer is the undisturbed one, or says that it is of less, or is an error."""
        if not self.ended(done, *(codes or (OK, 2, 4))) or done.code not in (0, 3):
            return
        answer, whole = _answer(done), self.world.table
        if answer == whole:
            return
        if all(one["coverage"]["fraction"] == 1 for one in answer):
            self.wrong("silent", done, "another table at full coverage")


def only_run(results: Path) -> Path:
    """The one run folder under ``results``."""
    (manifest,) = results.glob("runs/*/*/manifest.json")
    return manifest.parent


def paths_of(run: Path, pattern: str) -> list[Path]:
    return sorted(path for path in run.glob(pattern) if path.is_file())


def _answer(done: Done) -> list[dict[str, Any]]:
    """What `--json` says, less what is of the moment."""
    try:
        found = json.loads(done.output)
    except ValueError:
        return []
    rows: Iterator[dict[str, Any]] = iter(found if isinstance(found, list) else [found])
    return [{name: value for name, value in row.items() if name not in ("latency", "folder")} for row in rows]


def _says_why(done: Done) -> bool:
    """Whether the last line is the product's own, and the only such, and nothing is answered; `verify` answers."""
    if done.words[0] == "verify" and done.output:
        return not done.error
    lines = [text for text in done.error.splitlines() if text.startswith("nova-eval: ")]
    return len(lines) == 1 and done.error.rstrip().endswith(lines[0]) and not done.output.strip()


def environment(name: str, value: str) -> Preparation:
    return lambda: os.environ.__setitem__(name, value)
