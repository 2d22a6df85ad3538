"""ViCLIP, UMT, Tag2Text and GRiT give the figures that the official code gave on procedural weights.

The quick cases run the first layers at full width on recorded footage; every case of the recordings is slow.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nova_eval.checks.parity.compare import facts as summary
from nova_eval.checks.parity.compare import largest, watching
from nova_eval.checks.parity.items import frames
from nova_eval.checks.parity.recordings import replay
from nova_eval.checks.parity.vocabulary import vocabulary
from nova_eval.checks.parity.weight_files import filled
from nova_eval.judges import grit, tag2text, umt, viclip
from nova_eval.judges.beam_search import Hypothesis
from nova_eval.judges.grit_backbone import VisionTransformer, padded
from nova_eval.judges.grit_text import Text
from nova_eval.judges.wordpiece import SEP, WordPiece
from nova_eval.media import encode_video, read

RECORDED: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "vbench_text_judges.json.gz").read_bytes())
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pieces() -> WordPiece:
    return WordPiece(vocabulary())


def load(module: torch.nn.Module, kit: dict[str, Any], entries: str = "entries", prefix: str = "") -> Any:
    """``module`` with the recorded entries of its first layers, the names' ``prefix`` taken off."""
    state = filled(kit[entries], kit["weights_seed"])
    wrong = module.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in state.items()}, strict=False)
    assert not wrong.unexpected_keys
    return module.eval()


def layers(modules: dict[str, torch.nn.Module], forward: Any) -> dict[str, torch.Tensor]:
    with torch.inference_mode(), watching(modules) as seen:
        forward()
    return {name: answers[0] for name, answers in seen.items()}


def test_umt_positions_pixels_and_first_block() -> None:
    kit = RECORDED["umt"]
    table = umt.sinusoid_positions(umt.FRAMES, 14, 1024)
    assert summary(kit["pos_table"], table) <= 1e-6
    for place, row in kit["pos_table"]["rows_first6"].items():
        assert largest(row, table[0, int(place), :6]) <= 1e-6
    clip = umt.preprocess(frames(kit["input"]))
    assert summary(kit["preprocessed"], clip) <= 1e-6
    network = umt.VideoTransformer(depth=1)
    network.pos_embed.data.copy_(table)
    load(network, kit)
    seen = layers({"patch_embed": network.patch_embed, "block0": network.blocks[0]}, lambda: network(clip[None]))
    assert {name: summary(kit["layers"][name], answer) <= 1e-4 for name, answer in seen.items()} == {
        "patch_embed": True,
        "block0": True,
    }


def test_viclip_pixels_and_first_block() -> None:
    kit = RECORDED["viclip"]
    images = viclip.preprocess(frames(kit["input"]))
    assert summary(kit["preprocessed"], images) <= 1e-6
    encoder = load(viclip.VideoEncoder(depth=1), kit, "vision_entries", "vision_encoder.")
    modules = {"conv1": encoder.conv1, "ln_pre": encoder.ln_pre, "block": encoder.transformer.resblocks[0]}
    seen = layers(modules, lambda: encoder(images.transpose(0, 1)[None]))
    assert summary(kit["layers"]["conv1"], seen["conv1"]) <= 1e-4
    assert summary(kit["layers"]["ln_pre"], seen["ln_pre"]) <= 1e-4
    assert summary(kit["layers"]["block0 (NBD)"], seen["block"].transpose(0, 1)) <= 1e-4


def test_viclip_token_ids(tmp_path: Path) -> None:
    (tmp_path / "unread").write_bytes(b"")
    judge = viclip.ViCLIP(tmp_path / "unread")
    for text in RECORDED["viclip"]["texts"]:
        assert judge.token_ids(text["prompt"]).tolist() == text["token_ids"]


@pytest.mark.slow
def test_viclip_text_features() -> None:
    kit = RECORDED["viclip"]
    tower = load(viclip.TextTower(), kit, "text_entries", "text_encoder.")
    for text in kit["texts"]:
        with torch.inference_mode():
            feature = torch.nn.functional.normalize(tower(torch.tensor([text["token_ids"]])), dim=-1)
        assert summary(text["text_feature"], feature) <= 2e-6


def test_tag2text_pixels() -> None:
    kit = RECORDED["tag2text"]
    assert summary(kit["preprocessed"], tag2text.preprocess(frames(kit["input"]))) <= 1e-6


@pytest.mark.slow
def test_tag2text_first_stage() -> None:
    kit = RECORDED["tag2text"]
    images = tag2text.preprocess(frames(kit["input"]))
    encoder = tag2text.vision_network(depths=(2, 2)).eval()
    renamed = {
        "visual_encoder.layers.0.downsample.": "layers.1.downsample.",
        "visual_encoder.": "",
    }
    state = filled(kit["entries"], kit["weights_seed"])
    for old, new in renamed.items():
        state = {name.replace(old, new, 1): tensor for name, tensor in state.items()}
    assert not encoder.load_state_dict(state, strict=False).unexpected_keys
    answers: dict[str, list[torch.Tensor]] = {"patch_embed": [], "swin_layer0": []}
    with torch.inference_mode():
        for part in images.split(8):
            x = encoder.patch_embed(part)
            answers["patch_embed"].append(x.flatten(1, 2))
            answers["swin_layer0"].append(encoder.layers[1].downsample(encoder.layers[0](x)).flatten(1, 2))
    for name, parts in answers.items():
        assert summary(kit["layers"][name], torch.cat(parts)) <= 1e-3


def test_tag2text_ids_and_words(pieces: WordPiece, tmp_path: Path) -> None:
    kit = RECORDED["tag2text"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces.pieces) + "\n")
    judge = tag2text.Tag2Text(tmp_path / "vocab.txt", vocabulary=tmp_path / "vocab.txt", tags=tmp_path / "vocab.txt")
    assert judge.prompt_ids == kit["prompt_ids"]
    assert judge.tag_ids(kit["tags"]["names"]) == kit["tags"]["encoder_ids"]
    ids = kit["caption"]["output_ids"]
    assert judge.sentence(Hypothesis(0.0, tuple(ids[: ids.index(SEP)]))) == kit["caption"]["text"]


@pytest.mark.parametrize("number", range(len(RECORDED["tag2text"]["mp4"])))
def test_tag2text_frames_are_scaled_while_decoding(number: int, tmp_path: Path) -> None:
    case = RECORDED["tag2text"]["mp4"][number]
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode_video(frames(case["input"]), 8.0, "h264-lossless"))
    scaled = read(path).at_size(*tag2text.Tag2Text.input_size)
    assert summary(case["resized_uint8"], scaled) == 0
    assert summary(case["preprocessed"], tag2text.preprocess(scaled)) <= 1e-6


@pytest.mark.parametrize("number", range(len(RECORDED["grit"]["resize"])))
def test_grit_looks_at_large_frames_at_720(number: int) -> None:
    case = RECORDED["grit"]["resize"][number]
    clip = frames(case["input"])
    assert summary(case["tensor_path"], grit.reduced_floats(clip)[0].permute(1, 2, 0)) <= 1e-4
    assert summary(case["array_path"], grit.reduced_bytes(clip)[0].permute(1, 2, 0)) == 0


def test_grit_pixels_and_first_blocks() -> None:
    kit = RECORDED["grit"]
    network = load(VisionTransformer(depth=3), kit, prefix="backbone.bottom_up.")
    images = padded(grit.normalised_pixels(grit.reduced_floats(frames(kit["input"])[:1])))
    assert summary(kit["layers"]["images"], images) <= 1e-6
    modules = {f"vit_block{place}": network.blocks[place] for place in (0, 2)}
    for name, answer in layers(modules, lambda: network(images)).items():
        assert summary(kit["layers"][name], answer) <= 1e-4


def test_grit_words(pieces: WordPiece) -> None:
    for case in RECORDED["grit"]["texts"]:
        assert pieces.decode(Text(tuple(case["ids"]), 0.0).ids[1:]) == case["text"]


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["viclip", "umt", "tag2text", "grit"])
def test_every_recorded_case(judge: str, parity: Path) -> None:
    results = list(replay(parity / "vbench" / judge))
    assert len(results) > 20
    assert [result for result in results if not result.passed] == []
    assert np.isfinite([result.difference for result in results]).all()
