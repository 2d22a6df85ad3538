"""How a recorded answer is compared with the one found: largest deviations, infinite where the two are not alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.adapters.vbench.benchmark import OFFICIAL, VBench
from nova_eval.adapters.vbench.results import official_record
from nova_eval.engines.questions import scores_of
from nova_eval.media import Clip
from nova_eval.protocols import Frames, Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey

if TYPE_CHECKING:
    from torch import Tensor, nn

RULES = {rule.name: rule for rule in OFFICIAL}


def result(case: str, quantity: str, difference: float, tolerance: float = 0.0, note: str = "") -> ParityResult:
    """``note`` is kept for a failure only."""
    unit = "absolute" if tolerance else "exact"
    return ParityResult(f"{case} {quantity}", difference, tolerance, unit, note if difference > tolerance else "")


def exact(case: str, quantity: str, expected: Any, found: Any) -> ParityResult:
    """Equal, or infinitely wrong."""
    note = f"expected {str(expected)[:120]}, found {str(found)[:120]}"
    return result(case, quantity, 0.0 if expected == found else math.inf, note=note)


def largest(expected: Any, found: Any) -> float:
    """The largest absolute deviation of two arrays of one shape."""
    wanted, given = np.asarray(expected, np.float64), np.asarray(found, np.float64)
    if wanted.shape != given.shape:
        return math.inf
    wrong = np.abs(wanted - given)
    return math.inf if np.isnan(wrong).any() else float(wrong.max(initial=0.0))


def summary(recorded: Mapping[str, Any], tensor: Tensor | Frames) -> float:
    """``recorded`` holds shape, mean, population deviation, largest magnitude and the first eight values."""
    import torch

    values = torch.as_tensor(tensor).detach().cpu()
    if list(values.shape) != list(recorded["shape"]):
        return math.inf
    x = values.double().flatten()
    found = [x.mean().item(), x.std(unbiased=False).item(), x.abs().max().item(), *x[:8].tolist()]
    wanted = [recorded["mean"], recorded["std"], recorded["absmax"], *recorded["first8"]]
    return largest(wanted, found)


def weights_check(case: str, recorded: Mapping[str, Any], state: Mapping[str, Tensor]) -> ParityResult:
    """Whether the rebuilt weights are those of the recording: sums relative, a few values absolute."""
    total = sum(tensor.double().sum().item() for tensor in state.values())
    magnitude = sum(tensor.double().abs().sum().item() for tensor in state.values())
    counts = [len(state), sum(tensor.numel() for tensor in state.values())]
    if counts != [recorded["keys"], recorded["elements"]]:
        return exact(case, "rebuilt weights", [recorded["keys"], recorded["elements"]], counts)
    parts = [abs(total - recorded["sum"]) / recorded["abs_sum"], abs(magnitude / recorded["abs_sum"] - 1)]
    parts += [largest(v, state[name].flatten()[: len(v)].tolist()) for name, v in recorded["samples"].items()]
    return result(case, "rebuilt weights", max(parts), 1e-7)


@contextmanager
def watching(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Any]]]:
    """Collects what each module answers."""
    seen: dict[str, list[Any]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda module, inputs, output: seen[name].append(output)

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def remembering(answer: Callable[..., Any]) -> Callable[..., Any]:
    """``answer``, asked once for the same frames: one recorded clip serves several decisions."""
    known: dict[tuple[Any, ...], Any] = {}

    def remembered(frames: Frames, *further: Any) -> Any:
        key = (frames.shape, frames.tobytes(), further)
        if key not in known:
            known[key] = answer(frames, *further)
        return known[key]

    return remembered


def decide(
    dimension: str, judge: Any, clips: Sequence[Frames], text: str, reference: Mapping[str, Any], **settings: Any
) -> tuple[float | None, list[dict[str, Any]]]:
    """The dimension's score over ``clips`` of one prompt, and the official record of each clip that has one."""
    prompt = Prompt("case/0000", text, (dimension,), reference)
    rule = RULES[dimension].with_settings(frames=None, **settings)
    rows = scores_of(rule, [_item(prompt, number, clip) for number, clip in enumerate(clips)], judge)
    metrics = VBench().reduce([prompt], [row.key for row in rows], rows)
    found = next(metric for metric in metrics if metric.name == dimension)
    return found.value, [official_record(row) for row in rows if row.value is not None]


def decision(case: str, recorded: Mapping[str, Any], found: tuple[float | None, Any], tolerance: float) -> ParityResult:
    """``recorded`` holds score and records of the videos, or the error that the official code raises."""
    score, records = found
    if "error" in recorded:
        return exact(case, "score", recorded["error"], recorded["error"] if score is None else score)
    if score is None or len(records) != len(recorded["videos"]):
        return exact(case, "score", recorded, found)
    parts = [abs(score - recorded["score"])]
    for wanted, given in zip(recorded["videos"], records, strict=True):
        parts += [largest(value, given.get(name, math.nan)) for name, value in wanted.items()]
    return result(case, "score", max(parts), tolerance, f"expected {recorded}, found {found}"[:240])


def _item(prompt: Prompt, number: int, frames: Frames) -> Item:
    count, height, width, _ = frames.shape
    sample = Sample(SampleKey(prompt.id, number), 0, "", "", 0, width, height, count, 8.0, 0.0)
    return Item(prompt, sample, Clip(frames, 8.0))
