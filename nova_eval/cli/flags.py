"""Options of every verb that works on a run, and how such a run is opened, finished and printed."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from cyclopts import Group, Parameter

from nova_eval import errors
from nova_eval.options import RunOptions, View
from nova_eval.progress import talk
from nova_eval.report.options import TableOptions

if TYPE_CHECKING:
    from nova_eval.runs.run import Run
    from nova_eval.runs.summary import Outcome

STOP = Group("Until it is decided", sort_key=3)
_WHAT, _HOW = (
    Group("What is sampled", sort_key=1),
    Group("Which part, how it is scored, where and how fast", sort_key=2),
)


@dataclass(frozen=True)
class RunFlags(RunOptions):
    """Options of every verb that works on a run. Those not ``given`` come from the profile, whatever they are here."""

    given: ClassVar[Mapping[str, Any]]

    sampler: Annotated[str, Parameter(group=_WHAT)] = ""
    "A name of `list samplers`, name:argument (folder:DIR, nova:CHECKPOINT), or file.py:Class (default: the profile's)."
    variant: Annotated[str, Parameter(group=_WHAT)] = ""
    "Which prompts: official, rewritten, sprites or custom (default: the profile's; official for other generators)."
    seed: Annotated[int, Parameter(group=_WHAT)] = 0
    "Seed of the run; every sample's own follows from it, the prompt and the index (default: the profile's, 0)."
    prompts: Annotated[Path | None, Parameter(group=_WHAT)] = None
    "Prompts of your own, or some of the suite's: txt, csv, json, jsonl, or a folder of media (default: the variant's)."
    metrics: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    "Only these dimensions, of `list dimensions BENCHMARK` (default: all)."
    set: tuple[str, ...] = ()
    "Override any value: --set sampler.height=128; none unsets it. May be repeated (default: nothing)."
    config: Path | None = None
    "TOML file of these keys and a [sampler] table; `run BENCHMARK --example` prints one (default: no file)."

    def __new__(cls, **given: Any) -> RunFlags:
        made = super().__new__(cls)
        object.__setattr__(made, "given", given)
        return made

    def but(self, **further: Any) -> RunFlags:
        """These, and further ones given."""
        return RunFlags(**{**self.given, **further})

    def asked(self) -> tuple[dict[str, Any], tuple[str, ...], Path | None]:
        """What was given, by key; the overrides; the file."""
        keys = self.given.keys() - {"set", "config"}
        return {key: self.given[key] for key in keys}, self.set, self.config


@dataclass(frozen=True)
class ViewFlags(View):
    """Options of every verb that looks at a run."""

    metrics: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    "Only these dimensions."


@dataclass(frozen=True)
class TableFlags(TableOptions):
    """Options of the verb that writes tables."""

    columns: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    "Only these dimensions and composites, in this order."
    label: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    "What the runs are called, in their order."


Written = Annotated[TableFlags, Parameter(name="*", group=Group("How it is written", sort_key=3), show_default=False)]
PLAIN = TableFlags()
LookAt = Annotated[
    ViewFlags, Parameter(name="*", group=Group("Which part is looked at", sort_key=2), show_default=False)
]
WHOLE = ViewFlags()
Flags = Annotated[RunFlags, Parameter(name="*", group=_HOW, show_default=False)]
UNSET = RunFlags()


def open_run(benchmark: str, flags: RunFlags, *, sampling: bool = True) -> Run:
    from nova_eval.runs import opening, options

    return opening.open_run(*options.resolve(benchmark, *flags.asked()), talk, sampling=sampling)


def reopen(name: str, flags: RunFlags) -> Run | None:
    """The run that ``name`` names, ready to be scored; ``None`` where it is the name of a benchmark."""
    from nova_eval.adapters import benchmark_names
    from nova_eval.runs import finding, opening, options

    folder = None if name in benchmark_names() else finding.seek(name, flags.results)
    if folder is None:
        return None
    return opening.reopen_to_score(folder, lambda old: options.changed(old, *flags.asked()), talk)


def finish(opened: Run, outcome: Outcome, *, json: bool) -> int:
    """Prints the result. Incomplete is exit code 3; a shard answers for its own part only."""
    from nova_eval.cli import show
    from nova_eval.report.clips import FEW
    from nova_eval.runs.summary import clips_of

    talk(f"run folder: {opened.store.folder}")
    clips = clips_of(opened, outcome) if opened.own and len(opened.wanted) <= FEW else None
    if json:
        told = {**show.as_json(outcome.summary), "folder": str(opened.store.folder)}
        print_json(told | ({} if clips is None else {"clips": show.plain_rows(clips)}))
    else:
        put_page(show.one_run(outcome.summary, clips))
    if (said := _of_shard(opened, outcome)) and not json:
        talk(said)
    if not outcome.summary.coverage.wanted:
        talk("nothing was wanted: no score of no sample")
        return errors.INCOMPLETE
    return errors.INCOMPLETE if outcome.share_unscored else errors.OK


def _of_shard(opened: Run, outcome: Outcome) -> str:
    """Where the run is one of several shards: what is left of its own part, and what other shards have to do."""
    part, parts = opened.options.part
    left, coverage = outcome.share_unscored, outcome.summary.coverage
    if parts == 1:
        return ""
    own = f"{left} scores of its own part are left" if left else "its own part is done"
    others = coverage.unscored - left
    share = f"; {others} of {coverage.wanted} scores ({others / coverage.wanted:.0%}) are left to other shards"
    return f"shard {part}/{parts}: {own}{share if others else ''}"


def print_json(value: Any) -> None:
    put(jsonlib.dumps(value, ensure_ascii=False, indent=2, allow_nan=False, default=str))


def put(text: str, end: str = "\n") -> None:
    """Data, on standard output."""
    print(errors.printable(text), end=end)


def put_page(text: str, format: str = "terminal") -> None:
    """The same of tables; those for a terminal are harmless as they are, and their colors stay."""
    print(text if format == "terminal" else errors.printable(text), end="")
