"""Verbs on runs: run, sample, score, import, export, verify, plan, table, list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nova_eval import errors
from nova_eval.cli import run_folders
from nova_eval.cli.apps import Results, app
from nova_eval.cli.flags import (
    PLAIN,
    STOP,
    UNSET,
    WHOLE,
    Flags,
    LookAt,
    Written,
    finish,
    open_run,
    print_json,
    put,
    put_page,
    reopen,
)
from nova_eval.cli.reporting import leave, of_whole_world
from nova_eval.progress import talk

Link = Annotated[bool, Parameter(negative="--copy")]
Report = Annotated[bool | None, Parameter(negative="--no-report")]


@app.command
def run(
    benchmark: str,
    /,
    *,
    against: Annotated[str | None, Parameter(group=STOP)] = None,
    until_decided: Annotated[bool, Parameter(group=STOP, negative="")] = False,
    anytime: Annotated[bool, Parameter(group=STOP, negative="")] = False,
    every: Annotated[bool, Parameter(group=STOP, negative="")] = False,
    gate: Annotated[tuple[str, ...], Parameter(group=STOP, consume_multiple=True)] = (),
    strict: Annotated[bool, Parameter(group=STOP, negative="")] = False,
    allow: Annotated[tuple[str, ...], Parameter(group=STOP, consume_multiple=True)] = (),
    track: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    flags: Flags = UNSET,
    example: bool = False,
    report: Report = None,
    json: bool = False,
) -> int:
    """Sample, score and print the table. Run it again to go on after any interruption.

    With --against REFERENCE --until-decided it samples no more than it takes to say whether a dimension is worse than
    the reference's, and the exit code is that of `compare --gate`.

    Example: `nova-eval run vbench --sampler diffusers:MODEL --limit 100`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    against
        The reference: a run folder, a name from `runs list`, or a reference file (.parquet).
    until_decided
        Look at five shares of the prompts, and end as soon as something is worse or all dimensions are decided.
    anytime
        Look at every twentieth of them, by a confidence sequence that holds at any time; from 20 prompts on.
    every
        Go on after something is found worse, until every dimension is decided.
    gate
        NAME=VALUE replaces a gate of the benchmark, in raw units (color=0.02).
    strict
        The exit code is 1 as well where it cannot be told.
    allow
        As of compare: what run and reference may differ in.
    track
        Show numbers and samples there too: tensorboard:FOLDER, wandb:PROJECT or mlflow:URI.
    example
        Print a file for --config that gives this very run, with every key that it may have, and run nothing.
    report
        End with a page in RUN/report (default: where all of a suite of the embedded world was asked for).
    json
        Print one JSON object (run, coverage, metrics) instead of the table.
    """
    from nova_eval.runs import options, pipeline
    from nova_eval.runs.shown import track_run
    from nova_eval.trackers import Tracking

    if example:
        from nova_eval.cli.example import lines

        put("\n".join(lines(*options.resolve(benchmark, *flags.asked()))))
        return errors.OK
    if track and until_decided:
        raise errors.UsageError("--track says nothing of --until-decided", remedy="leave one of them out")
    if until_decided and against is not None:
        from nova_eval.cli.deciding import until_decided as decide

        return decide(
            benchmark, against, flags, gate, anytime=anytime, every=every, strict=strict, allow=allow, json=json
        )
    asked = {"against": against, "anytime": anytime, "every": every, "gate": gate, "strict": strict, "allow": allow}
    if until_decided or any(asked.values()):
        raise _half_asked(next((word for word, value in asked.items() if value), "until-decided"), against)
    opened = open_run(benchmark, flags)
    with Tracking(track, opened.name, talk) as tracking:
        outcome = pipeline.run(opened)
        track_run(tracking, opened, outcome)
    code = finish(opened, outcome, json=json)
    if of_whole_world(opened) if report is None else report:
        leave(opened.store.folder)
    return code


def _half_asked(word: str, against: str | None) -> errors.UsageError:
    if against is None:
        return errors.UsageError(f"--{word} needs a reference", remedy="name it: --against REFERENCE --until-decided")
    return errors.UsageError(
        f"--{word} needs --until-decided",
        remedy="add it; `nova-eval compare` holds a finished run against a reference",
    )


@app.command
def sample(benchmark: str, /, *, flags: Flags = UNSET) -> int:
    """Only make the samples.

    Example: `nova-eval sample geneval --sampler nova:CHECKPOINT --shard 1/4`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    """
    from nova_eval.runs import forecast, pipeline

    opened = open_run(benchmark, flags)
    pipeline.run(opened, scoring=False)
    left = forecast.outline(opened)
    talk(f"{left['samples_done']} of {left['samples']} samples in {opened.store.folder}")
    return errors.OK if left["samples_done"] == left["samples"] else errors.INCOMPLETE


@app.command
def score(benchmark: str, /, *, flags: Flags = UNSET, json: bool = False) -> int:
    """Only score the samples that are there, and print the table.

    Example: `nova-eval score geneval/mine-0123abcd --metrics counting colors`

    Parameters
    ----------
    benchmark
        A benchmark, or a run: its folder, or a name from `runs list`.
    json
        Print one JSON object instead of the table.
    """
    from nova_eval.runs import pipeline

    opened = reopen(benchmark, flags) or open_run(benchmark, flags, sampling=False)
    return finish(opened, pipeline.run(opened, sampling=False), json=json)


@app.command(name="import")
def import_(
    benchmark: str,
    folder: Path,
    /,
    *,
    model: str,
    names: str | None = None,
    prefer: tuple[str, ...] = (),
    grid: int = 2,
    tile: int = 0,
    link: Link = False,
    flags: Flags = UNSET,
    json: bool = False,
) -> int:
    """Make a run of images or videos that somebody else made, named as the benchmark's own scripts name them.

    `score RUN` and `table RUN` then work on it as on a sampled run. Call it again to add files.

    Example: `nova-eval import geneval IMAGES --model mine`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    folder
        The folder that holds them; sub-folders are looked into.
    model
        Who made them.
    names
        The benchmark whose names they have, when it is another.
    prefer
        Sub-folders, best first, that settle which of two files of one sample counts.
    grid
        Samples along a side of a DPG-Bench picture (1: a picture is one sample).
    tile
        Side of a sample within such a picture, in pixels.
    link
        Hard-link files where that is possible. Copies are the default: neither side can change the other's.
    json
        Print one JSON object instead of a line.
    """
    from nova_eval.config import CUSTOM
    from nova_eval.runs import importing, opening, options
    from nova_eval.samplers.folder import FolderSampler

    if flags.sampler:
        raise errors.UsageError("import makes no samples", remedy="leave --sampler out; --model says who made them")
    if not model.strip():
        raise errors.UsageError("--model is empty", remedy="say who made them")
    own = {"prompts": folder} if flags.variant == CUSTOM and flags.prompts is None else {}
    spec, chosen, config = options.resolve(benchmark, *flags.but(sampler=f"imported:{model}", **own).asked())
    called = names or (CUSTOM if options.own_names(spec.variant, config, chosen.prompts) else benchmark)
    source = FolderSampler(folder, prefer, names=called, modality=config.modality, grid=grid, tile=tile)
    opened = opening.open_run(spec, chosen, config, talk, source)
    outcome = importing.import_folder(opened, source, link=link)
    wanted, there = len(opened.wanted), outcome.summary.samples
    if json:
        print_json({"run": opened.name, "folder": str(opened.store.folder), "samples": there, "wanted": wanted})
    else:
        put(f"{there} of {wanted} samples in {opened.store.folder}")
    return errors.OK if there == wanted else errors.INCOMPLETE


@app.command
def export(
    run: str, folder: Path, /, *, names: str = "", link: Link = False, results: Results = Path("results")
) -> int:
    """Write a run's media under the names that the benchmark's own scripts read, and its scores as they write them.

    Example: `nova-eval export vbench/mine-0123abcd FOLDER --names official`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    folder
        Where to; it must not exist yet, or be empty.
    names
        official (the default), separate for images one by one where official ones share a picture (DPG-Bench), or
        custom (the default of own prompts): their own, with a table prompts.json.
    link
        Hard-link files where that is possible. Copies are the default: neither side can change the other's.
    """
    from nova_eval.runs import exporting, finding, opening

    opened = opening.reopen(finding.find(run, results))
    done = exporting.export_run(opened, folder, names=names, link=link)
    for line in done.lines:
        talk(line)
    return errors.INCOMPLETE if done.damaged else errors.OK


@app.command
def verify(run: str, /, *, fix: bool = False, results: Results = Path("results"), json: bool = False) -> int:
    """Read everything that a run holds, and say what is not as it was written: exit code 0 when nothing is left.

    Media are read in full and compared with the digests of their rows.

    Example: `nova-eval verify vbench/mine-0123abcd --fix`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    fix
        Mend what can be: damaged files are moved aside, suite and tables are written anew; `run` makes the rest anew.
    json
        Print a list of findings instead of lines.
    """
    from nova_eval.runs import finding, verifying

    found = list(verifying.verify(finding.find(run, results), fix=fix))
    if json:
        print_json([one._asdict() for one in found])
    else:
        for one in found:
            put(f"{one.what}; {f'mended: {one.mended}' if one.mended else one.remedy}")
        put(f"{len(found)} faults, {sum(bool(one.mended) for one in found)} mended" if found else "whole")
    return errors.OK if all(one.mended for one in found) else errors.PREREQUISITE


@app.command
def plan(
    benchmark: str, /, *, flags: Flags = UNSET, seconds_per_sample: float | None = None, json: bool = False
) -> int:
    """Say what `run` would do with these options, and what it would cost, without doing it.

    GPU-hours are estimated from a count of operations for --device a100 (the default), h100, h200 or rtx4090.

    Example: `nova-eval plan vbench --profile paper --device h100`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    seconds_per_sample
        Measured seconds of one device for one sample, in place of the estimate.
    json
        Print one JSON object instead of lines.
    """
    from nova_eval.cli.forecast import lines
    from nova_eval.runs import forecast, options

    found = forecast.forecast(*options.resolve(benchmark, *flags.asked()), seconds=seconds_per_sample)
    if json:
        print_json(found)
    else:
        put("\n".join(lines(found)))
    return errors.OK


@app.command
def table(
    *runs: str,
    preset: Literal["paper-t2i", "paper-t2v"] | None = None,
    view: LookAt = WHOLE,
    options: Written = PLAIN,
    results: Results = Path("results"),
    json: bool = False,
) -> int:
    """Print finished or unfinished runs as a table.

    All that there is of a run is shown, unless a part of it is asked for.

    Example: `nova-eval table RUN ANOTHER --baselines all --format tex`

    Parameters
    ----------
    runs
        Run folders, or names from `runs list`.
    preset
        The columns and published rows of NOVA's tables, with runs of any of their benchmarks joined; needs no run.
    json
        Print a list of the runs' JSON objects, or of the rows of --preset or --samples.
    """
    from nova_eval.cli import show
    from nova_eval.runs import finding

    if not runs and preset is None:
        raise errors.UsageError("no run was named", remedy="name one; see `nova-eval runs list`")
    folders = [finding.find(name, results) for name in runs]
    text = show.table(folders, view, options, preset=preset, as_json=json)
    put_page(text, "json" if json else options.written)
    return errors.OK


@app.command(name="list")
def list_(
    what: Literal["benchmarks", "samplers", "judges", "profiles", "runs", "baselines", "dimensions", "checkpoints"],
    of: str = "",
    /,
    *,
    results: Results = Path("results"),
    json: bool = False,
) -> int:
    """List what is known by name; of a sampler, what it can be told.

    Example: `nova-eval list samplers nova`

    Parameters
    ----------
    what
        What is listed.
    of
        A sampler (with `samplers`): its settings with type, default and meaning. Else a benchmark, or one of the list.
    json
        Print a JSON list instead of lines.
    """
    from nova_eval.cli import listing as catalogue

    if what == "runs":
        return run_folders.list_(of, results=results, json=json)
    rows = catalogue.items(what, of)
    if json:
        print_json(rows)
    else:
        for line in catalogue.lines(rows):
            put(line)
    return errors.OK
