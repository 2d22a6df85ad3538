"""GenEval's judge one image after the other beside images in batches, measured in turns in one run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval import weights as pinned
from nova_eval.checks.bench.options import GenEvalBench
from nova_eval.checks.bench.timing import Beside, clock, in_turns, table
from nova_eval.errors import UsageError, unknown

if TYPE_CHECKING:
    from nova_eval.protocols import Detection, Frames

JUDGES = ("geneval_objects", "geneval_objects_mmdet")
_SMALL = (32, 1360)  # what Mask2Former looks at with the least work: one row of its coarsest cells


def measure(asked: GenEvalBench, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Images a second of detector and colors, alone and in batches; ``speedup`` of each part; ``difference``.

    Rendered scenes are looked at, and in each the surest objects (of whatever score) are asked for their colors: one by
    one, then a batch of images at once and the objects of an image together. Weights that are missing are drawn at
    random, which does not change what is computed. ``difference`` is the largest of a score between the two ways. Times
    are medians, preprocessing included and in processor seconds on the CPU, which other programs disturb less; what a
    color is called is read before, once for a run.
    """
    if min(asked.images, asked.batch, asked.objects, asked.repeats) < 1 or min(asked.height, asked.width) < 16:
        raise UsageError("bench geneval needs an image of 16×16 pixels or more, a batch, an object and a repeat")
    if asked.judge not in JUDGES:
        raise unknown("judge to measure", asked.judge, JUDGES)
    if asked.judge != JUDGES[0] and asked.dtype != "float32":
        raise UsageError(f"{asked.judge} computes in float32 only", remedy="leave out --dtype")
    import torch

    from nova_eval.judges import JUDGES as registered
    from nova_eval.judges.geneval_colors import COLORS, texts

    with tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as folder:
        paths, drawn = _weights(Path(folder), say)
        maker: Any = registered.get(asked.judge)
        settings = {"dtype": asked.dtype} if asked.judge == JUDGES[0] else {}
        judge: Any = maker(batch=asked.batch, **paths, **settings).to(asked.device)
        frames = scenes(asked.images, asked.height, asked.width)
        say("loading")
        warm = scenes(1, *_SMALL)
        judge.colors(warm[0], _surest(judge.detect(warm)[0], 1))
        found = in_turns(
            {
                "alone": lambda repeat: [judge.detect(frame[None])[0] for frame in frames],
                "batched": lambda repeat: judge.detect(frames),
            },
            asked.repeats,
            asked.device,
            say,
        )
        chosen = [_surest(some, asked.objects) for some in found["batched"].answer]
        judge.namer.text_features(
            [line for label in _labels(chosen) for color in COLORS for line in texts(color, label)]
        )
        pairs = list(zip(frames, chosen, strict=True))
        colored = in_turns(
            {
                "alone": lambda repeat: [judge.colors(frame, [one]) for frame, some in pairs for one in some],
                "batched": lambda repeat: [judge.colors(frame, some) for frame, some in pairs],
            },
            asked.repeats,
            asked.device,
            say,
        )
    detect, color = ({way: turn.median(asked.device) for way, turn in turns.items()} for turns in (found, colored))
    one_by_one, together = (detect[way] + color[way] for way in ("alone", "batched"))
    return {
        **asdict(asked),
        "objects": sum(map(len, chosen)),
        "threads": torch.get_num_threads(),
        "clock": clock(asked.device),
        "random_weights": drawn,
        **{f"seconds_detect_{way}": seconds for way, seconds in detect.items()},
        **{f"seconds_color_{way}": seconds for way, seconds in color.items()},
        "images_per_second_alone": asked.images / one_by_one,
        "images_per_second_batched": asked.images / together,
        "speedup": one_by_one / together,
        "speedup_detect": detect["alone"] / detect["batched"],
        "speedup_color": color["alone"] / color["batched"],
        "difference": _difference(found["alone"].answer, found["batched"].answer),
    }


def lines(row: Mapping[str, Any]) -> str:
    """The figures for people."""
    weights = f", random weights for {', '.join(row['random_weights'])}" if row["random_weights"] else ""
    parts = [
        Beside(
            f"  {name}",
            row[f"seconds_{part}_batched"],
            row[f"seconds_{part}_alone"],
            row[f"speedup_{part}"],
        )
        for name, part in (("objects", "detect"), ("colors", "color"))
    ]
    both = Beside("  both", sum(p.ours for p in parts), sum(p.other for p in parts), row["speedup"])
    return "\n".join(
        [
            f"{row['judge']} ({row['dtype']}, {row['device']}, {row['threads']} threads{weights}), {row['images']} "
            f"images of {row['height']}×{row['width']}, {row['objects']} objects asked for their color; seconds of "
            f"{row['clock']} time:",
            *table((f"batches of {row['batch']}", "one by one"), [*parts, both]),
            f"  {row['images_per_second_batched']:.3g} against {row['images_per_second_alone']:.3g} images/s; "
            f"largest difference of a score {row['difference']:.1e}",
        ]
    )


def scenes(count: int, height: int, width: int) -> Frames:
    """Rendered scenes (N, H, W, 3) of the embedded world, all different."""
    import numpy as np

    from nova_eval.sprites.examples import example_scene
    from nova_eval.sprites.renderer import render

    made = [render(example_scene(n, seed=0), n, frames=1, height=height, width=width)[0] for n in range(count)]
    return np.stack(made)


def _labels(chosen: Sequence[Sequence[Detection]]) -> list[str]:
    return list(dict.fromkeys(one.label for some in chosen for one in some))


def _surest(found: Sequence[Detection], number: int) -> list[Detection]:
    """The first objects that have an extent."""
    return [one for one in found if one.box[2] > one.box[0] and one.box[3] > one.box[1]][:number]


def _difference(alone: Sequence[Sequence[Detection]], batched: Sequence[Sequence[Detection]]) -> float:
    pairs = [pair for one, other in zip(alone, batched, strict=True) for pair in zip(one, other, strict=True)]
    return max(abs(one.score - other.score) for one, other in pairs)


def _weights(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Path], list[str]]:
    """The judge's two files as its arguments, and which of them are drawn at random."""
    from nova_eval.checks.parity.weight_files import SEEDS, write

    paths, drawn = {}, []
    for argument, name in (("weights", "mask2former_swin_s"), ("clip", "clip_vit_l14")):
        found = pinned.find(name)
        if found is None:
            say(f"random weights are drawn for {name}")
            drawn.append(name)
            published = "mask2former" if argument == "weights" else "clip_vit_l_14"
            found = write(published, SEEDS.get(published, 0), folder)
        paths[argument] = found
    return paths, drawn
