"""watch: the checkpoints of a training, tested as they come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from nova_eval import errors
from nova_eval.cli.apps import app
from nova_eval.cli.flags import UNSET, Flags, print_json, put_page
from nova_eval.progress import talk

if TYPE_CHECKING:
    from nova_eval.compare.watching import Following

Many = Parameter(consume_multiple=True)


@dataclass(frozen=True)
class WatchFlags:
    """How a training is followed."""

    once: bool = False
    "Test what is there and end, for cron and Slurm (default: follow until interrupted)."
    newest_first: bool = False
    "The latest checkpoint before earlier ones (default: oldest first)."
    only: Annotated[tuple[Literal["raw", "averaged", "whole"], ...], Many] = ()
    "Only checkpoints of these kinds: raw weights, their moving average, whole folders (default: all)."
    base: str = ""
    "A folder or hub id that has the parts which a checkpoint lacks (default: what the training's config.yaml names)."
    planned: int = 0
    "How many checkpoints are expected: each then has as much of the 5 % to spend (default: the first have the most)."
    settle: float = 10.0
    "Seconds for which a checkpoint's files must have stayed as they are (default 10)."
    poll: float = 30.0
    "Seconds between two looks at the folder (default 30)."
    idle: float | None = None
    "End after so many seconds without a new checkpoint (default: never)."

    def __post_init__(self) -> None:
        for name, value in (("planned", self.planned), ("settle", self.settle), ("poll", self.poll)):
            if not 0 <= value < float("inf"):
                raise errors.UsageError(f"{name}: must be 0 or more (got {value})")
        if self.idle is not None and not self.idle >= 0:
            raise errors.UsageError(f"idle: must be a number of seconds (got {self.idle})")

    def how(self) -> Following:
        """The same for those who follow."""
        from nova_eval.compare.watching import Following
        from nova_eval.nova.series import KINDS

        return Following(
            base=self.base,
            once=self.once,
            newest_first=self.newest_first,
            kinds=self.only or KINDS,
            settle=self.settle,
            poll=self.poll,
            idle=float("inf") if self.idle is None else self.idle,
        )


Followed = Annotated[
    WatchFlags, Parameter(name="*", group=Group("How the training is followed", sort_key=0), show_default=False)
]
USUAL = WatchFlags()


@app.command
def watch(
    training: Path,
    /,
    *,
    against: str,
    gate: Annotated[tuple[str, ...], Many] = (),
    strict: bool = False,
    allow: Annotated[tuple[str, ...], Many] = (),
    track: Annotated[tuple[str, ...], Many] = (),
    following: Followed = USUAL,
    flags: Flags = UNSET,
    json: bool = False,
) -> int:
    """Follow a training's output folder: sample, score and test every new checkpoint against a reference, each once.

    What is sampled, and how, is as in the reference unless it is asked for otherwise. Samples and scores go to ordinary
    runs, the trend to `watch/` beside them. Call it again after any interruption. The exit code is that of the newest
    checkpoint: 1 where something is established to be worse, 3 where it is not all scored or does not load.

    Example: `nova-eval watch OUT --against REFERENCE --once --limit 20`

    Parameters
    ----------
    training
        The folder that holds `checkpoints/` and `ema_checkpoints/`, or whole checkpoints.
    against
        A run folder, a name from `runs list`, or a reference file (.parquet).
    gate
        NAME=VALUE replaces a gate of the benchmark, in raw units (color=0.02).
    strict
        The exit code is 1 as well where it cannot be told.
    allow
        As of compare: what checkpoint and reference may differ in.
    track
        Show numbers and samples there too: tensorboard:FOLDER, wandb:PROJECT or mlflow:URI.
    json
        Print one JSON object instead of the table.
    """
    from nova_eval.cli import show
    from nova_eval.compare import gates
    from nova_eval.compare.checkpoints import Checkpoints
    from nova_eval.compare.reference import open_side
    from nova_eval.compare.trend import outcome, tables, tracked
    from nova_eval.compare.trend.trend import Rules, Trend
    from nova_eval.compare.watching import Watch
    from nova_eval.runs.shown import samples_of
    from nova_eval.trackers import Tracking

    reference = open_side(against, flags.given.get("results", Path("results")))
    asked = Checkpoints(reference, flags.asked(), following.base, talk)
    config, results = reference.benchmark.config, asked.results
    rules = Rules(reference, gates.gates_of(config, gate), allow, following.planned)
    trend = Trend(asked.folder(training), config, rules, lambda name: open_side(name, results))
    watching = Watch(training, trend, following.how(), open=asked.open, say=talk)
    with trend.held(), Tracking(track, trend.folder.name, talk) as tracking:
        show_there = partial(tracked.track, tracking, trend, lambda point: samples_of(point.run, results))
        show_there()
        for point in watching.follow():
            talk(f"{point.name}: {outcome.line(trend, point)}")
            show_there()
    if json:
        print_json(outcome.to_json(trend))
    else:
        put_page(show.text_of([tables.trend_table(trend)], "terminal"))
    talk(f"trend: {trend.folder}")
    return outcome.exit_code(trend, strict=strict)
