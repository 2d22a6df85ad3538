"""bench: speed and the effect of settings. What each can be told lies in ``checks/bench/options.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from nova_eval import environment, errors
from nova_eval.checks.bench.options import (
    CompareBench,
    EngineBench,
    FaultsBench,
    FolderBench,
    FuzzBench,
    GenEvalBench,
    GpuBench,
    IntervalsBench,
    JudgesBench,
    SamplerBench,
    ScheduleBench,
    ServeBench,
    StoreBench,
    SweepBench,
    VqaBench,
)
from nova_eval.cli.apps import bench_app
from nova_eval.cli.flags import UNSET, Flags, open_run, print_json, put
from nova_eval.packages import needed_by
from nova_eval.progress import talk

T = TypeVar("T")


@bench_app.command(name="store")
def bench_store(*, asked: StoreBench = StoreBench(), json: bool = False) -> int:
    """What is neither sampling nor judging: bookkeeping a sample, and resuming, reducing and comparing large runs.

    Example: `nova-eval bench store --samples 5000`

    Parameters
    ----------
    json
        Print one JSON object instead of lines.
    """
    from nova_eval.checks.bench import store

    found = store.measure(asked, talk)
    if asked.output is not None:
        for path in store.write(asked.output, found):
            talk(f"wrote {path}")
    if json:
        print_json(asdict(found))
    else:
        put(store.lines(found))
    return errors.OK


@bench_app.command(name="engine")
def bench_engine(*, asked: EngineBench = EngineBench(), json: bool = False) -> int:
    """What an engine costs a unit, and how long its workers take to start.

    Example: `nova-eval bench engine --engines local ray --workers 1 2 4`

    Parameters
    ----------
    json
        Print a JSON list of rows instead of a table.
    """
    from nova_eval.checks.bench import engine

    return _print(engine.measure(asked, talk), engine.lines, json=json)


@bench_app.command(name="schedule")
def bench_schedule(*, asked: ScheduleBench, json: bool = False) -> int:
    """How well many workers would be used: a run simulated from the times of one that is there.

    Example: `nova-eval bench schedule --run vbench/mine-0123abcd --workers 8 64 256 --seconds 30`

    Parameters
    ----------
    json
        Print a JSON list of rows instead of a table.
    """
    from nova_eval.checks.bench import schedule

    found = schedule.measure(asked)
    if asked.output is not None:
        for path in schedule.write(asked.output, found):
            talk(str(path))
    return _print(found, schedule.lines, json=json)


@bench_app.command(name="folder")
def bench_folder(*, asked: FolderBench = FolderBench(), json: bool = False) -> int:
    """What looking at a large folder of finished clips costs, the first time and when it is known already.

    Example: `nova-eval bench folder --clips 1000`

    Parameters
    ----------
    json
        Print one JSON object instead of lines.
    """
    from nova_eval.checks.bench import folder

    return _print(folder.measure(asked), folder.lines, json=json)


@bench_app.command(name="serve")
def bench_serve(*, asked: ServeBench = ServeBench(), json: bool = False) -> int:
    """A server under load: clients that check their own answers, beside hostile ones. Exit code 1 if one is wrong.

    Example: `nova-eval bench serve --clients 64`

    Parameters
    ----------
    json
        Print one JSON object.
    """
    with needed_by("bench serve"):
        from nova_eval.checks.bench import serve

        figures = serve.measure(asked, talk)
    if asked.output is not None:
        for path in serve.write(asked.output, figures):
            talk(f"wrote {path}")
    code = _print(figures, serve.lines, json=json)
    return code if serve.passed(figures) else errors.GATE_FAILED


@bench_app.command(name="sampler")
def bench_sampler(*, asked: SamplerBench = SamplerBench(), json: bool = False) -> int:
    """The NOVA sampler beside a plain path (whole-frame denoising, nothing hoisted), and beside the official code.

    Example: `nova-eval bench sampler --model mini --threads 1 --diffusion-steps 25 --batches 1 16 --official CHECKOUT`

    Parameters
    ----------
    json
        Print a JSON list of {diffusion_steps, batch, speedup, …}.
    """
    environment.known_device(asked.device)
    with needed_by("bench sampler"):
        from nova_eval.checks.bench import sampler

        rows = sampler.measure(asked, say=talk)
        _page(asked.output, "sampler", sampler.lines(rows))
        return _print(rows, sampler.lines, json=json)


@bench_app.command(name="sweep")
def bench_sweep(benchmark: str, /, *, asked: SweepBench, flags: Flags = UNSET, json: bool = False) -> int:
    """Run a benchmark at several values of one setting: scores, motion and time at each.

    Example: `nova-eval bench sweep vbench --over sampler.guidance_scale=1,3,5 --limit 16`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    json
        Print a JSON list of {value, run, metrics, seconds, motion}.
    """
    from nova_eval.checks.bench import sweep

    points = sweep.measure(asked, lambda override: open_run(benchmark, flags.but(set=(*flags.set, override))), talk)
    return _print(points, lambda found: sweep.lines(asked, found), json=json)


@bench_app.command(name="geneval")
def bench_geneval(*, asked: GenEvalBench = GenEvalBench(), json: bool = False) -> int:
    """GenEval's detector and colors, one image after the other against batches, measured in the same run.

    Example: `nova-eval bench geneval --images 8`

    Parameters
    ----------
    json
        Print one JSON object.
    """
    environment.known_device(asked.device)
    with needed_by("bench geneval"):
        from nova_eval.checks.bench import geneval

        return _print(geneval.measure(asked, talk), geneval.lines, json=json)


@bench_app.command(name="vqa")
def bench_vqa(*, asked: VqaBench = VqaBench(), json: bool = False) -> int:
    """Questions about an image: encoded once for all of them, against anew for each, measured in the same run.

    Example: `nova-eval bench vqa --json`

    Parameters
    ----------
    json
        Print one JSON object.
    """
    environment.known_device(asked.device)
    with needed_by("bench vqa"):
        from nova_eval.checks.bench import vqa

        return _print(vqa.measure(asked, talk), vqa.lines, json=json)


@bench_app.command(name="judges")
def bench_judges(*, asked: JudgesBench = JudgesBench(), json: bool = False) -> int:
    """VBench's judges beside the official vbench 0.1.5, measured in turns on the same clips, weights and cores.

    The package runs in the environment of `crosscheck`; random weights are drawn where there are none.

    Example: `nova-eval bench judges --json`

    Parameters
    ----------
    json
        Print one JSON object instead of the table.
    """
    with needed_by("bench judges"):
        from nova_eval.checks.bench import judges

        figures = judges.measure(asked, talk)
        _page(asked.output, "judges", judges.lines(figures))
        return _print(figures, judges.lines, json=json)


@bench_app.command(name="gpu")
def bench_gpu(*, asked: GpuBench = GpuBench(), json: bool = False) -> int:
    """All that only a GPU can show, in six minutes: rates, parity, seconds a video, judges, memory, overlap.

    Every part has its time; one that fails is a line with its reason. Exit code 3 if a part was not measured whole.

    Example: `nova-eval bench gpu --output FOLDER`

    Parameters
    ----------
    json
        Print one JSON object, as in gpu.json.
    """
    environment.known_device(asked.device)
    with needed_by("bench gpu"):
        from nova_eval.checks.bench.gpu import course, figures

        found = course.measure(asked, talk)
    talk(f"wrote {asked.output / 'gpu.json'} and gpu.md")
    code = _print(found, figures.lines, json=json)
    return code if all(part["state"] == "measured" for part in found["parts"]) else errors.INCOMPLETE


@bench_app.command(name="intervals")
def bench_intervals(*, asked: IntervalsBench = IntervalsBench(), json: bool = False) -> int:
    """How often the 95 % intervals of tables contain the truth, simulated, beside Student's t.

    Example: `nova-eval bench intervals --output FOLDER`

    Parameters
    ----------
    json
        Print a JSON list of {distribution, weights, prompts, samples, true, coverage, width, …}.
    """
    from nova_eval.checks.bench import intervals

    cells = intervals.measure(asked, talk)
    if asked.output is not None:
        for path in intervals.write(asked.output, cells):
            talk(f"wrote {path}")
    return _print(cells, intervals.lines, json=json)


@bench_app.command(name="compare")
def bench_compare(*, asked: CompareBench = CompareBench(), json: bool = False) -> int:
    """What `compare` and `--until-decided` promise, on pairs of runs of known truth.

    Example: `nova-eval bench compare --prompts 20 50`

    Parameters
    ----------
    json
        Print a JSON object of a list a part.
    """
    from nova_eval.checks.bench import study

    found = study.measure(asked, talk)
    if asked.output is not None:
        for path in study.write(asked.output, found):
            talk(f"wrote {path}")
    if json:
        print_json({part: [asdict(row) for row in rows] for part, rows in found.parts.items()})
    else:
        put(study.lines(found))
    return errors.OK


@bench_app.command(name="faults")
def bench_faults(*, asked: FaultsBench = FaultsBench(), json: bool = False) -> int:
    """Kill, tear, fill, exchange, hang: what small runs lose, double or silently change. Exit code 1 if anything.

    Example: `nova-eval bench faults`

    Parameters
    ----------
    json
        Print a JSON list of {kind, injected, lost, doubled, silent, hangs, orphans, unclear}.
    """
    from nova_eval.checks.bench.faults import campaign

    found = campaign.measure(asked, talk)
    if asked.output is not None:
        for path in campaign.write(asked.output, found, ray=asked.ray):
            talk(f"wrote {path}")
    code = _print(found, campaign.lines, json=json)
    return errors.GATE_FAILED if campaign.total(found).wrong else code


@bench_app.command(name="fuzz")
def bench_fuzz(*, asked: FuzzBench = FuzzBench(), json: bool = False) -> int:
    """Files and values changed at random, through every reader: each is read or refused. Exit code 1 if anything else.

    Example: `nova-eval bench fuzz`

    Parameters
    ----------
    json
        Print a JSON list of {reader, cases, read, refused, foreign, slow, slowest, kinds}.
    """
    with needed_by("bench fuzz"):
        from nova_eval.checks.bench.fuzz import report

        outcomes = report.measure(asked, talk)
    if asked.output is not None:
        for path in report.write(asked.output, outcomes, asked):
            talk(f"wrote {path}")
    code = _print(outcomes, report.lines, json=json)
    return errors.GATE_FAILED if any(outcome.foreign for outcome in outcomes) else code


def _page(folder: Path | None, name: str, text: str) -> None:
    from nova_eval.checks.bench import written

    if folder is not None:
        talk(f"wrote {written.page(folder / f'{name}.md', name, text)}")


def _print(measured: T, lines: Callable[[T], str], *, json: bool) -> int:
    """What was measured: the lines for people, or the same for programs."""
    if json:
        print_json([asdict(row) for row in measured] if isinstance(measured, list) else measured)
    else:
        put(lines(measured))
    return errors.OK
