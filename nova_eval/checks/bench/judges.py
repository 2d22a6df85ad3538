"""VBench's judges beside the official package, clip by clip in turns, on the same files, weights and cores.

Here a clip is decoded once and judges stay loaded; the package decodes it anew for every dimension. Both sides see a
small clip first, so that what only happens once is in the loading time.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from nova_eval import environment as machine
from nova_eval import media, weights
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench import OFFICIAL
from nova_eval.checks.bench.floor import operations, rates
from nova_eval.checks.bench.options import JudgesBench
from nova_eval.checks.bench.timing import Beside, Seconds, table, timed
from nova_eval.checks.crosscheck.installation import Environment, environment
from nova_eval.checks.crosscheck.official import (
    FILES,
    OfficialAnswer,
    OfficialCall,
    command,
    place_files,
    read_answers,
    surroundings,
    weights_in,
)
from nova_eval.checks.parity.items import moving_shapes, pan
from nova_eval.checks.parity.weight_files import PUBLISHED, published, write
from nova_eval.engines.questions import scores_of
from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey, Score

DIMENSIONS = (
    *("temporal_flickering", "subject_consistency", "background_consistency", "appearance_style"),
    *("aesthetic_quality", "imaging_quality", "motion_smoothness", "dynamic_degree"),
)

_STYLE = "oil painting"
_SMALL = (5, 128, 160)  # frames, height, width


@dataclass
class Cost:
    """Seconds of one dimension: of loading, of the first clip's arithmetic alone, and a number a clip and repeat."""

    load: float = 0.0
    floor: float = 0.0
    clips: list[Seconds] = field(default_factory=list)


def measure(asked: JudgesBench, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Facts of the measurement, and under ``dimensions`` a row each: seconds a clip of both sides and their ratios.

    ``ratio`` is the median over clips of the package's wall time over ours, taken one after the other; ``cpu_ratio``
    is that of the sums of processor seconds, which other programs on the machine disturb less. ``floor`` are the
    processor seconds of the first clip's products and convolutions at the machine's own rates, which are measured
    here as well, and ``above_floor`` says how many times as long we take for that clip. ``together`` adds up
    all dimensions that ran on both sides, decoding included. Weights come from the package's folder or where
    ``weights fetch`` puts them; where one is missing, random ones of the same shapes are drawn. PrerequisiteError when
    the package's environment cannot be made or no dimension runs there.
    """
    for name in asked.dimensions:
        if name not in DIMENSIONS:
            raise unknown("dimension to measure", name, DIMENSIONS)
    if min(asked.clips, asked.repeats) < 1 or asked.frames < 3 or min(asked.height, asked.width) < 128:
        raise UsageError("one clip or more of three frames or more, 128 pixels a side or more, can be measured")
    names = [name for name in DIMENSIONS if not asked.dimensions or name in asked.dimensions]
    package = asked.package
    official = environment(package.environment, say, offline=package.offline)
    with tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as temporary:
        folder, weights_folder = Path(temporary), package.weights
        with weights_in(weights_folder):
            drawn = _missing(names)
        if drawn and weights_folder is None:
            say(f"random weights are drawn for {', '.join(drawn)}")
            weights_folder = _drawn(names, folder / "weights")
        with weights_in(weights_folder):
            cache = folder / "cache"
            cache.mkdir()
            places = {name: place_files(name, cache, package) for name in names}
            run = [name for name in names if not places[name]]
            if not run:
                raise PrerequisiteError(f"no dimension can be measured: {'; '.join(dict.fromkeys(places.values()))}")
            paths = _film(folder, asked)
            order = [paths[0], *paths[1:] * asked.repeats]
            ours, theirs, notes = _in_turns(official, run, cache, order, threads=package.cores, say=say)
    rows: list[dict[str, Any]] = [
        {"dimension": name, **_row(ours[name], theirs[name]), "note": notes.get(name, "")}
        for name in run
        if not theirs[name].error
    ]
    refused = {**places, **{name: theirs[name].error for name in run if theirs[name].error}}
    if not rows:
        raise PrerequisiteError(f"no dimension was measured: {'; '.join(dict.fromkeys(refused.values()))}")
    return {
        "clips": asked.clips,
        "repeats": asked.repeats,
        "frames": asked.frames,
        "height": asked.height,
        "width": asked.width,
        "fps": asked.fps,
        "threads": package.cores,
        "cpu": machine.cpu_name(),
        "random_weights": drawn,
        "dimensions": rows,
        "together": _together(ours, theirs, [row["dimension"] for row in rows]),
        "not_measured": {name: reason for name, reason in refused.items() if reason},
    }


def lines(result: Mapping[str, Any]) -> str:
    """The result for people."""
    together = result["together"]
    rows = [
        Beside(
            row["dimension"],
            row["ours"],
            row["official"],
            row["ratio"],
            f"   processor {row['cpu_ratio']:.2f}×, {_above(row)}"
            f"loading {row['load']:.1f} and {row['official_load']:.1f}  {row['note']}",
        )
        for row in result["dimensions"]
    ]
    remark = f"   processor {together['cpu_ratio']:.2f}×, of ours {together['decode']:.2f} for decoding once"
    rows.append(Beside("all together", together["ours"], together["official"], together["ratio"], remark))
    return "\n".join(
        [
            f"{result['clips']} clips of {result['frames']} frames of {result['height']}×{result['width']} at "
            f"{result['fps']:g} fps, {result['threads']} threads, {result['cpu']}; seconds a clip:",
            *table(("ours", "vbench"), rows),
            *(f"not measured: {name} ({reason})" for name, reason in result["not_measured"].items()),
        ]
    )


def _above(row: Mapping[str, Any]) -> str:
    return f"{row['above_floor']:.2f} × its arithmetic, " if row["above_floor"] else ""


def _missing(names: Sequence[str]) -> list[str]:
    wanted = dict.fromkeys(file for name in names for file in FILES[name])
    return [name for name in wanted if weights.find(name) is None]


def _drawn(names: Sequence[str], folder: Path) -> Path:
    """Random weights in the published files' names, shapes and wrapping."""
    folder.mkdir()
    files = {weights.entry(entry).file for name in names for entry in FILES[name]}
    for path in PUBLISHED.iterdir():
        if published(path.name).file in files:
            write(path.name, 0, folder, alone=True)  # the package would need the classes of what lies beside them
    return folder


def _film(folder: Path, asked: JudgesBench) -> list[Path]:
    """A small clip and those to measure, as H.264: shapes that move and a camera that does, by turns."""
    size = (asked.frames, asked.height, asked.width)
    films = [moving_shapes(0, *_SMALL)]
    films += [pan(n, *size, dx=12, dy=4) if n % 2 else moving_shapes(n, *size) for n in range(asked.clips)]
    paths = [folder / f"{number}.mp4" for number in range(len(films))]
    for path, film in zip(paths, films, strict=True):
        path.write_bytes(media.encode_video(film, asked.fps))
    return paths


def _in_turns(
    official: Environment,
    names: Sequence[str],
    cache: Path,
    order: Sequence[Path],
    *,
    threads: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Cost], dict[str, OfficialAnswer], dict[str, str]]:
    """Costs by dimension (``""``: decoding) and the package's answers. The package waits while this process works."""
    import torch

    torch.set_num_threads(threads)
    machine.keep_memory()  # as worker processes do
    row = {"prompt_en": _STYLE, "dimension": list(names), "video_list": [str(path) for path in order]}
    info = [{**row, "auxiliary_info": {"appearance_style": {"appearance_style": _STYLE}}}]
    questions = [OfficialCall(name, info) for name in names]
    answers = cache / "answers.jsonl"
    side = _OurSide(order)
    with (cache / "log").open("wb") as log:
        process = subprocess.Popen(
            command(official, questions, cache, threads=threads, turns=True, answers=answers),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=surroundings(cache, threads),
            cwd=cache,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                name, index = line.split()
                say(f"{name}: clip {index} of {len(order) - 1}")
                side.look(name, int(index))
                process.stdin.write("\n")
                process.stdin.flush()
    theirs = {answer.dimension: answer for answer in read_answers(answers)}
    ended = f"the official process ended with code {process.returncode}"
    return side.costs, {name: theirs.get(name, OfficialAnswer(name, error=ended)) for name in names}, side.notes


class _OurSide:
    """Scores one clip under one dimension and keeps the time. Judges stay loaded, clips stay decoded."""

    def __init__(self, order: Sequence[Path]) -> None:
        self.costs: dict[str, Cost] = {"": Cost()}
        self.notes: dict[str, str] = {}
        self._order = order
        self._items: dict[int, Item] = {}
        self._rules = {rule.name: rule for rule in OFFICIAL}
        self._judges: dict[str, Any] = {}
        self._rates = rates()
        config = load_benchmark("vbench").config
        roles = {name: config.dimensions[name].role for name in DIMENSIONS}
        self._judge_of = {name: config.judges["official"][role] if role else "" for name, role in roles.items()}

    def look(self, name: str, index: int) -> None:
        """Index 0 is the small clip: its time is loading."""
        item = self._item(index)
        cost = self.costs.setdefault(name, Cost())

        def judged() -> list[Score]:
            return list(scores_of(self._rules[name], [item], self._judge(self._judge_of[name])))

        (score,), seconds = timed(judged)
        if index == 0:
            cost.load = seconds.wall
            return
        if not cost.clips:
            cost.floor = self._rates.floor(operations(judged))
        cost.clips.append(seconds)
        if "pair_motion" in score.detail:
            looked_at = len(score.detail["pair_motion"])
            self.notes[name] = f"{self.notes.get(name, 'pairs looked at:')} {looked_at}"

    def _item(self, index: int) -> Item:
        if index not in self._items:
            clip, seconds = timed(lambda: media.read(self._order[index]))
            if index:
                self.costs[""].clips.append(seconds)
            prompt = Prompt(f"bench/{index:04}", _STYLE, DIMENSIONS, {"appearance_style": _STYLE})
            size = (clip.width, clip.height, len(clip), clip.fps)
            self._items[index] = Item(prompt, Sample(SampleKey(prompt.id, 0), 0, "", "", 0, *size, 0.0), clip)
        return self._items[index]

    def _judge(self, name: str) -> Any:
        if name and name not in self._judges:
            judge: Any = JUDGES.get(name)
            self._judges[name] = judge().to("cpu")
        return self._judges.get(name)


def _row(ours: Cost, theirs: OfficialAnswer) -> dict[str, float | None]:
    wall, cpu = theirs.wall[1:], theirs.cpu[1:]
    own_wall, own_cpu = [taken.wall for taken in ours.clips], [taken.cpu for taken in ours.clips]
    return {
        "ours": mean(own_wall),
        "official": mean(wall),
        "ratio": median(official / own for official, own in zip(wall, own_wall, strict=True)),
        "ours_cpu": mean(own_cpu),
        "official_cpu": mean(cpu),
        "cpu_ratio": sum(cpu) / sum(own_cpu),
        "floor": ours.floor,
        "above_floor": own_cpu[0] / ours.floor if ours.floor else None,
        "load": ours.load,
        "official_load": theirs.load + theirs.wall[0],
    }


def _together(ours: Mapping[str, Cost], theirs: Mapping[str, OfficialAnswer], names: Sequence[str]) -> dict[str, float]:
    count = len(ours[names[0]].clips)
    taken = [seconds for name in ("", *names) for seconds in ours[name].clips]
    own, own_cpu = sum(seconds.wall for seconds in taken) / count, sum(seconds.cpu for seconds in taken) / count
    official = sum(sum(theirs[name].wall[1:]) for name in names) / count
    official_cpu = sum(sum(theirs[name].cpu[1:]) for name in names) / count
    return {
        "ours": own,
        "official": official,
        "ratio": official / own,
        "ours_cpu": own_cpu,
        "official_cpu": official_cpu,
        "cpu_ratio": official_cpu / own_cpu,
        "decode": mean(seconds.wall for seconds in ours[""].clips),
    }
