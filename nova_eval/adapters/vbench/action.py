"""human_action: is the prompt's action among the five that a classifier is surest of?"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nova_eval.adapters.rule import ask, scored
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames, too_short
from nova_eval.protocols import ActionRecognizer, Asking, Item
from nova_eval.records import Prompt, Sample, Score

OFFICIAL_LABEL_FROM_FILE_NAME = True
"""The label is cut out of the *file name*, so a hyphen or an underscore in the prompt ends it (vbench/human_action.py).
Files named otherwise than in the official form must not change a score: the name that layout would give is parsed.
Corrected: the label comes from the prompt."""

TOP, THRESHOLD, DECIMALS = 5, 0.85, 4


def official_file_name(prompt: Prompt, sample: Sample) -> str:
    """The name that the official form gives a sample's file."""
    return f"{prompt.text}-{sample.key.index}.mp4"


def label_of_file(path: str) -> str:
    """The official parser: lower case, to the first ``-``, after the last ``"person is "``, to the first ``_``."""
    before_hyphen = path.rpartition("/")[2].lower().partition("-")[0]
    return before_hyphen.rpartition("person is ")[2].partition("_")[0]


def label_of_prompt(prompt: Prompt) -> str:
    """The suite's action where it stores one, else what follows ``"person is "``, else the whole prompt; lower case."""
    action = auxiliary(prompt, "human_action") or auxiliary(prompt, "human_action", "action")
    text = action if isinstance(action, str) else prompt.text.rpartition("person is ")[2]
    return text.lower().strip().removesuffix(".")


def human_action(
    item: Item,
    *,
    frames: int | None = 16,
    label_from_file_name: bool = OFFICIAL_LABEL_FROM_FILE_NAME,
    file_name: Callable[[Prompt, Sample], str] = official_file_name,
) -> Asking[Score]:
    """1 when the label is among the top five classes with a probability (4 decimals) of at least 0.85, else 0."""
    looked_at = middle_frames(item.clip, frames)
    if not len(looked_at):
        return too_short(item, "human_action", 1)
    names, logits = yield from ask(ActionRecognizer.action_logits, looked_at)
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float32)))
    surest = [(names[k].lower(), round(float(probabilities[k]), DECIMALS)) for k in top_indices(probabilities, TOP)]
    accepted = [(name, probability) for name, probability in surest if probability >= THRESHOLD]
    label = label_of_file(file_name(item.prompt, item.sample)) if label_from_file_name else label_of_prompt(item.prompt)
    right = int(any(name == label for name, _ in accepted))
    detail = {"cor_num_per_video": right, "label": label, "accepted": [list(pair) for pair in accepted]}
    return scored(item, "human_action", float(right), detail=detail)


def top_indices(values: Sequence[float] | np.ndarray, wanted: int) -> list[int]:
    """The places of the ``wanted`` largest values, largest first.

    Saturated probabilities tie. Ties fall, and lie, as ``torch.topk`` on the CPU lets them: its partial sort keeps a
    heap whose smallest member only a strictly larger value replaces, and takes the members off it at the end.
    """
    heap = [_Entry(float(value), index) for index, value in enumerate(values[:wanted])]
    heapq.heapify(heap)
    for index in range(len(heap), len(values)):
        if float(values[index]) > heap[0].value:
            heapq.heapreplace(heap, _Entry(float(values[index]), index))
    return [heapq.heappop(heap).place for _ in range(len(heap))][::-1]


@dataclass(frozen=True, slots=True)
class _Entry:
    value: float
    place: int

    def __lt__(self, other: _Entry) -> bool:  # equal values are equal: the place plays no part
        return self.value < other.value
