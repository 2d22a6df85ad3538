"""ViCLIP, UMT, Tag2Text and GRiT want their official files, and say in one line what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.judges import JUDGES, grit, tag2text, umt, viclip

NAMES = {
    "viclip_l14": ("viclip_l14", {}),
    "umt_l16": ("umt_l16", {}),
    "tag2text": ("tag2text_swin_14m", {"vocabulary": "bert_base_uncased_vocab", "tags": "tag2text_tags"}),
    "grit_object_det": ("grit_b", {"vocabulary": "bert_base_uncased_vocab"}),
    "grit_dense_cap": ("grit_b", {"vocabulary": "bert_base_uncased_vocab"}),
}
BUILDERS = {"viclip": viclip.build, "umt": umt.build, "tag2text": tag2text.build, "grit": grit.build}


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)


def files(name: str, folder: Path, content: bytes = b"anything") -> dict[str, Path]:
    found = {argument: folder / argument for argument in ("weights", *NAMES[name][1])}
    for path in found.values():
        path.write_bytes(content)
    return found


def made(name: str, **settings: Any) -> Any:
    maker: Any = JUDGES.get(name)
    return maker(**settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_said_with_the_command_that_brings_it(name: str) -> None:
    with pytest.raises(PrerequisiteError) as error:
        made(name)
    assert f"weights fetch {NAMES[name][0]}" in str(error.value)


@pytest.mark.parametrize("name", [name for name, (_, others) in NAMES.items() if others])
def test_every_further_file_is_needed(name: str, tmp_path: Path) -> None:
    given = files(name, tmp_path)
    for argument, entry in NAMES[name][1].items():
        rest = {key: path for key, path in given.items() if key != argument}
        with pytest.raises(PrerequisiteError, match=f"weights fetch {entry}"):
            made(name, **rest)


@pytest.mark.parametrize("name", NAMES)
def test_construction_reads_no_network_and_digests_every_file(name: str, tmp_path: Path) -> None:
    given = files(name, tmp_path)
    judge = made(name, **given)
    assert judge.name == name
    assert judge.to("cpu") is judge
    assert made(name, **given).digest == judge.digest
    assert made(name, **given, dtype="bfloat16").digest != judge.digest
    for argument, path in given.items():
        other = tmp_path / "other"
        other.write_bytes(b"something else")
        assert made(name, **{**given, argument: other}).digest != judge.digest, path


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_number_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown number format 'flaot32'; did you mean 'float32'\?"):
        made(name, **files(name, tmp_path), dtype="flaot32")


@pytest.mark.parametrize(("name", "frames"), [("viclip_l14", 7), ("umt_l16", 8)])
def test_a_clip_of_another_length_is_refused(name: str, frames: int, tmp_path: Path) -> None:
    import numpy as np

    judge = made(name, **files(name, tmp_path))
    clip = np.zeros((frames, 32, 32, 3), np.uint8)
    with pytest.raises(UsageError, match=f"not {frames}"):
        judge.video_text_similarity(clip, "a") if name == "viclip_l14" else judge.action_logits(clip)


@pytest.mark.parametrize("family", BUILDERS)
def test_another_file_is_refused_by_the_names_in_it(family: str, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError) as error:
        BUILDERS[family]({"backbone.unheard_of": torch.zeros(1)}, tmp_path / "file.pth")
    line = str(error.value)
    assert "file.pth" in line
    assert "missing: " in line
    assert "1 unknown: backbone.unheard_of" in line
    assert "\n" not in line


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"head\.weight \(700, 1024\) for \(400, 1024\)"):
        umt.build({"head.weight": torch.zeros(700, 1024)}, tmp_path / "k700.pth")


@pytest.mark.parametrize(
    "name",
    [
        "visual_encoder.layers.0.blocks.1.attn_mask",
        "visual_encoder.layers.2.blocks.3.attn.relative_position_index",
        "text_decoder.bert.embeddings.position_ids",
    ],
)
def test_tag2text_drops_what_follows_from_sizes(name: str) -> None:
    assert tag2text.renamed(name) is None


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("vision_multi.encoder.layer.1.output.dense.bias", "tag_encoder.encoder.layer.1.output.dense.bias"),
        (
            "text_decoder.cls.predictions.decoder.weight",
            "text_decoder.bert.embeddings.word_embeddings.weight",
        ),
        ("text_decoder.cls.predictions.decoder.bias", "text_decoder.cls.predictions.bias"),
    ],
)
def test_tag2text_shares_what_the_official_network_shares(copy: str, original: str) -> None:
    assert tag2text.renamed(copy) == tag2text.renamed(original)


def test_grit_has_no_use_for_masks_and_shares_its_word_table() -> None:
    assert grit.renamed("roi_heads.mask_head.mask_fcn1.weight") is None
    assert grit.renamed("roi_heads.text_decoder_det.textual.output.bias") is None
    table = "roi_heads.text_decoder.textual.embedding.words.weight"
    assert grit.renamed("roi_heads.text_decoder.textual.output.weight") == grit.renamed(table)
