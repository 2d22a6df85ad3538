"""Verbs that hold runs against each other: compare, reference, gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from nova_eval import errors
from nova_eval.cli.apps import Results, app, gates_app, reference_app
from nova_eval.cli.flags import print_json, put, put_page
from nova_eval.progress import talk

if TYPE_CHECKING:
    from nova_eval.compare.noise import Noise
    from nova_eval.config import BenchmarkConfig

Many = Parameter(consume_multiple=True)


@app.command
def compare(
    reference: str,
    /,
    *runs: str,
    gate: Annotated[tuple[str, ...] | None, Many] = None,
    strict: bool = False,
    allow: Annotated[tuple[str, ...], Many] = (),
    votes: Annotated[tuple[Path, ...], Many] = (),
    changes: int = 5,
    format: Literal["terminal", "md", "csv", "tex", "html", "junit"] = "terminal",
    results: Results = Path("results"),
    json: bool = False,
) -> int:
    """Say of every metric whether a run is better or worse than a reference, prompt by prompt.

    Several runs are corrected as a series, and which of them may be the best is said. With --gate the exit code is 1
    where something is established to be worse, 3 where something is not scored, else 0.

    Example: `nova-eval compare REFERENCE RUN --gate`

    Parameters
    ----------
    reference
        A run folder, a name from `runs list`, or a reference file (.parquet).
    runs
        The same: what is held against it.
    gate
        Let the exit code speak; after the runs. NAME=VALUE replaces a gate of the benchmark, in raw units (color=0.02).
    strict
        The exit code is 1 as well where it cannot be told.
    allow
        Compare although they differ in this: version, variant, prompts, scoring, scorers, judges or codec.
    votes
        Files that `report REFERENCE RUN --blind` saved: what people prefer, and which judges agree.
    changes
        How many of the samples that changed most are listed.
    format
        terminal, md, csv, tex, html, or junit (a case a metric).
    json
        Print one JSON object instead of tables.
    """
    from nova_eval.cli import show
    from nova_eval.compare import ballots, comparing, export, gates, tables
    from nova_eval.compare.reference import open_side
    from nova_eval.compare.votes import joined
    from nova_eval.rows import many

    if not runs:
        raise errors.UsageError("no run was named", remedy="name the reference, then one run or more")
    with many():
        before = open_side(reference, results)
        limits = gates.gates_of(before.benchmark.config, gate or ())
        series = comparing.compare(before, [open_side(name, results) for name in runs], limits, allow)
        pairing = series.comparisons[0].pairing
        if votes and (len(runs) > 1 or format == "junit"):
            raise errors.UsageError(
                "--votes are on one run, and have no place in junit", remedy="compare the two voted on"
            )
        voted = joined(pairing, votes) if votes else None
        if json:
            told = {"votes": ballots.to_json(voted)} if voted else {}
            print_json({**export.to_json(series, changes), **told})
        elif format == "junit":
            put(export.to_junit(series.comparisons, strict=strict), end="")
        else:
            shown = [*tables.pages(series, changes), *([ballots.votes_table(pairing, voted)] if voted else [])]
            put_page(show.text_of(shown, format), format)
    if gate is None and not strict:
        return errors.OK
    talk(gates.said(series.comparisons, strict=strict))
    return gates.exit_code(series.comparisons, strict=strict)


@reference_app.command(name="save")
def reference_save(run: str, file: Path, /, *, results: Results = Path("results")) -> int:
    """Write what comparing needs of a run, without its media, into one small file that can be committed.

    Example: `nova-eval reference save RUN reference.parquet`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    file
        Where to (.parquet); it must not exist yet.
    """
    if file.exists():
        raise errors.UsageError(f"{file} exists already", remedy="replace it with `nova-eval reference update`")
    return _saved(run, file, results)


@reference_app.command(name="update")
def reference_update(
    run: str, file: Path, /, *, allow: Annotated[tuple[str, ...], Many] = (), results: Results = Path("results")
) -> int:
    """Replace a reference by a run that has been accepted; the run must be like it.

    Example: `nova-eval reference update RUN reference.parquet`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    file
        The reference file.
    allow
        As of compare: what they may differ in.
    """
    from nova_eval.compare import likeness, reference

    likeness.checked(reference.load(file), reference.open_side(run, results), allow)
    return _saved(run, file, results)


def _saved(run: str, file: Path, results: Path) -> int:
    from nova_eval.compare import reference

    if file.suffix != reference.ENDING:
        raise errors.UsageError(f"{file}: a reference ends in {reference.ENDING}", remedy="name it so")
    side = reference.open_side(run, results)
    reference.save(side, file)
    undecided = sum(not row.decided for row in side.rows)
    size = f"{file.stat().st_size / 1000:.0f} kB"
    put(f"{file}: {len(side.wanted)} samples of {len(side.prompts)} prompts, {size}")
    if undecided:
        talk(f"{undecided} scores are missing: no total can be compared with it")
    return errors.INCOMPLETE if undecided else errors.OK


@gates_app.command
def calibrate(*runs: str, results: Results = Path("results"), json: bool = False) -> int:
    """Measure the noise with runs of one checkpoint and several seeds, and propose gates with the power they have.

    Example: `nova-eval gates calibrate RUN RUN-2 RUN-3`

    Parameters
    ----------
    runs
        Run folders, names from `runs list`, or reference files.
    json
        Print a JSON list instead of the table and the [gates] to paste.
    """
    from nova_eval.compare import gates, noise
    from nova_eval.compare.reference import open_side

    if not runs:
        raise errors.UsageError("no run was named", remedy="name runs of one checkpoint with several seeds")
    sides = [open_side(name, results) for name in runs]
    config = sides[0].benchmark.config
    found = noise.calibrated(sides, gates.gates_of(config))
    return _noises(config, f"{config.name}: noise of {sides[0].model} over {len(sides)} seeds", found, json=json)


@gates_app.command
def power(run: str, /, *, results: Results = Path("results"), json: bool = False) -> int:
    """Say what a run of this size can detect at all, from how much the samples of each prompt differ.

    Example: `nova-eval gates power RUN`

    Parameters
    ----------
    run
        A run folder, a name from `runs list`, or a reference file.
    json
        Print a JSON list instead of the table.
    """
    from nova_eval.compare import gates, noise
    from nova_eval.compare.reference import open_side

    side = open_side(run, results)
    config = side.benchmark.config
    found = noise.of_one_run(side, gates.gates_of(config))
    return _noises(config, f"{config.name}: what {side.name} can detect", found, json=json)


def _noises(config: BenchmarkConfig, title: str, found: Sequence[Noise], *, json: bool) -> int:
    from nova_eval.cli import show
    from nova_eval.compare import noise

    if json:
        print_json([asdict(row) for row in found])
    else:
        put_page(show.text_of([noise.noise_table(config, title, found)], "terminal") + "\n")
        put(noise.as_toml(found))
    return errors.OK
