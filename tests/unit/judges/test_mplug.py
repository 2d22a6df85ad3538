"""mPLUG: its settings, its search, and that an answer depends on nothing but image and question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from nova_eval.checks.parity.items import moving_shapes
from nova_eval.checks.parity.vocabulary import vocabulary
from nova_eval.checks.parity.weight_files import read_entries
from nova_eval.errors import MediaError, PrerequisiteError
from nova_eval.judges import mplug_network
from nova_eval.judges.mplug import QUESTION_LENGTH, MPlugLarge
from nova_eval.judges.mplug_network import MPlug, renamed
from nova_eval.judges.mplug_search import search
from nova_eval.judges.mplug_settings import Settings, read_settings
from nova_eval.judges.wordpiece import CLS, SEP

from networks import drawn, largest  # isort: skip

SMALL = Settings(28, text_layers=1, fusion_layers=3, stored_fusion_layers=4, decoder_layers=1, max_length=4)
BERT_CONFIG = {
    "text_encoder_layers": 1,
    "fusion_layers": 3,
    "num_hidden_layers": 4,
    "text_decode_layers": 1,
    "stride_layer": 6,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "vocab_size": 30522,
}
CONFIG = "image_res: 28\nbeam_size: 5\nmin_length: 1\nmax_length: 4\noptimizer: {lr: 1.0e-5}\n"
QUESTIONS = ["ab cd?", "x", "is ab in cd or in ef?"]


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """One layer for images and 1200 words; everything else as published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mplug_network, "IMAGE_LAYERS", 1)
        patch.setattr(mplug_network, "WORDS", 1200)
        yield


PUBLISHED = {
    "visual_encoder.": "visual_encoder.visual.",
    "text_encoder.layer": "text_encoder.encoder.layer",
    "fusion_encoder.layer.": "fusion_encoder.encoder.layer.",
    "text_decoder.embeddings": "text_decoder.bert.embeddings",
    "text_decoder.layer": "text_decoder.bert.encoder.layer",
    "text_decoder.decoder.bias": "text_decoder.cls.predictions.bias",
    "text_decoder.decoder": "text_decoder.cls.predictions.decoder",
    "text_decoder.transform": "text_decoder.cls.predictions.transform",
}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The file's names, with an unused fusion layer before those used, and what else the file holds."""
    named = drawn(MPlug(SMALL))
    for number in reversed(range(3)):
        layer = f"fusion_encoder.layer.{number}."
        named = {name.replace(layer, f"fusion_encoder.layer.{number + 1}."): t for name, t in named.items()}
    for ours, theirs in PUBLISHED.items():
        named = {name.replace(ours, theirs): tensor for name, tensor in named.items()}
    first = "fusion_encoder.encoder.layer.1."
    named |= {name.replace(first, "fusion_encoder.encoder.layer.0."): t for name, t in named.items() if first in name}
    return named | {
        "visual_encoder.visual.proj": torch.zeros(1024, 768),
        "visual_encoder.ln_final.weight": torch.zeros(768),
        "visual_encoder.logit_scale": torch.zeros(()),
        "text_encoder_m.embeddings.word_embeddings.weight": torch.zeros(3),
        "text_encoder.embeddings.position_ids": torch.arange(512)[None],
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Tensor]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mplug")
    torch.save({"model": {"module": state}}, folder / "mplug.bin")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()[:1200]) + "\n")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "config_bert.json").write_text(json.dumps(BERT_CONFIG))
    return {
        "weights": folder / "mplug.bin",
        "vocabulary": folder / "vocab.txt",
        "config": folder / "config.yaml",
        "bert_config": folder / "config_bert.json",
    }


@pytest.fixture(scope="module", params=[6, 2], ids=lambda stride: f"stride {stride}")
def judge(request: pytest.FixtureRequest, files: dict[str, Path]) -> MPlugLarge:
    path = files["bert_config"].with_name(f"{request.param}.json")
    path.write_text(json.dumps({**BERT_CONFIG, "stride_layer": request.param}))
    return MPlugLarge(**{**files, "bert_config": path})


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([moving_shapes(seed, 1, 60, 80) for seed in range(3)])


# --- questions and answers ------------------------------------------------------------------------------------------


def test_a_long_question_loses_its_end(judge: MPlugLarge) -> None:
    assert judge.question_ids("")[0] == CLS
    assert judge.question_ids("")[-1] == SEP
    ids = judge.question_ids("ab " * 60)
    assert len(ids) == QUESTION_LENGTH == 25
    assert ids[-1] == SEP
    assert judge.question_ids("AB") == judge.question_ids("ab")


def test_answers_do_not_depend_on_the_batch(judge: MPlugLarge, files: dict[str, Path], images: np.ndarray) -> None:
    ids = [judge.question_ids(question) for question in QUESTIONS]
    together = judge.answers(images, ids)
    assert [len(row) for row in together] == [3, 3, 3]
    assert len({found[0].score for row in together for found in row}) == 9
    small = MPlugLarge(
        **{**files, "bert_config": judge.hosted.files["mplug_large_vqa_bert_config"]}, batch=2, answers=1
    )
    for other in (small.answers(images, ids), [[judge.answers(i[None], [q])[0][0] for q in ids] for i in images]):
        for found, again in zip(chain(*together), chain(*other), strict=True):
            assert found[0].ids == again[0].ids
            assert largest([a.score for a in found[:5]], [a.score for a in again[:5]]) < 1e-4


def test_an_answer_is_the_words_of_the_best_ids(judge: MPlugLarge, images: np.ndarray) -> None:
    ((found,),) = judge.answers(images[:1], [judge.question_ids("ab?")])
    ((words,),) = judge.answer(images[:1], ["ab?"])
    pieces = vocabulary()
    kept = [pieces[n] for n in found[0].ids if n not in {CLS, SEP}]
    assert words.replace(" ", "") == "".join(kept).replace("##", "")


def test_an_image_is_encoded_once_for_all_its_questions(judge: MPlugLarge, images: np.ndarray) -> None:
    seen: list[int] = []
    encoder = judge.hosted.network.visual_encoder
    handle = encoder.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    try:
        judge.answer(images, QUESTIONS * 3)
    finally:
        handle.remove()
    assert seen == [3]


def test_no_question_is_no_answer_and_no_frame_an_error(judge: MPlugLarge, images: np.ndarray) -> None:
    assert judge.answer(images, []) == [[], [], []]
    with pytest.raises(MediaError, match="no frame"):
        judge.answer(images[:0], QUESTIONS)


def test_half_precision_answers_and_is_another_judge(files: dict[str, Path], images: np.ndarray) -> None:
    whole, half = MPlugLarge(**files), MPlugLarge(**files, dtype="bfloat16").to("cpu")
    assert whole.digest != half.digest
    ((found,),), ((close,),) = (one.answers(images[:1], [one.question_ids("ab?")]) for one in (whole, half))
    assert abs(found[0].score - close[0].score) < 0.1


def test_the_joint_layer_changes_what_is_seen(files: dict[str, Path], images: np.ndarray) -> None:
    scores = set()
    for stride in (6, 2, 1):
        path = files["bert_config"].with_name("stride.json")
        path.write_text(json.dumps({**BERT_CONFIG, "stride_layer": stride}))
        judge = MPlugLarge(**{**files, "bert_config": path})
        scores.add(round(judge.answers(images[:1], [judge.question_ids("ab?")])[0][0][0].score, 3))
    assert len(scores) == 3


# --- the search -----------------------------------------------------------------------------------------------------


def script(*likely: dict[int, float]) -> Any:
    """Logits of ten words: those given at each step, all rows alike; others are unlikely."""
    calls: list[int] = []

    def step(ids: Tensor, parents: Tensor) -> Tensor:
        logits = torch.full((len(parents), 10), -9.0)
        for word, value in likely[len(calls)].items():
            logits[:, word] = value
        calls.append(len(parents))
        return logits.log_softmax(-1)

    return step


def test_a_beam_that_ended_without_being_best_goes_on() -> None:
    found = search(
        script({3: 2.0, 1: 1.0}, {4: 3.0}, {1: 9.0}), 1, beams=2, min_length=0, max_length=9, start=0, end=1
    )[0]
    assert found[0].ids in {(0, 1), (0, 3, 4, 1)}
    assert {answer.ids for answer in found} == {(0, 1), (0, 3, 4, 1), (0, 1, 4, 1)}


def test_the_end_does_not_come_too_early_nor_too_late() -> None:
    one = search(script({1: 5.0, 2: 1.0}, {1: 5.0}), 1, beams=1, min_length=1, max_length=3, start=0, end=1)
    assert [answer.ids for answer in one[0]] == [(0, 2, 1)]
    one = search(script({2: 1.0}, {2: 1.0}), 1, beams=1, min_length=1, max_length=2, start=0, end=1)
    assert [answer.ids for answer in one[0]] == [(0, 2, 2)]


def test_scores_are_divided_by_the_penalty_of_length() -> None:
    logits = {1: 5.0, 2: 1.0}
    ((answer,),) = search(script(logits), 1, beams=1, min_length=0, max_length=3, start=0, end=1)
    whole = torch.tensor([-9.0] * 10)
    whole[1], whole[2] = 5.0, 1.0
    assert answer.score == pytest.approx(float(whole.log_softmax(-1)[1]) / (6 / 6) ** 0.6)


def test_rows_of_items_that_are_done_are_let_go() -> None:
    sizes: list[list[int]] = []

    def step(ids: Tensor, parents: Tensor) -> Tensor:
        sizes.append(parents.tolist())
        logits = torch.full((len(parents), 5), -9.0)
        logits[:, 2] = 1.0
        if len(sizes) == 1:
            logits[:2, 1] = 9.0  # the first of two items ends at once
        return logits.log_softmax(-1)

    found = search(step, 2, beams=2, min_length=0, max_length=3, start=0, end=1)
    assert [rows[0].ids for rows in found] == [(0, 1), (0, 2, 2, 2)]
    assert [len(rows) for rows in sizes] == [4, 2, 2]
    assert min(sizes[1]) >= 2  # they continue the second item's rows


# --- files ----------------------------------------------------------------------------------------------------------


def test_settings_come_from_both_files(files: dict[str, Path]) -> None:
    assert read_settings(files["config"], files["bert_config"]) == SMALL


@pytest.mark.parametrize(
    ("config", "bert_config", "line"),
    [
        ("- 3", BERT_CONFIG, r"config.yaml: what it holds should be an object"),
        ("{", BERT_CONFIG, "config.yaml is not YAML"),
        ("beam_size: many", BERT_CONFIG, "config.yaml says beam_size 'many', not a number"),
        (CONFIG, {**BERT_CONFIG, "hidden_size": 1024}, "says hidden_size 1024, the judge's network has 768"),
        (CONFIG, {"hidden_size": 768}, "does not say text_encoder_layers, fusion_layers"),
        (CONFIG, {**BERT_CONFIG, "stride_layer": 0}, "describes no network"),
    ],
)
def test_settings_of_another_network_are_refused_in_one_line(
    config: str, bert_config: object, line: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(config)
    (tmp_path / "bert.json").write_text(json.dumps(bert_config))
    with pytest.raises(PrerequisiteError, match=line) as error:
        read_settings(tmp_path / "config.yaml", tmp_path / "bert.json")
    assert "\n" not in str(error.value)


def test_every_published_name_has_a_place_or_none_is_needed() -> None:
    entries = read_entries(Path(__file__).parents[2] / "parity" / "t2i_vqa" / "mplug_large" / "keys.json.gz")
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(mplug_network, "IMAGE_LAYERS", 24)
        patch.setattr(mplug_network, "WORDS", 30522)
        ours = {name: list(tensor.shape) for name, tensor in MPlug(Settings()).state_dict().items()}
    named = {renamed(row["name"]): row["shape"] for row in entries}
    named.pop(None)
    assert named | {"text_decoder.decoder.weight": [30522, 768]} == ours  # a copy that the list leaves out


@pytest.mark.parametrize("wrapped", [lambda s: s, lambda s: {"module": s}, lambda s: {"model": s}], ids="pom")
def test_the_file_may_be_wrapped_in_several_ways(
    wrapped: Any, files: dict[str, Path], state: Any, tmp_path: Path
) -> None:
    prefixed = {f"model.{name}": tensor for name, tensor in state.items()}
    torch.save(wrapped(prefixed), tmp_path / "mplug.bin")
    network = MPlugLarge(**{**files, "weights": tmp_path / "mplug.bin"}).hosted.network
    assert torch.equal(network.visn_fc.weight, state["visn_fc.weight"])


def test_used_fusion_layers_are_the_last(state: dict[str, Tensor], tmp_path: Path) -> None:
    name = "attention.self.query.bias"
    network = mplug_network.build(state, tmp_path / "file.bin", SMALL)
    own = network.fusion_encoder.layer[2].attention.self.query.bias
    assert torch.equal(own, state[f"fusion_encoder.encoder.layer.3.{name}"])


def test_a_missing_copy_of_the_words_is_made(state: dict[str, Tensor], tmp_path: Path) -> None:
    less = {name: tensor for name, tensor in state.items() if "predictions.decoder" not in name}
    network = mplug_network.build(less, tmp_path / "file.bin", SMALL)
    decoder = network.text_decoder
    assert torch.equal(decoder.decoder.weight, decoder.embeddings.word_embeddings.weight)


def test_another_file_is_refused_in_one_line(state: dict[str, Tensor], tmp_path: Path) -> None:
    other = {name: tensor for name, tensor in state.items() if not name.startswith("visn_fc")} | {
        "head.bias": torch.zeros(2)
    }
    with pytest.raises(
        PrerequisiteError, match=r"2 missing: visn_fc\.bias, visn_fc\.weight; 1 unknown: head\.bias"
    ) as error:
        mplug_network.build(other, tmp_path / "retrieval.bin", SMALL)
    assert "retrieval.bin" in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_of_another_size_than_the_settings_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"holds 5 places of an image, its settings \(image_res 42\) have 10"):
        mplug_network.build(state, tmp_path / "file.bin", replace(SMALL, image_size=42))
