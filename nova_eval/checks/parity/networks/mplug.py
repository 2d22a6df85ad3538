"""Recorded answers of the official mPLUG code, its search on a table of numbers among them, against this package's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.compare import compared, largest, result, watching
from nova_eval.checks.parity.items import frames, within
from nova_eval.checks.parity.recordings import read_json
from nova_eval.checks.parity.weight_files import constants, entries_of, write, write_vocabulary
from nova_eval.records import ParityResult
from nova_eval.weights.catalogue import entry

if TYPE_CHECKING:
    from torch import Tensor

    from nova_eval.checks.parity.recordings import Recording
    from nova_eval.judges.mplug_search import Decoded

PIXELS, STATES, LOGITS, SCORE = 1e-6, 5e-5, 2e-5, 1e-4
YES, NO = 2748, 2053


_FACTS = ("image_res", "beam_size", "min_length", "max_length")  # of mPLUG's config.yaml


def mplug_large(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """The search; then every case, those of one stride after each other: it is a setting, the weights are the same."""
    from nova_eval.judges.mplug import MPlugLarge

    yield from searches(recording.folder)
    recorded, arrays = recording.content("cases"), recording.arrays()
    weights, words = write("mplug_large", recorded["weights_seed"], files, recording.folder), write_vocabulary(files)
    asked = [(case["image"], case["question_ids"]) for case in recorded["cases"]]
    order = sorted(recorded["cases"], key=lambda case: case["stride_layer"])
    for stride, cases in groupby(order, key=lambda case: case["stride_layer"]):
        config, bert_config = _write_settings(recording.folder, recorded, stride, files)
        judge = MPlugLarge(weights, vocabulary=words, config=config, bert_config=bert_config).to(device)
        for case in cases:
            question = (case["image"], case["question_ids"])
            number = [pair for place, pair in enumerate(asked) if pair not in asked[:place]].index(question)
            array = arrays.get(f"first_step_logits_{number}_stride{stride}")
            yield from _question(f"t2i mplug_large/question {number}, stride {stride}", case, array, judge)
        del judge  # before the next is loaded


def _write_settings(folder: Path, recorded: Mapping[str, Any], stride: int, target: Path) -> tuple[Path, Path]:
    """The two files of settings beside the weights, as the recording states them."""
    known = constants(entries_of("mplug_large", folder))
    contents = {
        "mplug_large_vqa_config": {name: recorded[name] for name in _FACTS if name in recorded},
        "mplug_large_vqa_bert_config": {**known["bert_config"], "stride_layer": stride},
    }
    config, bert_config = (target / entry(name).file for name in contents)
    for path, content in zip((config, bert_config), contents.values(), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")  # what is JSON is YAML too
    return config, bert_config


def _question(title: str, case: Mapping[str, Any], array: Any, judge: Any) -> Iterator[ParityResult]:
    from nova_eval.judges.mplug import QUESTION_LENGTH, preprocess

    shown, network = frames(case["image"]), judge.hosted.network
    yield compared(title, "input", case["input"], preprocess(shown, judge.settings.image_size), PIXELS)
    parts = {"visual": network.visual_encoder, "text": network.text_encoder, "fusion": network.fusion_encoder}
    with watching({**parts, "words": network.text_decoder.decoder}) as seen:
        ((found,),) = judge.answers(shown, [within(case["question_ids"], QUESTION_LENGTH)])
    for name in ("visual", "text"):
        yield compared(title, name, case[name], seen[name][0], STATES)
    for name, states in zip(("fusion_image", "fusion_question"), seen["fusion"][0], strict=True):
        yield compared(title, name, case[name], states, STATES)
    logits = seen["words"][0][0].float().cpu()
    wanted, given = (
        [case["first_step_logits"], case["log_probability_yes_no"]],
        [logits, logits.log_softmax(-1)[[YES, NO]]],
    )
    if array is not None:
        wanted.append(array)
        given.append(logits[: len(array)])
    yield compared(title, "first logits", wanted, given, LOGITS)
    yield compared(title, "answer", case["answer_ids"], list(found[0].ids))
    yield compared(title, "score", case["answer_score"], found[0].score, SCORE)
    scores = [answer.score for answer in found[: judge.settings.beams]]
    yield compared(title, "scores of all", case["hypothesis_scores"], scores, SCORE)
    yield compared(title, "steps", case["decoder_calls"], len(seen["words"]))


# --- the search alone -----------------------------------------------------------------------------------------------


def searches(folder: Path) -> Iterator[ParityResult]:
    """Every case of ``folder/beam.json``, where there is one: the search on a table in the place of a decoder."""
    path = folder / "beam.json"
    if not path.is_file():
        return
    recorded = read_json(path)
    for case in recorded["cases"]:
        title, expected = f"t2i {folder.name}/search {case['seed']}", case["expected"]
        found = [answers[: case["beam_size"]] for answers in searched(recorded, case)]
        yield compared(title, "answers", expected["ids"], [[list(answer.ids) for answer in row] for row in found])
        scores = [[answer.score for answer in row] for row in found]
        yield result(title, "scores", max(map(largest, expected["scores"], scores)), SCORE)


def searched(recorded: Mapping[str, Any], case: Mapping[str, Any]) -> list[list[Decoded]]:
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
