"""VBench's judges beside the official package, clip by clip in turns, on the same files, weights and cores.

Here a clip is decoded once and judges stay loaded; the package decodes it anew for every dimension. Both sides see a
small clip first, so that what only happens once is in the loading time.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from nova_eval import environment as machine
from nova_eval import media, weights
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench import OFFICIAL
from nova_eval.checks.crosscheck.crosscheck import environment, weights_in
from nova_eval.checks.crosscheck.installation import Environment
from nova_eval.checks.crosscheck.official import (
    FILES,
    Answer,
    Question,
    command,
    place_files,
    read_answers,
    surroundings,
)
from nova_eval.checks.parity.procedural import moving_shapes, pan
from nova_eval.checks.parity.weight_files import STAND_INS, write
from nova_eval.engines.questions import scores_of
from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey

DIMENSIONS = (
    *("temporal_flickering", "subject_consistency", "background_consistency", "appearance_style"),
    *("aesthetic_quality", "imaging_quality", "motion_smoothness", "dynamic_degree"),
)
PUBLISHED = Path(__file__).parents[1] / "parity" / "published"
"""Names and shapes of the entries of the published weight files, of which random ones of the same cost are drawn."""

_STYLE = "oil painting"
_SMALL = (5, 128, 160)  # frames, height, width


@dataclass
class Cost:
    """Seconds of one dimension, a number a clip and repeat."""

    load: float = 0.0
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(
    *,
    dimensions: Sequence[str] = (),
    clips: int = 2,
    frames: int = 33,
    height: int = 480,
    width: int = 768,
    fps: float = 12.0,
    repeats: int = 1,
    threads: int | None = None,
    weights_folder: Path | None = None,
    place: Path | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Facts of the measurement, and under ``dimensions`` a row each: seconds a clip of both sides and their ratios.

    ``ratio`` is the median over clips of the package's wall time over ours, taken one after the other; ``cpu_ratio``
    is that of the sums of processor seconds, which other programs on the machine disturb less. ``together`` adds up
    all dimensions that ran on both sides, decoding included. Weights come from ``weights_folder`` or where
    ``weights fetch`` puts them; where one is missing, random ones of the same shapes are drawn. PrerequisiteError when
    the package's environment cannot be made or no dimension runs there.
    """
    for name in dimensions:
        if name not in DIMENSIONS:
            raise unknown("dimension to measure", name, DIMENSIONS)
    if min(clips, repeats) < 1 or frames < 3 or min(height, width) < 128:
        raise UsageError("one clip or more of three frames or more, 128 pixels a side or more, can be measured")
    names = [name for name in DIMENSIONS if not dimensions or name in dimensions]
    cores = threads or machine.cpu_count()
    official = environment(place, say)
    with tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as temporary:
        folder = Path(temporary)
        with weights_in(weights_folder):
            drawn = _missing(names)
        if drawn and weights_folder is None:
            say(f"random weights stand in for {', '.join(drawn)}")
            weights_folder = _stand_ins(names, folder / "weights")
        with weights_in(weights_folder):
            cache = folder / "cache"
            cache.mkdir()
            refused = {name: place_files(name, cache, mirror=mirror, offline=offline) for name in names}
            run = [name for name in names if not refused[name]]
            if not run:
                raise PrerequisiteError(f"no dimension can be measured: {'; '.join(dict.fromkeys(refused.values()))}")
            paths = _film(folder, clips, (frames, height, width), fps)
            order = [paths[0], *paths[1:] * repeats]
            ours, theirs, notes = _in_turns(official, run, cache, order, threads=cores, say=say)
    rows: list[dict[str, Any]] = [
        {"dimension": name, **_row(ours[name], theirs[name]), "note": notes.get(name, "")}
        for name in run
        if not theirs[name].error
    ]
    refused.update({name: theirs[name].error for name in run if theirs[name].error})
    if not rows:
        raise PrerequisiteError(f"no dimension was measured: {'; '.join(dict.fromkeys(refused.values()))}")
    return {
        "clips": clips,
        "repeats": repeats,
        "frames": frames,
        "height": height,
        "width": width,
        "fps": fps,
        "threads": cores,
        "cpu": machine.cpu_name(),
        "random_weights": drawn,
        "dimensions": rows,
        "together": _together(ours, theirs, [row["dimension"] for row in rows]),
        "not_measured": {name: reason for name, reason in refused.items() if reason},
    }


def lines(result: Mapping[str, Any]) -> str:
    """The result for people."""
    text = [
        f"{result['clips']} clips of {result['frames']} frames of {result['height']}×{result['width']} at "
        f"{result['fps']:g} fps, {result['threads']} threads, {result['cpu']}; seconds a clip:",
        f"{'':<24}{'ours':>9}{'vbench':>9}{'ratio':>8}{'CPU ratio':>11}   loading: ours, vbench",
    ]
    text += [
        f"{row['dimension']:<24}{row['ours']:>9.2f}{row['official']:>9.2f}{row['ratio']:>7.2f}×"
        f"{row['cpu_ratio']:>10.2f}×   {row['load']:.1f}, {row['official_load']:.1f}  {row['note']}".rstrip()
        for row in result["dimensions"]
    ]
    together = result["together"]
    text.append(
        f"{'all together':<24}{together['ours']:>9.2f}{together['official']:>9.2f}{together['ratio']:>7.2f}×"
        f"{together['cpu_ratio']:>10.2f}×   of ours {together['decode']:.2f} for decoding once"
    )
    text += [f"not measured: {name} ({reason})" for name, reason in result["not_measured"].items()]
    return "\n".join(text)


def _missing(names: Sequence[str]) -> list[str]:
    wanted = dict.fromkeys(file for name in names for file in FILES[name])
    return [name for name in wanted if weights.find(name) is None]


def _stand_ins(names: Sequence[str], folder: Path) -> Path:
    """Random weights in the published files' names, shapes and wrapping."""
    import torch

    folder.mkdir()
    files = {weights.entry(entry).file for name in names for entry in FILES[name]}
    for judge, stand_in in STAND_INS.items():
        if stand_in.file not in files:
            continue
        path = write(PUBLISHED, judge, 0, folder)
        if stand_in.wrapping.startswith("in:"):  # the package would need the classes of what lies beside them
            key = stand_in.wrapping.removeprefix("in:")
            torch.save({key: weights.load_state_dict(path, stand_in.wrapping)}, path)
    return folder


def _film(folder: Path, clips: int, size: tuple[int, int, int], fps: float) -> list[Path]:
    """A small clip and ``clips`` to measure, as H.264: shapes that move and a camera that does, by turns."""
    films = [moving_shapes(0, *_SMALL)]
    films += [pan(n, *size, dx=12, dy=4) if n % 2 else moving_shapes(n, *size) for n in range(clips)]
    paths = []
    for number, film in enumerate(films):
        paths.append(folder / f"{number}.mp4")
        paths[-1].write_bytes(media.encode_video(film, fps))
    return paths


def _in_turns(
    official: Environment,
    names: Sequence[str],
    cache: Path,
    order: Sequence[Path],
    *,
    threads: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Cost], dict[str, Answer], dict[str, str]]:
    """Costs by dimension (``""``: decoding) and the package's answers. The package waits while this process works."""
    import torch

    torch.set_num_threads(threads)
    row = {"prompt_en": _STYLE, "dimension": list(names), "video_list": [str(path) for path in order]}
    info = [{**row, "auxiliary_info": {"appearance_style": {"appearance_style": _STYLE}}}]
    questions = [Question(name, info) for name in names]
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
    return side.costs, {name: theirs.get(name, Answer(name, error=ended)) for name in names}, side.notes


class _OurSide:
    """Scores one clip under one dimension and keeps the time. Judges stay loaded, clips stay decoded."""

    def __init__(self, order: Sequence[Path]) -> None:
        self.costs: dict[str, Cost] = {"": Cost()}
        self.notes: dict[str, str] = {}
        self._order = order
        self._items: dict[int, Item] = {}
        self._rules = {rule.name: rule for rule in OFFICIAL}
        self._judges: dict[str, Any] = {}
        config = load_benchmark("vbench").config
        roles = {name: config.dimensions[name].role for name in DIMENSIONS}
        self._judge_of = {name: config.judges["official"][role] if role else "" for name, role in roles.items()}

    def look(self, name: str, index: int) -> None:
        """Index 0 is the small clip: its time is loading."""
        item = self._item(index)
        cost = self.costs.setdefault(name, Cost())
        wall, cpu = time.perf_counter(), time.process_time()
        (score,) = scores_of(self._rules[name], [item], self._judge(self._judge_of[name]))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if index == 0:
            cost.load = wall
            return
        cost.cpu.append(cpu)
        cost.wall.append(wall)
        if "pair_motion" in score.detail:
            looked_at = len(score.detail["pair_motion"])
            self.notes[name] = f"{self.notes.get(name, 'pairs looked at:')} {looked_at}"

    def _item(self, index: int) -> Item:
        if index not in self._items:
            wall, cpu = time.perf_counter(), time.process_time()
            clip = media.read(self._order[index])
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if index:
                self.costs[""].cpu.append(cpu)
                self.costs[""].wall.append(wall)
            prompt = Prompt(f"bench/{index:04}", _STYLE, DIMENSIONS, {"appearance_style": _STYLE})
            size = (clip.width, clip.height, len(clip), clip.fps)
            self._items[index] = Item(prompt, Sample(SampleKey(prompt.id, 0), 0, "", "", 0, *size, 0.0), clip)
        return self._items[index]

    def _judge(self, name: str) -> Any:
        if name and name not in self._judges:
            judge: Any = JUDGES.get(name)
            self._judges[name] = judge().to("cpu")
        return self._judges.get(name)


def _row(ours: Cost, theirs: Answer) -> dict[str, float]:
    wall, cpu = theirs.wall[1:], theirs.cpu[1:]
    return {
        "ours": mean(ours.wall),
        "official": mean(wall),
        "ratio": median(official / own for official, own in zip(wall, ours.wall, strict=True)),
        "ours_cpu": mean(ours.cpu),
        "official_cpu": mean(cpu),
        "cpu_ratio": sum(cpu) / sum(ours.cpu),
        "load": ours.load,
        "official_load": theirs.load + theirs.wall[0],
    }


def _together(ours: Mapping[str, Cost], theirs: Mapping[str, Answer], names: Sequence[str]) -> dict[str, float]:
    count = len(ours[names[0]].wall)
    own = sum(sum(ours[name].wall) for name in ("", *names)) / count
    own_cpu = sum(sum(ours[name].cpu) for name in ("", *names)) / count
    official = sum(sum(theirs[name].wall[1:]) for name in names) / count
    official_cpu = sum(sum(theirs[name].cpu[1:]) for name in names) / count
    return {
        "ours": own,
        "official": official,
        "ratio": official / own,
        "ours_cpu": own_cpu,
        "official_cpu": official_cpu,
        "cpu_ratio": official_cpu / own_cpu,
        "decode": mean(ours[""].wall),
    }
