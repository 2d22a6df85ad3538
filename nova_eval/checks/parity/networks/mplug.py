"""Recorded answers of the official mPLUG code, its search on a table of numbers among them, against this package's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.compare import exact, largest, result, watching
from nova_eval.checks.parity.t2i_vqa_kit import (
    image,
    sampled,
    within,
    write_settings,
    write_vocabulary,
    write_weights,
)
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from torch import Tensor

    from nova_eval.judges.mplug_search import Answer

PIXELS, STATES, LOGITS, SCORE = 1e-6, 5e-5, 2e-5, 1e-4
YES, NO = 2748, 2053


def mplug_large(
    recorded: Mapping[str, Any], arrays: Mapping[str, Any], folder: Path, files: Path, device: str
) -> Iterator[ParityResult]:
    """Every case, those of one network after each other: its stride is a setting, its weights are the same."""
    from nova_eval.judges.mplug import MPlugLarge

    weights, vocabulary = write_weights(folder, recorded["weights_seed"], files), write_vocabulary(files)
    asked = [(case["image"], case["question_ids"]) for case in recorded["cases"]]
    order = sorted(recorded["cases"], key=lambda case: case["stride_layer"])
    for stride, cases in groupby(order, key=lambda case: case["stride_layer"]):
        config, bert_config = write_settings(folder, recorded, stride, files)
        judge = MPlugLarge(weights, vocabulary=vocabulary, config=config, bert_config=bert_config).to(device)
        for case in cases:
            question = (case["image"], case["question_ids"])
            number = [pair for place, pair in enumerate(asked) if pair not in asked[:place]].index(question)
            array = arrays.get(f"first_step_logits_{number}_stride{stride}")
            yield from _question(f"mplug_large/question {number}, stride {stride}", case, array, judge)
        del judge  # before the next is loaded


def _question(title: str, case: Mapping[str, Any], array: Any, judge: Any) -> Iterator[ParityResult]:
    from nova_eval.judges.mplug import QUESTION_LENGTH, preprocess

    frames, network = image(case["image"]), judge.hosted.network
    yield result(title, "input", sampled(case["input"], preprocess(frames, judge.settings.image_size)), PIXELS)
    parts = {"visual": network.visual_encoder, "text": network.text_encoder, "fusion": network.fusion_encoder}
    with watching({**parts, "words": network.text_decoder.decoder}) as seen:
        ((found,),) = judge.answers(frames, [within(case["question_ids"], QUESTION_LENGTH)])
    for name in ("visual", "text"):
        yield result(title, name, sampled(case[name], seen[name][0]), STATES)
    for name, states in zip(("fusion_image", "fusion_question"), seen["fusion"][0], strict=True):
        yield result(title, name, sampled(case[name], states), STATES)
    logits = seen["words"][0][0].float().cpu()
    wrong = [sampled(case["first_step_logits"], logits)]
    if array is not None:
        wrong.append(largest(array, logits[: len(array)]))
    wrong.append(largest(case["log_probability_yes_no"], logits.log_softmax(-1)[[YES, NO]]))
    yield result(title, "first logits", max(wrong), LOGITS)
    yield exact(title, "answer", case["answer_ids"], list(found[0].ids))
    yield result(title, "score", abs(case["answer_score"] - found[0].score), SCORE)
    scores = [answer.score for answer in found[: judge.settings.beams]]
    yield result(title, "scores of all", largest(case["hypothesis_scores"], scores), SCORE)
    yield exact(title, "steps", case["decoder_calls"], len(seen["words"]))


# --- the search alone -----------------------------------------------------------------------------------------------


def searches(folder: Path) -> Iterator[ParityResult]:
    """Every case of ``folder/beam.json``, where there is one: the search on a table in the place of a decoder."""
    path = folder / "beam.json"
    if not path.is_file():
        return
    recorded = json.loads(path.read_text(encoding="utf-8"))
    for case in recorded["cases"]:
        title, expected = f"t2i {folder.name}/search {case['seed']}", case["expected"]
        found = [answers[: case["beam_size"]] for answers in searched(recorded, case)]
        yield exact(title, "answers", expected["ids"], [[list(answer.ids) for answer in row] for row in found])
        scores = [[answer.score for answer in row] for row in found]
        yield result(title, "scores", max(map(largest, expected["scores"], scores)), SCORE)


def searched(recorded: Mapping[str, Any], case: Mapping[str, Any]) -> list[list[Answer]]:
    """All items' answers; a row's logits depend on its item, its length and the sum of its ids."""
    import torch

    from nova_eval.judges.mplug_search import search

    words, start, end = recorded["vocabulary"], recorded["start_token"], recorded["end_token"]
    table = np.random.RandomState(case["seed"]).standard_normal((16, 8, words)) * case["scale"]
    for length in range(len(table)):
        table[length, :, end] += case["end_bias"][min(length, len(case["end_bias"]) - 1)]
    logits = torch.from_numpy(table.astype(np.float32))
    sums = torch.arange(case["items"]).repeat_interleave(case["beam_size"])  # of item and ids
    length = 0

    def step(ids: Tensor, parents: Tensor) -> Tensor:
        nonlocal sums, length
        sums, length = sums[parents] + ids[:, 0], length + 1
        return logits[length - 1, sums % 8].log_softmax(-1)

    return search(
        step,
        case["items"],
        beams=case["beam_size"],
        min_length=case["min_length"],
        max_length=case["max_length"],
        start=start,
        end=end,
    )
