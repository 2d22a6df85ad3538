"""Questions about an image: encoded once for all of them, beside anew for each, measured in turns in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from nova_eval.errors import PrerequisiteError, UsageError, unknown

if TYPE_CHECKING:
    from torch import nn

    from nova_eval.protocols import Frames

HEIGHT = WIDTH = 1024
ANSWER_LENGTH = 2  # ids of mPLUG's answers here: "yes" or "no" and the end, as nearly all answers to DPG-Bench have

Ask = Callable[["Frames", Sequence[Sequence[int]]], Any]
"""One image and questions as ids → an answer each, as numbers."""


class Judge(NamedTuple):
    ask: Ask
    parameters: int


def measure(
    *, judge: str = "blip_vqa", questions: int = 8, repeats: int = 2, device: str = "cpu", dtype: str = "float32"
) -> dict[str, Any]:
    """Seconds an image with ``questions`` questions both ways, questions a second, ``speedup``, ``difference``.

    ``judge`` is ``"blip_vqa"`` or ``"mplug_large"``, at full size with random weights, which do not change what is
    computed; mPLUG's answers are kept to two ids. Times are the median of ``repeats``, preprocessing included: wall
    time on a GPU, processor time of all cores on the CPU, so that other load does not count.
    """
    if questions < 1 or repeats < 1:
        raise UsageError("bench vqa needs at least one question and one repeat")
    if judge not in JUDGES:
        raise unknown("judge to measure", judge, JUDGES)
    try:
        made = JUDGES[judge](device, dtype)
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            f"bench vqa needs the package {error.name!r}", remedy="pip install 'nova_eval[judges]'"
        ) from error
    from nova_eval.checks.parity.procedural import moving_shapes

    asked = [[101, *range(1000 + 7 * number, 1006 + 7 * number + number % 6), 102] for number in range(questions)]
    ways: Mapping[str, Callable[[Frames], Any]] = {
        "once": lambda image: made.ask(image, asked),
        "each": lambda image: [made.ask(image, [question])[0] for question in asked],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Any] = {}
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        made.ask(moving_shapes(0, 1, HEIGHT, WIDTH), asked[:1])  # what only happens once
    for repeat in range(repeats):
        image = moving_shapes(1 + repeat, 1, HEIGHT, WIDTH)
        for name, way in ways.items():
            started = clock()
            answers[name] = way(image)
            seconds[name].append(clock() - started)
    once, each = (median(seconds[name]) for name in ("once", "each"))
    wrong = max(abs(a - b) for a, b in zip(answers["once"], answers["each"], strict=True))
    return {
        "judge": judge,
        "parameters": made.parameters,
        "device": device,
        "dtype": dtype,
        "questions_per_image": questions,
        "seconds_encoded_once": once,
        "seconds_encoded_for_each": each,
        "questions_per_second": questions / once,
        "questions_per_second_encoded_for_each": questions / each,
        "speedup": each / once,
        "difference": wrong,
    }


def lines(row: Mapping[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(
        [
            f"{row['judge']} ({row['parameters'] / 1e6:.0f} M parameters, {row['dtype']}, {row['device']}), "
            f"{row['questions_per_image']} questions an image:",
            f"  {row['questions_per_second']:.3g} questions/s, the image encoded once "
            f"({row['seconds_encoded_once']:.2f} s an image)",
            f"  {row['questions_per_second_encoded_for_each']:.3g} questions/s, encoded for each "
            f"({row['seconds_encoded_for_each']:.2f} s an image)",
            f"  speed-up {row['speedup']:.2f}×; largest difference of an answer {row['difference']:.1e}",
        ]
    )


def _blip(device: str, dtype: str) -> Judge:
    import torch

    from nova_eval.judges.blip import padded, preprocess, yes_against_no
    from nova_eval.judges.blip_network import BLIPForQuestions

    network: Any = _filled(BLIPForQuestions, device, dtype)

    def ask(image: Frames, questions: Sequence[Sequence[int]]) -> list[float]:
        with torch.inference_mode():
            tokens = network.image_tokens(preprocess(image).to(device, _dtype(dtype)))
            found: list[float] = yes_against_no(network.first_word(padded(questions).to(device), tokens))[0].tolist()
        return found

    return Judge(ask, _count(network))


def _mplug(device: str, dtype: str) -> Judge:
    import torch

    from nova_eval.judges.mplug import answers_about, preprocess
    from nova_eval.judges.mplug_network import MPlug
    from nova_eval.judges.mplug_settings import Settings

    settings = Settings(max_length=ANSWER_LENGTH)
    network: Any = _filled(lambda: MPlug(settings), device, dtype)

    def ask(image: Frames, questions: Sequence[Sequence[int]]) -> list[float]:
        with torch.inference_mode():
            tokens = network.image_tokens(preprocess(image, settings.image_size).to(device, _dtype(dtype)))
            (found,) = answers_about(network, tokens, questions, settings, at_once=16)
        return [answers[0].score for answers in found]

    return Judge(ask, _count(network))


def _filled(make: Callable[[], nn.Module], device: str, dtype: str) -> nn.Module:
    """Random weights under which signals neither vanish nor explode."""
    import torch

    from nova_eval.judges.hosting import unfilled

    network = unfilled(make)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, (tensor[0].numel()) ** -0.5, generator=generator)
        else:
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
    return network.eval().requires_grad_(False).to(device, _dtype(dtype))


def _dtype(name: str) -> Any:
    from nova_eval.judges.hosting import DTYPES

    if name not in DTYPES:
        raise unknown("number format", name, DTYPES)
    return DTYPES[name]


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


JUDGES: Mapping[str, Callable[[str, str], Judge]] = {"blip_vqa": _blip, "mplug_large": _mplug}
