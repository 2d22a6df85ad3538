"""The command line: verbs, options and exit codes. Data goes to stdout, talk to stderr."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Group, Parameter

import nova_eval
from nova_eval import errors

app = App(
    name="nova-eval",
    help="Sample a generator, score every sample, and compare the result with published baselines.",
    version=nova_eval.__version__,
    default_parameter=Parameter(negative=""),
)
prompts_app = App(name="prompts", help="Fetch or verify the pinned official prompt files.")
app.command(prompts_app)
weights_app = App(name="weights", help="Fetch, verify or list the official weight files of judges.")
app.command(weights_app)
bench_app = App(name="bench", help="Measure speed; every ratio is taken side by side in one run.")
app.command(bench_app)

Format = Literal["terminal", "md", "csv", "tex", "html"]
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


_Run = Annotated[RunFlags, Parameter(name="*")]
_DEFAULT = RunFlags()


@app.command
def run(benchmark: str, /, *, flags: _Run = _DEFAULT, json: bool = False) -> int:
    """Sample, score and print the table. Run it again to go on after any interruption.

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    json
        Print one JSON object (run, coverage, metrics) instead of the table.
    """
    from nova_eval import pipeline

    opened = _open(benchmark, flags)
    return _finish(opened, pipeline.run(opened), json=json)


@app.command
def sample(benchmark: str, /, *, flags: _Run = _DEFAULT) -> int:
    """Only make the samples."""
    from nova_eval import pipeline

    opened = _open(benchmark, flags)
    pipeline.run(opened, scoring=False)
    left = pipeline.outline(opened)
    _talk(f"{left['samples_done']} of {left['samples']} samples in {opened.store.folder}")
    return errors.OK if left["samples_done"] == left["samples"] else errors.INCOMPLETE


@app.command
def score(benchmark: str, /, *, flags: _Run = _DEFAULT, json: bool = False) -> int:
    """Only score the samples that are there, and print the table.

    Parameters
    ----------
    benchmark
        A benchmark, or a run: its folder, or a name from `list runs`.
    json
        Print one JSON object instead of the table.
    """
    from nova_eval import pipeline

    opened = _reopen(benchmark, flags) or _open(benchmark, flags)
    return _finish(opened, pipeline.run(opened, sampling=False), json=json)


@app.command(name="import")
def import_(
    benchmark: str,
    folder: Path,
    /,
    *,
    model: str,
    layout: str | None = None,
    prefer: tuple[str, ...] = (),
    grid: int = 2,
    tile: int = 0,
    copy: bool = False,
    variant: str | None = None,
    samples_per_prompt: str | None = None,
    limit: int | None = None,
    results: Path | None = None,
    mirror: Path | None = None,
    offline: bool | None = None,
    json: bool = False,
) -> int:
    """Make a run of images or videos that somebody else made, named as the benchmark's own scripts name them.

    `score RUN` and `table RUN` then work on it as on a sampled run. Call it again to add files.

    Parameters
    ----------
    folder
        The folder that holds them; sub-folders are looked into.
    model
        Who made them.
    layout
        Whose names they have, when not the benchmark's own: vbench, geneval, t2i_compbench or dpg_bench.
    prefer
        Sub-folders, best first, that settle which of two files of one sample counts.
    grid
        Samples along a side of a DPG-Bench picture (1: a picture is one sample).
    tile
        Side of a sample within such a picture, in pixels.
    copy
        Copy files; otherwise they are hard-linked where that is possible.
    samples_per_prompt
        A number, or official for the benchmark's own count.
    json
        Print one JSON object instead of a line.
    """
    from nova_eval import importing
    from nova_eval.samplers.folder import FolderSampler

    asked = RunFlags(
        sampler=f"imported:{model}",
        variant=variant,
        samples_per_prompt=samples_per_prompt,
        limit=limit,
        results=results,
        mirror=mirror,
        offline=offline,
    )
    opened = _open(benchmark, asked)
    names = layout or opened.spec.benchmark
    source = FolderSampler(folder, prefer, layout=names, modality=opened.config.modality, grid=grid, tile=tile)
    outcome = importing.import_folder(opened, source, copy=copy)
    wanted, there = len(opened.wanted), outcome.summary.samples
    if json:
        _print_json({"run": opened.name, "folder": str(opened.store.folder), "samples": there, "wanted": wanted})
    else:
        print(f"{there} of {wanted} samples in {opened.store.folder}")
    return errors.OK if there == wanted else errors.INCOMPLETE


@app.command
def export(
    run: str, folder: Path, /, *, layout: str = "official", copy: bool = False, results: Path = Path("results")
) -> int:
    """Write a run's media under the names that the benchmark's own scripts read, and its scores as they write them.

    Parameters
    ----------
    run
        A run folder, or a name from `list runs`.
    folder
        Where to; it must not exist yet, or be empty.
    layout
        official, or separate for DPG-Bench's images one by one without the grids of four.
    copy
        Copy files; otherwise they are hard-linked where that is possible.
    """
    from nova_eval import exporting, opening, show

    opened = opening.reopen(show.find(run, results))
    for line in exporting.export_run(opened, folder, layout=layout, copy=copy):
        _talk(line)
    return errors.OK


@app.command
def plan(
    benchmark: str, /, *, flags: _Run = _DEFAULT, seconds_per_sample: float | None = None, json: bool = False
) -> int:
    """Say what `run` would do with these options, and what it would cost, without doing it.

    GPU-hours are estimated from a count of operations for --device a100 (the default), h100, h200 or rtx4090.

    Parameters
    ----------
    seconds_per_sample
        Measured seconds of one device for one sample, in place of the estimate.
    json
        Print one JSON object instead of lines.
    """
    from nova_eval import forecast

    found = forecast.forecast(*_resolved(benchmark, flags), seconds=seconds_per_sample)
    if json:
        _print_json(found)
    else:
        print("\n".join(forecast.lines(found)))
    return errors.OK


@app.command
def table(
    *runs: str,
    preset: Literal["paper-t2i", "paper-t2v"] | None = None,
    format: Format = "terminal",
    baselines: Literal["some", "all", "none"] = "some",
    latency: bool = False,
    columns: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True)] = None,
    results: Path = Path("results"),
    json: bool = False,
) -> int:
    """Print finished or unfinished runs as a table, published rows beside them.

    Parameters
    ----------
    runs
        Run folders, or names from `list runs`.
    preset
        The columns and published rows of NOVA's tables, with runs of any of their benchmarks joined; needs no run.
    format
        terminal, md, csv, tex or html.
    baselines
        Published rows beside the runs, where their prompts allow it: the benchmark's choice, all, or none.
    latency
        Add seconds per sample, frames per second and the device.
    columns
        Only these dimensions.
    json
        Print a list of the runs' JSON objects.
    """
    from nova_eval import show

    if preset is not None:
        print(show.preset(preset, [show.find(name, results) for name in runs], format=format, as_json=json), end="")
        return errors.OK
    print(
        show.tables(
            [show.find(name, results) for name in runs],
            format=format,
            baselines=baselines,
            latency=latency,
            columns=columns,
            as_json=json,
        ),
        end="",
    )
    return errors.OK


@app.command(name="list")
def list_(
    what: Literal["benchmarks", "samplers", "judges", "profiles", "runs", "baselines", "dimensions", "checkpoints"],
    /,
    *,
    results: Path = Path("results"),
    json: bool = False,
) -> int:
    """List what is known by name.

    Parameters
    ----------
    json
        Print a JSON list instead of lines.
    """
    from nova_eval import catalogue

    rows = catalogue.entries(what, results)
    if json:
        _print_json(rows)
    else:
        for row in rows:
            print("  ".join(str(value) for value in row.values() if value not in ("", None)))
    return errors.OK


@prompts_app.command(name="fetch")
def prompts_fetch(benchmark: str, /, *, mirror: Path | None = None, offline: bool = False) -> int:
    """Get a benchmark's official prompt files, over HTTPS or from --mirror, and verify their sha256."""
    from nova_eval import prompts

    for path in prompts.fetch(benchmark, mirror=mirror, offline=offline):
        _talk(f"verified: {path}")
    if benchmark == "t2i_compbench":  # its rules ask about what a parser read in the prompts
        from nova_eval.benchmarks.t2i_compbench.parses import bring_parses

        _talk(bring_parses(mirror))
    return errors.OK


@prompts_app.command(name="verify")
def prompts_verify(benchmark: str, /, *, mirror: Path | None = None) -> int:
    """Check the official prompt files that are already here."""
    from nova_eval import prompts

    wrong = 0
    for check in prompts.verify(benchmark, mirror=mirror):
        print(f"{check.source}: {check.problem or 'ok'}")
        wrong += bool(check.problem)
    return errors.PREREQUISITE if wrong else errors.OK


@weights_app.command(name="fetch")
def weights_fetch(*names: str, mirror: str = "", offline: bool = False) -> int:
    """Bring weight files here: several at once, resumed where they stopped, checked against their pins.

    Parameters
    ----------
    names
        Files or judges from `weights list`, or benchmarks for all their judges need (default: all).
    mirror
        Folder or address that holds the files under their own names; tried first.
    """
    from nova_eval import weights

    missing = [row for row in weights.listing(names) if row.path is None]
    for row in missing:
        _talk(f"to fetch: {row.entry.name}, {row.bytes / 2**20:.1f} MiB, licence {row.entry.licence}")
    _talk(f"to fetch in all: {sum(row.bytes for row in missing) / 2**30:.2f} GiB")
    for path in weights.fetch(names, mirror=mirror, offline=offline):
        _talk(f"verified: {path}")
    return errors.OK


@weights_app.command(name="verify")
def weights_verify(*names: str) -> int:
    """Read the weight files that are here and compare them with their pins."""
    from nova_eval import weights

    checks = weights.verify(names)
    for check in checks:
        print(f"{check.entry.name}: {check.problem or 'ok'}")
    return errors.PREREQUISITE if any(check.problem for check in checks) else errors.OK


@weights_app.command(name="list")
def weights_list(*names: str, json: bool = False) -> int:
    """List weight files with size, licence, origin, the judges that use them, and where they lie.

    Parameters
    ----------
    names
        Files, judges, or benchmarks (default: all).
    """
    from nova_eval import weights

    rows = weights.listing(names)
    if json:
        _print_json(
            [
                {
                    "name": row.entry.name,
                    "here": None if row.path is None else str(row.path),
                    "bytes": row.bytes,
                    "licence": row.entry.licence,
                    "used_by": list(row.entry.used_by),
                    "pinned_by": row.pinned_by,
                    "origin": row.entry.origin,
                }
                for row in rows
            ]
        )
    else:
        for row in rows:
            state, judges = "here" if row.path else "missing", ", ".join(row.entry.used_by)
            print(f"{row.entry.name:<24} {state:<8} {row.bytes / 2**20:>8.1f} MiB  {row.entry.licence}  ({judges})")
        here = {row.entry.instead_of or row.entry.name for row in rows if row.path}
        missing = [row for row in rows if not row.entry.instead_of and row.entry.name not in here]
        if missing:
            size = sum(row.bytes for row in missing) / 2**30
            what = " ".join(names) or "[judge or benchmark]"
            _talk(f"missing: {len(missing)} files, {size:.2f} GiB; python -m nova_eval weights fetch {what}")
    return errors.OK


@app.command
def doctor(*, json: bool = False) -> int:
    """Say what this machine has, what works, and how to get what is missing."""
    from nova_eval import diagnosis

    findings = diagnosis.examine()
    if json:
        _print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.ok else 'missing'}  {finding.name}: {finding.detail}")
            if finding.remedy and not finding.ok:
                print(f"         {finding.remedy}")
    return errors.PREREQUISITE if any(finding.required and not finding.ok for finding in findings) else errors.OK


@app.command
def parity(folder: Path, /, *, json: bool = False) -> int:
    """Run recorded outputs of the official code against this install; exit 1 if any differs.

    Parameters
    ----------
    folder
        A folder of recorded cases, or one of its parts.
    json
        Print a JSON list instead of lines.
    """
    from nova_eval import show
    from nova_eval.parity import find_kits, run_parity

    results = list(run_parity(folder))
    not_covered = find_kits(folder)[1]
    if json:
        _print_json(show.parity_json(results, not_covered))
    else:
        print(show.parity_lines(results, not_covered))
    return errors.OK if results and all(result.passed for result in results) else errors.GATE_FAILED


@app.command
def crosscheck(
    benchmark: Literal["vbench"],
    run: str,
    /,
    *,
    dimensions: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    limit: int | None = None,
    weights: Path | None = None,
    environment: Path | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    threads: int | None = None,
    results: Path = Path("results"),
    json: bool = False,
) -> int:
    """Run the official vbench 0.1.5 on a run's videos and compare every score; exit 1 if any dimension disagrees.

    The package gets a virtual environment of its own under the cache folder, made at the first call (up to 7 GB).

    Parameters
    ----------
    run
        A run folder, or a name from `list runs`.
    dimensions
        Only these (default: all that the run has scores of).
    limit
        At most this many videos a dimension, spread evenly.
    weights
        Folder of weight files under their published names (default: where `weights fetch` puts them).
    environment
        Folder of the environment; one that you made, with detectron2 for instance, is used as it is.
    mirror
        Folder with pinned files as owner/repository/commit/path.
    threads
        Cores that the package may use (default: all).
    json
        Print a JSON list instead of the table.
    """
    from nova_eval import crosscheck, show

    compared = crosscheck.crosscheck(
        show.find(run, results),
        dimensions=dimensions,
        limit=limit,
        weights=weights,
        place=environment,
        mirror=mirror,
        offline=offline,
        threads=threads,
        say=_talk,
    )
    if json:
        _print_json(crosscheck.as_json(compared))
    else:
        print(crosscheck.lines(compared))
    return errors.OK if all(row.agrees for row in compared if not row.reason) else errors.GATE_FAILED


@app.command
def train(config: Path, /, *, restart: bool = False) -> int:
    """Train NOVA as a TOML file says. Run it again to go on after any interruption.

    Parameters
    ----------
    config
        The file; `nova_eval/nova/training/README.md` explains its keys.
    restart
        Begin anew instead of going on.
    """
    import logging

    from nova_eval.registry import Registry

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    start: Any = Registry("trainer", {"nova": "nova_eval.nova.training:run"}).get("nova")
    print(start(config, resume=not restart))
    return errors.OK


@bench_app.command(name="store")
def bench_store(*, samples: int = 1000, resume: int = 10_000, json: bool = False) -> int:
    """Bookkeeping per sample with a null sampler and scorer, and the cost of resuming a large run.

    Parameters
    ----------
    samples
        Samples in the timed run.
    resume
        Samples of the finished run whose resumption is timed.
    """
    from nova_eval.benches import store

    figures = store.measure(samples, resume)
    if json:
        _print_json(figures)
    else:
        print("\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items()))
    return errors.OK


@bench_app.command(name="sampler")
def bench_sampler(
    *,
    model: Literal["mid", "paper"] = "mid",
    diffusion_steps: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (25, 100),
    batches: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (1,),
    repeats: int = 2,
    device: str = "cpu",
    dtype: str = "float32",
    json: bool = False,
) -> int:
    """The NOVA sampler against a plain path (whole-frame denoising, nothing hoisted) measured in the same run.

    Parameters
    ----------
    model
        mid (two CPU cores, minutes) or paper (0.6 B text-to-video at 33×480×768; wants a GPU).
    json
        Print a JSON list of {diffusion_steps, batch, speedup, …}.
    """
    from nova_eval.benches import sampler

    rows = sampler.measure(
        model=model, diffusion_steps=diffusion_steps, batches=batches, repeats=repeats, device=device, dtype=dtype
    )
    if json:
        _print_json(rows)
    else:
        print(sampler.lines(rows))
    return errors.OK


@bench_app.command(name="sweep")
def bench_sweep(
    benchmark: str,
    /,
    *,
    over: str,
    show: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    output: Path | None = None,
    flags: _Run = _DEFAULT,
    json: bool = False,
) -> int:
    """Run a benchmark at several values of one setting: scores, motion and time at each.

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    over
        The setting and its values, such as sampler.guidance_scale=1,2,4,7.
    show
        Metrics of the table and the figure (default: all with a value).
    output
        Folder for <setting>.csv and <setting>.svg.
    json
        Print a JSON list of {value, run, metrics, seconds, motion}.
    """
    from nova_eval.benches import sweep

    def open_run(override: str) -> Any:
        return _open(benchmark, replace(flags, set=(*flags.set, override)))

    points = list(sweep.measure(over, open_run, _talk))
    measured = list(dict.fromkeys(name for point in points for name, v in point.metrics.items() if v is not None))
    for name in show:
        if name not in measured:
            raise errors.unknown("metric", name, measured)
    if output is not None:
        for path in sweep.write(output, over, points, show or measured):
            _talk(f"wrote {path}")
    if json:
        from dataclasses import asdict

        _print_json([asdict(point) for point in points])
    else:
        print(sweep.lines(over, points, show or measured))
    return errors.OK


@bench_app.command(name="geneval")
def bench_geneval(
    *,
    judge: Literal["geneval_objects", "geneval_objects_mmdet"] = "geneval_objects",
    images: int = 4,
    batch: int = 4,
    objects: int = 1,
    height: int = 512,
    width: int = 512,
    repeats: int = 1,
    device: str = "cpu",
    dtype: str = "float32",
    json: bool = False,
) -> int:
    """GenEval's detector and colours, one image after the other against batches, measured in the same run.

    Parameters
    ----------
    judge
        Mask2Former in transformers, or in mmdet.
    images
        Rendered scenes, of height × width; the detector enlarges or reduces them to at most 1333×800.
    objects
        Objects of each image that are asked for their color.
    json
        Print one JSON object.
    """
    from nova_eval.benches import geneval

    row = geneval.measure(
        judge=judge,
        images=images,
        batch=batch,
        objects=objects,
        height=height,
        width=width,
        repeats=repeats,
        device=device,
        dtype=dtype,
        say=_talk,
    )
    if json:
        _print_json(row)
    else:
        print(geneval.lines(row))
    return errors.OK


@bench_app.command(name="vqa")
def bench_vqa(
    *,
    judge: Literal["blip_vqa", "mplug_large"] = "blip_vqa",
    questions: int = 8,
    repeats: int = 2,
    device: str = "cpu",
    dtype: str = "float32",
    json: bool = False,
) -> int:
    """Questions about an image: encoded once for all of them, against anew for each, measured in the same run.

    Parameters
    ----------
    judge
        At full size, with random weights: blip_vqa (T2I-CompBench) or mplug_large (DPG-Bench).
    questions
        Questions an image; DPG-Bench asks 13.5 on average.
    json
        Print one JSON object.
    """
    from nova_eval.benches import vqa

    row = vqa.measure(judge=judge, questions=questions, repeats=repeats, device=device, dtype=dtype)
    if json:
        _print_json(row)
    else:
        print(vqa.lines(row))
    return errors.OK


@bench_app.command(name="judges")
def bench_judges(
    *,
    dimensions: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    clips: int = 2,
    frames: int = 33,
    height: int = 480,
    width: int = 768,
    fps: float = 12.0,
    repeats: int = 1,
    threads: int | None = None,
    weights: Path | None = None,
    environment: Path | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    json: bool = False,
) -> int:
    """VBench's judges beside the official vbench 0.1.5, measured in turns on the same clips, weights and cores.

    The package runs in the environment of `crosscheck`; random weights stand in for missing ones.

    Parameters
    ----------
    dimensions
        Only these of the eight that are measured.
    threads
        Cores for either side (default: all).
    json
        Print one JSON object instead of the table.
    """
    from nova_eval.benches import judges

    result = judges.measure(
        dimensions=dimensions,
        clips=clips,
        frames=frames,
        height=height,
        width=width,
        fps=fps,
        repeats=repeats,
        threads=threads,
        weights_folder=weights,
        place=environment,
        mirror=mirror,
        offline=offline,
        say=_talk,
    )
    if json:
        _print_json(result)
    else:
        print(judges.lines(result))
    return errors.OK


def _open(benchmark: str, flags: RunFlags) -> Any:
    from nova_eval import opening

    spec, options, config = _resolved(benchmark, flags)
    return opening.open_run(spec, options, config, _talk)


def _resolved(benchmark: str, flags: RunFlags) -> Any:
    from nova_eval import arguments

    own = {name: value for name, value in vars(flags).items() if name not in ("set", "config")}
    return arguments.resolve(benchmark, own, flags.set, flags.config)


def _reopen(name: str, flags: RunFlags) -> Any:
    """The run that ``name`` names, ready to be scored; ``None`` where it is the name of a benchmark."""
    from nova_eval import arguments, opening, show
    from nova_eval.config import benchmark_names

    folder = None if name in benchmark_names() else show.seek(name, flags.results or Path("results"))
    if folder is None:
        return None
    own = {key: value for key, value in vars(flags).items() if key not in ("set", "config")}
    return opening.reopen_to_score(
        folder, lambda options: arguments.changed(options, own, flags.set, flags.config), _talk
    )


def _finish(opened: Any, outcome: Any, *, json: bool) -> int:
    """Prints the result. Incomplete is exit code 3; a shard answers for its own part only."""
    from nova_eval import show

    _talk(f"run folder: {opened.store.folder}")
    if json:
        _print_json({**show.as_json(outcome.summary), "folder": str(opened.store.folder)})
    else:
        print(show.one_run(outcome.summary), end="")
    return errors.INCOMPLETE if outcome.share_unscored else errors.OK


def _print_json(value: Any) -> None:
    print(jsonlib.dumps(value, ensure_ascii=False, indent=2, allow_nan=False, default=str))


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
