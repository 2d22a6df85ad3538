"""Options of every verb that works on a run, and how such a run is opened, finished and printed."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nova_eval import errors

_WHAT, _HOW, _WHERE = Group("What is sampled"), Group("Which part, and how it is scored"), Group("Where and how fast")


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """Options of every verb that works on a run. Unset ones come from the profile."""

    sampler: Annotated[str | None, Parameter(group=_WHAT)] = None
    "What is under test: a name from `list samplers`, name:argument (folder:DIR, nova:CHECKPOINT), or file.py:Class."
    profile: Annotated[str | None, Parameter(group=_WHAT)] = None
    "Named defaults: mini (embedded world, minutes on two cores) or paper (the published protocol)."
    variant: Annotated[str | None, Parameter(group=_WHAT)] = None
    "Which prompts: official, rewritten, or sprites (the embedded world's own)."
    seed: Annotated[int | None, Parameter(group=_WHAT)] = None
    "Seed of the run; every sample's own seed follows from it, the prompt and the index."
    scoring: Annotated[Literal["official", "corrected"] | None, Parameter(group=_HOW)] = None
    "official reproduces published numbers with the official code's defects, corrected repairs them."
    samples_per_prompt: Annotated[str | None, Parameter(group=_HOW)] = None
    "A number (default 5), or official for the benchmark's own count."
    limit: Annotated[int | None, Parameter(group=_HOW)] = None
    "At most this many prompts, spread evenly over the dimensions."
    metrics: Annotated[tuple[str, ...] | None, Parameter(group=_HOW, consume_multiple=True)] = None
    "Only these dimensions."
    shard: Annotated[str | None, Parameter(group=_WHERE)] = None
    "Only part i of n, as i/n; parts share one results folder."
    results: Annotated[Path | None, Parameter(group=_WHERE)] = None
    "Folder that holds runs (default: results)."
    workers: Annotated[int | None, Parameter(group=_WHERE)] = None
    "Processes (default: one per device, or one per core for light samplers)."
    device: Annotated[str | None, Parameter(group=_WHERE)] = None
    "cpu, cuda, cuda:1 … (default: what is there)."
    offline: Annotated[bool | None, Parameter(group=_WHERE)] = None
    "Open no network connection."
    mirror: Annotated[Path | None, Parameter(group=_WHERE)] = None
    "Folder with official files as owner/repository/commit/path."
    set: Annotated[tuple[str, ...], Parameter(group=_WHERE)] = ()
    "Override any value: --set sampler.height=128. May be repeated."
    config: Annotated[Path | None, Parameter(group=_WHERE)] = None
    "TOML file with the same keys as these options and a [sampler] table."


Flags = Annotated[RunFlags, Parameter(name="*")]
UNSET = RunFlags()


def open_run(benchmark: str, flags: RunFlags) -> Any:
    from nova_eval.runs import opening

    spec, options, config = resolved(benchmark, flags)
    return opening.open_run(spec, options, config, talk)


def resolved(benchmark: str, flags: RunFlags) -> Any:
    from nova_eval.runs import options as arguments

    own = {name: value for name, value in vars(flags).items() if name not in ("set", "config")}
    return arguments.resolve(benchmark, own, flags.set, flags.config)


def reopen(name: str, flags: RunFlags) -> Any:
    """The run that ``name`` names, ready to be scored; ``None`` where it is the name of a benchmark."""
    from nova_eval.adapters import benchmark_names
    from nova_eval.cli import show
    from nova_eval.runs import opening
    from nova_eval.runs import options as arguments

    folder = None if name in benchmark_names() else show.seek(name, flags.results or Path("results"))
    if folder is None:
        return None
    own = {key: value for key, value in vars(flags).items() if key not in ("set", "config")}
    return opening.reopen_to_score(
        folder, lambda options: arguments.changed(options, own, flags.set, flags.config), talk
    )


def finish(opened: Any, outcome: Any, *, json: bool) -> int:
    """Prints the result. Incomplete is exit code 3; a shard answers for its own part only."""
    from nova_eval.cli import show

    talk(f"run folder: {opened.store.folder}")
    if json:
        print_json({**show.as_json(outcome.summary), "folder": str(opened.store.folder)})
    else:
        print(show.one_run(outcome.summary), end="")
    return errors.INCOMPLETE if outcome.share_unscored else errors.OK


def print_json(value: Any) -> None:
    print(jsonlib.dumps(value, ensure_ascii=False, indent=2, allow_nan=False, default=str))


def talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
