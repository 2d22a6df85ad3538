"""VBench's official judges on procedural weights: a suite for all sixteen dimensions, clips, and runs over them."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval import media
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.engines import worker
from nova_eval.plan import wanted_keys
from nova_eval.protocols import Frames
from nova_eval.records import Prompt
from nova_eval.runs.external import ExternalMedia
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome
from nova_eval.samplers.folder import FolderSampler

SUBJECT = ("subject_consistency", "dynamic_degree", "motion_smoothness")
OVERALL = ("overall_consistency", "aesthetic_quality", "imaging_quality")
SCENE = ("scene", "background_consistency")


def suite(counts: dict[str, int], named: str = "nobody") -> tuple[Prompt, ...]:
    """``counts`` prompts a file of the official suite. ``named`` is an object that the color prompt names."""
    prompts: list[Prompt] = []

    def add(text: str, tags: tuple[str, ...], reference: dict[str, Any] | None = None) -> None:
        prompts.append(Prompt(f"twenty/{len(prompts):04}", text, tags, reference or {}))

    for number in range(counts.get("subject", 0)):
        add(f"a cow bending down to drink water from river {number}", SUBJECT)
    for number in range(counts.get("overall", 0)):
        add(f"A boat sailing leisurely along the Seine, take {number}", OVERALL)
    for number in range(counts.get("scene", 0)):
        add(f"alley {number}", SCENE, {"scene": {"scene": {"scene": "alley"}}})
    for number in range(counts.get("flickering", 0)):
        add(f"In a still frame, a stop sign {number}", ("temporal_flickering",))
    for number in range(counts.get("action", 0)):
        add(f"A person is riding a bike {number}", ("human_action",))
    for number in range(counts.get("temporal", 0)):
        add(f"The bund Shanghai, zoom in {number}", ("temporal_style",))
    for number in range(counts.get("appearance", 0)):
        style = {"appearance_style": ("Van Gogh style", "oil painting")[number % 2]}
        add(f"A shark is swimming in the ocean {number}", ("appearance_style",), {"appearance_style": style})
    for number in range(counts.get("objects", 0)):
        add(f"a person {number}", ("object_class",), {"object_class": {"object": "person"}})
        add(f"a bird and a cat {number}", ("multiple_objects",), {"multiple_objects": {"object": "bird and cat"}})
        two = {"object_a": "bicycle", "object_b": "car", "relationship": "on the left of"}
        about = {"spatial_relationship": {"spatial_relationship": two}}
        add(f"a bicycle on the left of a car, front view {number}", ("spatial_relationship",), about)
    for _ in range(counts.get("color", 0)):
        add(f"a green {named}", ("color",), {"color": {"color": "green"}})
    return tuple(prompts)


TWENTY = {
    "subject": 1,
    "overall": 1,
    "scene": 2,
    "flickering": 5,
    "action": 2,
    "temporal": 2,
    "appearance": 3,
    "objects": 1,
    "color": 1,
}


def footage(count: int, frames: int, height: int, width: int) -> Iterator[Frames]:
    """Different clips of one size: four scenes, turned and played backwards."""
    scenes = [moving_shapes(seed, frames, height, width) for seed in range(min(4, count))]
    for number in range(count):
        clip = scenes[number % 4]
        clip = clip[::-1] if number // 4 % 2 else clip
        clip = clip[:, ::-1] if number // 8 % 2 else clip
        yield np.ascontiguousarray(clip[:, :, ::-1] if number // 16 % 2 else clip)


def film(folder: Path, prompts: Sequence[Prompt], frames: int, height: int, width: int, fps: float = 12.0) -> None:
    """H.264 clips under their official names; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for prompt, clip in zip(prompts, footage(len(prompts), frames, height, width), strict=True):
        path = folder / f"{prompt.text}-0.mp4"
        if not path.exists():
            path.write_bytes(media.encode_video(clip, fps))


def opened(clips: Path, prompts: Sequence[Prompt], results: Path, mirror: Path, **flags: Any) -> Run:
    """The run of ``run vbench --sampler folder:CLIPS`` with ``prompts`` in the place of the official suite.

    It passes for light, so that one worker is this process, where ``measured`` sees what it does.
    """
    asked = {"sampler": f"folder:{clips}", "results": results, "mirror": mirror, "offline": True, "device": "cpu"}
    found = open_run(*resolve("vbench", {**asked, "samples_per_prompt": 1, **flags}))
    wanted = tuple(wanted_keys(prompts, found.config, found.options))
    external = ExternalMedia(FolderSampler(clips), tuple(prompts), wanted)
    return replace(found, suite=tuple(prompts), prompts=tuple(prompts), wanted=wanted, external=external, light=True)


@dataclass
class Cost:
    """``seconds`` (wall, processor) by scorer, peak resident bytes, and how often files were decoded."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    loaded: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    decoded: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    peak_bytes: int = 0


@contextmanager
def measured(say: bool = False) -> Iterator[Cost]:
    """Watches every worker of this process while a run is on."""
    from nova_eval.judges import hosting

    cost = Cost()
    answer_of, load, decode = worker.rows_of, hosting.pinned.load_state_dict, media.videos.decode

    def timed(scorer: Any, items: Any, *settings: Any, **named: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        answer = answer_of(scorer, items, *settings, **named)
        cost.seconds[scorer.name][0] += time.perf_counter() - wall
        cost.seconds[scorer.name][1] += time.process_time() - cpu
        if say:
            peak = cost.peak_bytes / 2**30
            print(
                f"{scorer.name} {len(items)} clips: {time.process_time() - cpu:.1f} s processor, peak {peak:.2f} GiB",
                flush=True,
            )
        return answer

    def loading(path: Path, *settings: Any) -> Any:
        cost.loaded[path.name] += 1
        return load(path, *settings)

    def decoding(path: Path, *settings: Any) -> Any:
        cost.decoded[path.name] += 1
        return decode(path, *settings)

    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            cost.peak_bytes = max(cost.peak_bytes, tree_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    worker.rows_of, hosting.pinned.load_state_dict, media.videos.decode = timed, loading, decoding
    watcher.start()
    try:
        yield cost
    finally:
        done.set()
        watcher.join()
        worker.rows_of, hosting.pinned.load_state_dict, media.videos.decode = answer_of, load, decode
        cost.peak_bytes = max(cost.peak_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def tree_bytes() -> int:
    """Resident bytes of this process and all its children (shared pages counted by share)."""
    import os

    def of(pid: int) -> int:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (OSError, StopIteration):
            return 0
        return own + sum(of(int(child)) for child in children)

    return of(os.getpid())


def scored(
    clips: Path, prompts: Sequence[Prompt], results: Path, mirror: Path, *, say: bool = False, **flags: Any
) -> tuple[Outcome, Cost]:
    """A whole run and what it cost."""
    with measured(say) as cost:
        return run(opened(clips, prompts, results, mirror, **flags)), cost


def values(outcome: Outcome) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in outcome.summary.metrics}


def named_first(clip: Path) -> str:
    """What the dense captioner calls its surest box in the first frame of ``clip``'s middle with a usable name.

    The official rule derives the object from the prompt by removing ``"a "``, ``"an "`` and the color wherever they
    stand, also inside of a word, so a name that would not survive this is no use.
    """
    from nova_eval.adapters.vbench.color import object_name
    from nova_eval.judges.grit import GritDenseCaptioner

    judge = GritDenseCaptioner()
    for frame in media.read(clip).frames[8:]:
        found = judge.describe(frame[None])[0]
        if found and object_name(f"a green {found[0].label}", "green") == found[0].label:
            return found[0].label
    return "nobody"


def main(weights: Path, work: Path, mirror: Path, frames: int = 33, height: int = 480, width: int = 768) -> None:
    """``python official_world.py WEIGHTS WORK MIRROR [FRAMES HEIGHT WIDTH]``: the twenty clips once, with figures.

    GRiT's four dimensions come last: on a CPU they take longer than the other twelve together.
    """
    import os

    import torch

    os.environ["NOVA_EVAL_WEIGHTS"] = str(weights)
    torch.set_num_threads(1)
    clips = work / "clips"
    film(clips, suite(TWENTY), frames, height, width)
    without = suite({name: count for name, count in TWENTY.items() if name not in {"objects", "color"}})
    _report(*scored(clips, without, work / "results", mirror, say=True))
    color, note = clips / "a green nobody-0.mp4", work / "named.txt"
    if not note.exists():
        note.write_text(named_first(color))
    prompts = suite(TWENTY, note.read_text())
    named = clips / f"{prompts[-1].text}-0.mp4"
    if not named.exists():
        named.hardlink_to(color)
    outcome, cost = scored(clips, prompts, work / "results", mirror, say=True)
    _report(outcome, cost)
    answer = {"values": values(outcome), "fraction": outcome.summary.coverage.fraction, "peak_bytes": cost.peak_bytes}
    print(json.dumps({**answer, "decoded": cost.decoded, "loaded": cost.loaded}))


def _report(outcome: Outcome, cost: Cost) -> None:
    for name, (wall, cpu) in sorted(cost.seconds.items()):
        print(f"{name}: {wall:.1f} s wall, {cpu:.1f} s processor")
    print(f"peak {cost.peak_bytes / 2**30:.2f} GiB; decoded {dict(cost.decoded)}; loaded {dict(cost.loaded)}")
    print(values(outcome), outcome.summary.coverage, flush=True)


if __name__ == "__main__":
    import sys

    main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:]))
