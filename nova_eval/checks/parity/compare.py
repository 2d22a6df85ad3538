"""The one comparer: how far what was found is from what was recorded, infinitely where the two are not alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from torch import Tensor, nn

_ABSENT = object()


def compared(
    case: str, quantity: str, expected: Any, found: Any, tolerance: float = 0.0, *, more: bool = False, unit: str = ""
) -> ParityResult:
    """The result of one quantity of a case, as ``difference`` sees it; its note is kept for a failure only."""
    wrong, note = difference(expected, found, more=more)
    return result(case, quantity, wrong, tolerance, note=note, unit=unit)


def result(
    case: str, quantity: str, wrong: float, tolerance: float = 0.0, *, note: str = "", unit: str = ""
) -> ParityResult:
    """A difference that was found otherwise."""
    unit = unit or ("absolute" if tolerance else "exact")
    return ParityResult(f"{case} {quantity}".strip(), wrong, tolerance, unit, note[:240] if wrong > tolerance else "")


def difference(expected: Any, found: Any, where: str = "", *, more: bool = False) -> tuple[float, str]:
    """The largest absolute deviation and the place of it; infinite where the two are not of one kind or length.

    ``expected`` is what a recording holds: numbers, texts, decisions, lists and mappings of them, arrays, or the facts
    of a tensor (``facts``). An undefined number ("nan") equals one that is undefined or missing. ``more`` says that
    mappings that were found may hold more than was recorded.
    """
    if isinstance(expected, Mapping) and "shape" in expected and hasattr(found, "shape"):
        return facts(expected, found), f"{where}: {expected}"
    if isinstance(expected, np.ndarray):
        return _of_arrays(expected, found), f"{where}: {np.shape(expected)}, found {np.shape(found)}"
    if hasattr(found, "tolist"):
        found = found.tolist()
    if _undefined(expected):
        return (0.0 if found is None or _undefined(found) else math.inf), _both(where, expected, found)
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and (more or expected.keys() == found.keys()):
        parts = [(f"{where}.{key}".lstrip("."), expected[key], found.get(key, _ABSENT)) for key in expected]
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple) and len(expected) == len(found):
        parts = [(f"{where}[{k}]", e, f) for k, (e, f) in enumerate(zip(expected, found, strict=True))]
    elif type(expected) in {int, float} and type(found) in {int, float}:
        wrong = 0.0 if expected == found else abs(expected - found)
        return (math.inf if math.isnan(wrong) else wrong), _both(where, expected, found)
    else:
        equal = type(expected) is type(found) and expected == found
        return (0.0 if equal else math.inf), _both(where, expected, found)
    return max((difference(e, f, at, more=more) for at, e, f in parts), default=(0.0, ""), key=lambda pair: pair[0])


def largest(expected: Any, found: Any) -> float:
    """The largest absolute deviation alone."""
    return difference(expected, found)[0]


def facts(recorded: Mapping[str, Any], tensor: Any) -> float:
    """``recorded`` holds the shape and some of mean, population deviation, magnitudes, and values of a tensor.

    Values are the ``first8``, the first (``values``), or those at the flat places ``index`` (``value``).
    """
    import torch

    values = torch.as_tensor(tensor).detach().cpu()
    if list(values.shape) != list(recorded["shape"]):
        return math.inf
    x = values.double().flatten()
    known: dict[str, Callable[[], Any]] = {
        "mean": x.mean,
        "std": lambda: x.std(unbiased=False),
        "absmax": lambda: x.abs().max(),
        "abs_mean": lambda: x.abs().mean(),
        "first8": lambda: x[:8],
        "values": lambda: x[: len(recorded["values"])],
        "value": lambda: x[recorded["index"]],
    }
    return max(_of_arrays(recorded[name], fact().numpy()) for name, fact in known.items() if name in recorded)


def moments(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that do not depend on the order of rows, in which near ties swap."""
    return {name: recorded[name] for name in ("shape", "mean", "std")}


def weights_check(case: str, recorded: Mapping[str, Any], state: Mapping[str, Tensor]) -> ParityResult:
    """Whether the rebuilt weights are those of the recording: sums relative, a few values absolute."""
    total = sum(tensor.double().sum().item() for tensor in state.values())
    magnitude = sum(tensor.double().abs().sum().item() for tensor in state.values())
    counts = [len(state), sum(tensor.numel() for tensor in state.values())]
    if counts != [recorded["keys"], recorded["elements"]]:
        return compared(case, "rebuilt weights", [recorded["keys"], recorded["elements"]], counts)
    parts = [abs(total - recorded["sum"]) / recorded["abs_sum"], abs(magnitude / recorded["abs_sum"] - 1)]
    parts += [largest(v, state[name].flatten()[: len(v)]) for name, v in recorded["samples"].items()]
    return result(case, "rebuilt weights", max(parts), 1e-7)


def relative(expected: Mapping[str, float], found: Mapping[str, float]) -> tuple[float, str]:
    """The largest relative deviation (absolute where 0 was recorded) and its name; infinite where one is missing."""
    wrong = {
        name: abs(found[name] - value) / (abs(value) or 1.0) if name in found else math.inf
        for name, value in expected.items()
    }
    worst = max(wrong, key=lambda name: wrong[name])
    return wrong[worst], f"{worst}: {found.get(worst)} instead of {expected[worst]}"


def _of_arrays(expected: Any, found: Any) -> float:
    wanted, given = np.asarray(expected, np.float64), np.asarray(found, np.float64)
    if wanted.shape != given.shape:
        return math.inf
    wrong = np.abs(wanted - given)
    return math.inf if np.isnan(wrong).any() else float(wrong.max(initial=0.0))


def _undefined(value: Any) -> bool:
    return value == "nan" if isinstance(value, str) else isinstance(value, float) and math.isnan(value)


def _both(where: str, expected: Any, found: Any) -> str:
    return f"{where}: expected {_short(expected)}, found {_short(found)}".removeprefix(": ")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:100]} …"


# --- ranks ----------------------------------------------------------------------------------------------------------


class Ranked(NamedTuple):
    """One of several answers in the order of their scores."""

    label: Any
    score: float
    box: Sequence[float] = ()


def partners(expected: Sequence[Ranked], found: Sequence[Ranked], tolerance: float) -> list[int | None]:
    """For each expected rank the rank in ``found`` of the same label and a score within ``tolerance``, or None.

    Equal scores may swap ranks: of several partners the one with the nearest box is taken, then the nearest rank.
    """
    free = set(range(len(found)))
    order: list[int | None] = []
    for rank, one in enumerate(expected):
        alike = [p for p in free if found[p].label == one.label and abs(found[p].score - one.score) <= tolerance]
        place = min(alike, key=lambda p: (_apart(one.box, found[p].box), abs(p - rank)), default=None)
        free.discard(-1 if place is None else place)
        order.append(place)
    return order


def reordered(expected: Sequence[Ranked], found: Sequence[Ranked], tolerance: float) -> list[int]:
    """The ranks of ``found`` in the order of ``expected``; as they are where not every one has its partner."""
    order = partners(expected, found, tolerance)
    complete = len(found) == len(expected) and None not in order
    return [place for place in order if place is not None] if complete else list(range(len(found)))


def compared_ranks(
    case: str, quantities: tuple[str, str], expected: Sequence[Ranked], found: Sequence[Ranked], tolerance: float
) -> tuple[ParityResult, ParityResult, list[tuple[int, int]]]:
    """The results of the labels and the scores as ``partners`` finds them, and the pairs of ranks."""
    order = partners(expected, found, tolerance)
    pairs = [(rank, place) for rank, place in enumerate(order) if place is not None]
    left = [f"{e.label} {e.score:.4f}" for e, place in zip(expected, order, strict=True) if place is None]
    scores = [expected[rank].score for rank, _ in pairs], [found[place].score for _, place in pairs]
    labels, values = quantities
    return compared(case, labels, [], left), compared(case, values, scores[0], scores[1], tolerance), pairs


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != len(other):
        return math.inf
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


# --- listening ------------------------------------------------------------------------------------------------------


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


@contextmanager
def listening(judge: Any, method: str) -> Iterator[list[Any]]:
    """Collects what ``judge.method`` answers while a scorer, or the judge itself, asks it."""
    heard: list[Any] = []
    answer = getattr(judge, method)

    def hear(*arguments: Any, **settings: Any) -> Any:
        heard.append(answer(*arguments, **settings))
        return heard[-1]

    setattr(judge, method, hear)
    try:
        yield heard
    finally:
        delattr(judge, method)
