"""bench: speed and the effect of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nova_eval import errors
from nova_eval.cli.apps import bench_app
from nova_eval.cli.flags import UNSET, Flags, open_run, print_json, talk


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
    from nova_eval.checks.bench import store

    figures = store.measure(samples, resume)
    if json:
        print_json(figures)
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
    from nova_eval.checks.bench import sampler_cli as sampler

    rows = sampler.measure(
        model=model, diffusion_steps=diffusion_steps, batches=batches, repeats=repeats, device=device, dtype=dtype
    )
    if json:
        print_json(rows)
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
    flags: Flags = UNSET,
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
    from nova_eval.checks.bench import sweep

    def open_with(override: str) -> Any:
        return open_run(benchmark, flags.but(set=(*flags.set, override)))

    points = list(sweep.measure(over, open_with, talk))
    measured = list(dict.fromkeys(name for point in points for name, v in point.metrics.items() if v is not None))
    for name in show:
        if name not in measured:
            raise errors.unknown("metric", name, measured)
    if output is not None:
        for path in sweep.write(output, over, points, show or measured):
            talk(f"wrote {path}")
    if json:
        from dataclasses import asdict

        print_json([asdict(point) for point in points])
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
    from nova_eval.checks.bench import geneval

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
        say=talk,
    )
    if json:
        print_json(row)
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
    from nova_eval.checks.bench import vqa

    row = vqa.measure(judge=judge, questions=questions, repeats=repeats, device=device, dtype=dtype)
    if json:
        print_json(row)
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
    from nova_eval.checks.bench import judges

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
        say=talk,
    )
    if json:
        print_json(result)
    else:
        print(judges.lines(result))
    return errors.OK
