"""Questions about an image: encoded once for all of them, beside anew for each, measured in turns in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from nova_eval.checks.bench.options import VqaBench
from nova_eval.checks.bench.timing import Beside, clock, in_turns, table
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.errors import UsageError, unknown

if TYPE_CHECKING:
    from torch import nn

    from nova_eval.protocols import Frames

HEIGHT = WIDTH = 1024
ANSWER_LENGTH = 2  # ids of mPLUG's answers here: "yes" or "no" and the end, as nearly all answers to DPG-Bench have

Ask = Callable[["Frames", Sequence[Sequence[int]]], list[float]]
"""One image and questions as ids → an answer each, as numbers."""


class Measured(NamedTuple):
    ask: Ask
    parameters: int


def measure(asked: VqaBench, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Seconds an image with all questions both ways, questions a second, ``speedup``, ``difference``.

    The judge is at full size with random weights, which do not change what is computed; mPLUG's answers are kept to two
    ids. Times are medians, preprocessing included: wall time on a GPU, processor time of all cores on the CPU, so that
    other load does not count.
    """
    if asked.questions < 1 or asked.repeats < 1:
        raise UsageError("bench vqa needs at least one question and one repeat")
    if asked.judge not in JUDGES:
        raise unknown("judge to measure", asked.judge, JUDGES)
    made = JUDGES[asked.judge](asked.device, asked.dtype)
    questions = [[101, *range(1000 + 7 * n, 1006 + 7 * n + n % 6), 102] for n in range(asked.questions)]
    images = [moving_shapes(1 + repeat, 1, HEIGHT, WIDTH) for repeat in range(asked.repeats)]
    if asked.device != "cpu":
        made.ask(moving_shapes(0, 1, HEIGHT, WIDTH), questions[:1])  # what only happens once
    ways: dict[str, Callable[[int], list[float]]] = {
        "once": lambda repeat: made.ask(images[repeat], questions),
        "each": lambda repeat: [made.ask(images[repeat], [question])[0] for question in questions],
    }
    turns = in_turns(ways, asked.repeats, asked.device, say)
    once, each = (turns[name].median(asked.device) for name in ways)
    answers = zip(turns["once"].answer, turns["each"].answer, strict=True)
    return {
        **asdict(asked),
        "parameters": made.parameters,
        "questions_per_image": asked.questions,
        "seconds_encoded_once": once,
        "seconds_encoded_for_each": each,
        "questions_per_second": asked.questions / once,
        "questions_per_second_encoded_for_each": asked.questions / each,
        "speedup": each / once,
        "difference": max(abs(a - b) for a, b in answers),
    }


def lines(row: Mapping[str, Any]) -> str:
    """The figures for people."""
    once, each = row["seconds_encoded_once"], row["seconds_encoded_for_each"]
    return "\n".join(
        [
            f"{row['judge']} ({row['parameters'] / 1e6:.0f} M parameters, {row['dtype']}, {row['device']}), "
            f"{row['questions_per_image']} questions an image; seconds of {clock(row['device'])} time an image:",
            *table(("encoded once", "for each"), [Beside(row["judge"], once, each, row["speedup"])]),
            f"  {row['questions_per_second']:.3g} against {row['questions_per_second_encoded_for_each']:.3g} "
            f"questions/s; largest difference of an answer {row['difference']:.1e}",
        ]
    )


def _blip(device: str, dtype: str) -> Measured:
    import torch

    from nova_eval.judges.blip import padded, preprocess, yes_against_no
    from nova_eval.judges.blip_network import BLIPForQuestions

    network: Any = _filled(BLIPForQuestions, device, dtype)

    def ask(image: Frames, questions: Sequence[Sequence[int]]) -> list[float]:
        with torch.inference_mode():
            tokens = network.image_tokens(preprocess(image).to(device, _dtype(dtype)))
            found: list[float] = yes_against_no(network.first_word(padded(questions).to(device), tokens))[0].tolist()
        return found

    return Measured(ask, _count(network))


def _mplug(device: str, dtype: str) -> Measured:
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

    return Measured(ask, _count(network))


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


JUDGES: Mapping[str, Callable[[str, str], Measured]] = {"blip_vqa": _blip, "mplug_large": _mplug}
