"""GenEval's judge one image after the other beside images in batches, measured in turns in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError, UsageError, unknown

if TYPE_CHECKING:
    from nova_eval.protocols import Detection, Frames

JUDGES = ("geneval_objects", "geneval_objects_mmdet")
PUBLISHED = Path(__file__).parents[1] / "parity" / "published"
_SMALL = (32, 1360)  # what Mask2Former looks at with the least work: one row of its coarsest cells


def measure(
    *,
    judge: str = JUDGES[0],
    images: int = 4,
    batch: int = 4,
    objects: int = 1,
    height: int = 512,
    width: int = 512,
    repeats: int = 1,
    device: str = "cpu",
    dtype: str = "float32",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Images a second of detector and colours, alone and in batches; ``speedup`` of each part; ``difference``.

    ``images`` rendered scenes are looked at, and in each the ``objects`` surest objects (of whatever score) are asked
    for their colours: one by one, then ``batch`` images at once and the objects of an image together. Weights that are
    missing are drawn at random, which does not change what is computed. ``difference`` is the largest of a score
    between the two ways. Times are the median of ``repeats``, preprocessing included and in processor
    seconds on the CPU, which other programs disturb less; what a colour is called is read before, once for a run.
    """
    if min(images, batch, objects, repeats) < 1 or min(height, width) < 16:
        raise UsageError("bench geneval needs an image of 16×16 pixels or more, a batch, an object and a repeat")
    if judge not in JUDGES:
        raise unknown("judge to measure", judge, JUDGES)
    if judge != JUDGES[0] and dtype != "float32":
        raise UsageError(f"{judge} computes in float32 only", remedy="leave out --dtype")
    try:
        import torch

        from nova_eval.adapters.geneval.prompts import COLORS
        from nova_eval.judges import JUDGES as registered
        from nova_eval.judges.geneval_colors import texts
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            f"bench geneval needs the package {error.name!r}", remedy="pip install 'nova_eval[judges]'"
        ) from error
    with tempfile.TemporaryDirectory(prefix="nova_eval-bench-") as folder:
        paths, drawn = _weights(Path(folder), say)
        maker: Any = registered.get(judge)
        settings = {"dtype": dtype} if judge == JUDGES[0] else {}
        asked: Any = maker(batch=batch, **paths, **settings).to(device)
        frames = scenes(images, height, width)
        say("loading")
        warm = scenes(1, *_SMALL)
        asked.colors(warm[0], _surest(asked.detect(warm)[0], 1))
        seconds: dict[str, list[float]] = {}
        clock = time.process_time if device == "cpu" else time.perf_counter

        def timed(name: str, work: Callable[[], Any]) -> Any:
            started = clock()
            answer = work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds.setdefault(name, []).append(clock() - started)
            return answer

        for repeat in range(repeats):
            say(f"repeat {repeat + 1} of {repeats}")
            alone = timed("detect_alone", lambda: [asked.detect(frames[n : n + 1])[0] for n in range(images)])
            batched = timed("detect_batched", lambda: asked.detect(frames))
            chosen = [_surest(found, objects) for found in batched]
            asked.namer.text_features(
                [line for label in _labels(chosen) for color in COLORS for line in texts(color, label)]
            )
            pairs = list(zip(frames, chosen, strict=True))
            single = [(frame, [one]) for frame, some in pairs for one in some]
            timed("color_alone", partial(_colored, asked, single))
            timed("color_batched", partial(_colored, asked, pairs))
    parts = {name: median(times) for name, times in seconds.items()}
    one_by_one, together = (parts[f"detect_{way}"] + parts[f"color_{way}"] for way in ("alone", "batched"))
    return {
        "judge": judge,
        "images": images,
        "batch": batch,
        "objects": sum(map(len, chosen)),
        "height": height,
        "width": width,
        "device": device,
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "clock": "processor" if device == "cpu" else "wall",
        "random_weights": drawn,
        **{f"seconds_{name}": value for name, value in parts.items()},
        "images_per_second_alone": images / one_by_one,
        "images_per_second_batched": images / together,
        "speedup": one_by_one / together,
        "speedup_detect": parts["detect_alone"] / parts["detect_batched"],
        "speedup_color": parts["color_alone"] / parts["color_batched"],
        "difference": _difference(alone, batched),
    }


def lines(row: Mapping[str, Any]) -> str:
    """The figures for people."""
    weights = f", random weights for {', '.join(row['random_weights'])}" if row["random_weights"] else ""
    return "\n".join(
        [
            f"{row['judge']} ({row['dtype']}, {row['device']}, {row['threads']} threads{weights}), {row['images']} "
            f"images of {row['height']}×{row['width']}, {row['objects']} objects asked for their color, "
            f"{row['clock']} time:",
            f"  one by one {row['images_per_second_alone']:.3g} images/s "
            f"(objects {row['seconds_detect_alone']:.1f} s, colors {row['seconds_color_alone']:.1f} s)",
            f"  batches of {row['batch']} {row['images_per_second_batched']:.3g} images/s "
            f"(objects {row['seconds_detect_batched']:.1f} s, colors {row['seconds_color_batched']:.1f} s)",
            f"  speed-up {row['speedup']:.2f}× (objects {row['speedup_detect']:.2f}×, colors "
            f"{row['speedup_color']:.2f}×); largest difference of a score {row['difference']:.1e}",
        ]
    )


def scenes(count: int, height: int, width: int) -> Frames:
    """Rendered scenes (N, H, W, 3) of the embedded world, all different."""
    import numpy as np

    from nova_eval.sprites.examples import example_scene
    from nova_eval.sprites.renderer import render

    made = [render(example_scene(n, seed=0), n, frames=1, height=height, width=width)[0] for n in range(count)]
    return np.stack(made)


def _colored(judge: Any, pairs: Sequence[tuple[Frames, Sequence[Detection]]]) -> list[list[str]]:
    return [judge.colors(frame, some) for frame, some in pairs]


def _labels(chosen: Sequence[Sequence[Detection]]) -> list[str]:
    return list(dict.fromkeys(one.label for some in chosen for one in some))


def _surest(found: Sequence[Detection], number: int) -> list[Detection]:
    """The first objects that have an extent."""
    return [one for one in found if one.box[2] > one.box[0] and one.box[3] > one.box[1]][:number]


def _difference(alone: Sequence[Sequence[Detection]], batched: Sequence[Sequence[Detection]]) -> float:
    pairs = [pair for one, other in zip(alone, batched, strict=True) for pair in zip(one, other, strict=True)]
    return max(abs(one.score - other.score) for one, other in pairs)


def _weights(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Path], list[str]]:
    """The judge's two files as its arguments, and which of them are random stand-ins."""
    from nova_eval.checks.parity import geneval_kit
    from nova_eval.checks.parity import weight_files as stand_ins

    paths, drawn = {}, []
    for argument, name in (("weights", "mask2former_swin_s"), ("clip", "clip_vit_l14")):
        found = pinned.find(name)
        if found is None:
            say(f"random weights stand in for {name}")
            drawn.append(name)
            if argument == "weights":
                found = geneval_kit.write_weights(PUBLISHED / "mask2former", 33, folder)
            else:
                found = stand_ins.write(PUBLISHED, "clip_vit_l_14", 0, folder)
        paths[argument] = found
    return paths, drawn
