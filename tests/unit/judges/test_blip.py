"""BLIP: what it is asked, and that an answer depends on nothing but image and question."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from nova_eval.checks.parity.items import moving_shapes
from nova_eval.checks.parity.vocabulary import vocabulary
from nova_eval.checks.parity.weight_files import read_entries
from nova_eval.errors import MediaError, PrerequisiteError
from nova_eval.judges import blip_network
from nova_eval.judges.blip import BLIPVQA, LONGEST, yes_against_no
from nova_eval.judges.blip_network import ENC, NO, POSITIONS, YES, BLIPForQuestions, renamed
from nova_eval.judges.wordpiece import SEP

from networks import drawn, largest  # isort: skip

QUESTIONS = ["a dog?", "a large bright car on the old bridge?", "?"]


@pytest.fixture(scope="module", autouse=True)
def _one_layer() -> object:
    """One layer a part, everything else as published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blip_network, "BLIPForQuestions", partial(BLIPForQuestions, depth=1))
        yield


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return published(drawn(BLIPForQuestions(depth=1)))


PUBLISHED = {
    "text_encoder.layer": "text_encoder.encoder.layer",
    "text_decoder.layer": "text_decoder.bert.encoder.layer",
    "text_decoder.embeddings": "text_decoder.bert.embeddings",
    "text_decoder.transform": "text_decoder.cls.predictions.transform",
    "text_decoder.bias": "text_decoder.cls.predictions.bias",
}


def published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names → those of the file, shared parameters twice and constants added."""
    named = dict(state)
    for ours, theirs in PUBLISHED.items():
        named = {name.replace(ours, theirs): tensor for name, tensor in named.items()}
    named["text_decoder.cls.predictions.decoder.bias"] = named["text_decoder.cls.predictions.bias"]
    words = named["text_decoder.bert.embeddings.word_embeddings.weight"]
    places = torch.arange(512)[None]
    return named | {
        "text_decoder.cls.predictions.decoder.weight": words,
        "text_encoder.embeddings.position_ids": places,
        "text_decoder.bert.embeddings.position_ids": places,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Tensor]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("blip")
    torch.save({"model": state, "optimizer": {}}, folder / "blip.pth")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    return {"weights": folder / "blip.pth", "vocabulary": folder / "vocab.txt"}


@pytest.fixture(scope="module")
def judge(files: dict[str, Path]) -> BLIPVQA:
    return BLIPVQA(**files)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([moving_shapes(seed, 1, 120, 160) for seed in range(3)])


# --- questions ------------------------------------------------------------------------------------------------------


def test_a_question_begins_with_enc_and_ends_with_sep(judge: BLIPVQA) -> None:
    pieces = vocabulary()
    assert [pieces[n] if n < len(pieces) else n for n in judge.question_ids("A Dog?")] == [
        ENC,
        "a",
        "dog",
        "?",
        "[SEP]",
    ]
    assert judge.question_ids("") == [ENC, SEP]


def test_a_long_question_loses_its_end(judge: BLIPVQA) -> None:
    ids = judge.question_ids("dog " * 60)
    assert len(ids) == LONGEST == 35
    assert (ids[0], ids[-1]) == (ENC, SEP)


def test_yes_is_weighed_against_no_alone() -> None:
    logits = torch.zeros(2, 30524)
    logits[:, YES], logits[:, NO], logits[1, 7] = 1.0, -1.0, 50.0
    assert yes_against_no(logits).tolist() == pytest.approx([1 / (1 + np.exp(-2))] * 2)


# --- answers --------------------------------------------------------------------------------------------------------


def test_answers_do_not_depend_on_the_batch(judge: BLIPVQA, files: dict[str, Path], images: np.ndarray) -> None:
    together = judge.probability_of_yes(images, QUESTIONS)
    assert together.shape == (3, 3)
    assert together.dtype == np.float32
    assert len({round(float(p), 4) for p in together.flatten()}) > 6
    alone = [[judge.probability_of_yes(image[None], [q])[0, 0] for q in QUESTIONS] for image in images]
    assert largest(together, alone) < 2e-6
    small = BLIPVQA(**files, batch=2, questions=2)
    assert largest(together, small.probability_of_yes(images, QUESTIONS)) < 2e-6


def test_an_image_is_encoded_once_for_all_its_questions(files: dict[str, Path], images: np.ndarray) -> None:
    judge, seen = BLIPVQA(**files, questions=2), []
    encoder = judge.hosted.network.visual_encoder.patch_embed
    handle = encoder.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    try:
        judge.probability_of_yes(images, QUESTIONS)
    finally:
        handle.remove()
    assert seen == [3]


def test_no_question_is_no_column_and_no_frame_an_error(judge: BLIPVQA, images: np.ndarray) -> None:
    assert judge.probability_of_yes(images, []).shape == (3, 0)
    with pytest.raises(MediaError, match="no frame"):
        judge.probability_of_yes(images[:0], QUESTIONS)


def test_half_precision_is_close_and_another_judge(judge: BLIPVQA, files: dict[str, Path], images: np.ndarray) -> None:
    half = BLIPVQA(**files, dtype="bfloat16")
    assert half.digest != judge.digest
    assert half.to("cpu") is half
    whole = judge.probability_of_yes(images[:1], QUESTIONS)
    assert 0 < largest(whole, half.probability_of_yes(images[:1], QUESTIONS)) < 0.05


# --- files ----------------------------------------------------------------------------------------------------------


def test_every_published_name_has_a_place() -> None:
    """The recorded list of the official network's entries."""
    entries = read_entries(Path(__file__).parents[2] / "parity" / "t2i_vqa" / "blip_vqa" / "keys.json.gz")
    with torch.device("meta"):
        ours = {name: list(tensor.shape) for name, tensor in BLIPForQuestions().state_dict().items()}
    named = {renamed(row["name"]): row["shape"] for row in entries}
    named.pop(None)
    assert named == ours


@pytest.mark.parametrize("copy", ["decoder.weight", "decoder.bias"])
def test_copies_of_shared_parameters_may_be_absent(copy: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    less = {name: tensor for name, tensor in state.items() if name != f"text_decoder.cls.predictions.{copy}"}
    network = blip_network.build(less, tmp_path / "file.pth")
    assert torch.equal(network.text_decoder.bias, state["text_decoder.cls.predictions.bias"])


def test_a_position_table_of_another_grid_is_resampled(state: dict[str, Tensor], tmp_path: Path) -> None:
    column = torch.linspace(-1, 1, 24).view(1, 24, 1, 1).expand(1, 24, 24, 768).reshape(1, 576, 768)
    table = torch.cat([torch.full((1, 1, 768), 7.0), column], dim=1)
    found = blip_network.build({**state, POSITIONS: table}, tmp_path / "file.pth").visual_encoder.pos_embed
    grid = found[0, 1:].view(30, 30, 768)
    assert found.shape == (1, 901, 768)
    assert found[0, 0, 0] == 7.0
    assert largest(grid[:, 0].detach(), grid[:, 29].detach()) < 1e-5
    assert bool((grid[1:, 0, 0] > grid[:-1, 0, 0]).all())


def test_another_file_is_refused_in_one_line(state: dict[str, Tensor], tmp_path: Path) -> None:
    other = {name: tensor for name, tensor in state.items() if "norm1" not in name} | {
        "itm_head.weight": torch.zeros(2, 768)
    }
    other["text_encoder.embeddings.word_embeddings.weight"] = torch.zeros(30522, 768)
    with pytest.raises(PrerequisiteError) as error:
        blip_network.build(other, tmp_path / "retrieval.pth")
    line = str(error.value)
    assert "retrieval.pth" in line
    assert "2 missing: visual_encoder.blocks.0.norm1.bias" in line
    assert "1 unknown: itm_head.weight" in line
    assert "word_embeddings.weight (30522, 768) for (30524, 768)" in line
    assert "\n" not in line


def test_without_its_wrapping_the_file_is_refused(
    files: dict[str, Path], state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "plain.pth")
    with pytest.raises(PrerequisiteError, match=r"plain\.pth holds no 'model'"):
        _ = BLIPVQA(tmp_path / "plain.pth", vocabulary=files["vocabulary"]).hosted.network
