"""UniDet: its files, its geometry, and that frames do not depend on each other.

Judges are asked on shallow trunks and narrow heads in the published form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.judges import JUDGES, grit_boxes, resnest, unidet, unidet_boxes
from nova_eval.judges.unidet import UniDetR50, UniDetRS200, labels, preprocess
from nova_eval.judges.unidet_boxes import Found, anchors, proposals
from nova_eval.protocols import DepthDetector, Detector

from networks import clip_of, drawn, largest  # isort: skip


@pytest.fixture(autouse=True, scope="module")
def _shallow() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnest, "RESNET_50_BLOCKS", (1, 1, 2, 1))
        patch.setattr(resnest, "RESNEST_200_BLOCKS", (1, 2, 1, 1))
        for module in (grit_boxes, unidet_boxes):
            patch.setattr(module, "HIDDEN", 16)
        patch.setattr(unidet_boxes, "PROPOSALS", 60)
        yield


def saved(state: dict[str, Any], path: Path, **beside: Any) -> Path:
    torch.save({"model": state, "iteration": 179_999, **beside}, path)
    return path


@pytest.fixture(scope="module")
def states(_shallow: None) -> dict[str, dict[str, Any]]:
    """Signals are of size one, few classes of few boxes are likely, and none is certain."""
    made = {"unidet_r50": drawn(unidet.unidet_r50()), "unidet_rs200": drawn(unidet.unidet_rs200())}
    made["unidet_r50"]["backbone.bottom_up.stem.conv1.weight"] *= 1 / 50
    for state in made.values():
        for stage in range(3):
            state[f"roi_heads.box_predictor.{stage}.cls_score.weight"] *= 20
            state[f"roi_heads.box_predictor.{stage}.cls_score.bias"] -= 4
    return made


@pytest.fixture(scope="module")
def files(states: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("unidet")
    return {name: saved(state, folder / f"{name}.pth") for name, state in states.items()}


MAKERS = {"unidet_r50": UniDetR50, "unidet_rs200": UniDetRS200}

# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judge", "file"),
    [("unidet_r50", "unidet_r50"), ("unidet_rs200", "unidet_rs200"), ("unidet_r50_dpt", "unidet_r50")],
)
def test_a_missing_file_is_said_with_the_command_that_brings_it(
    judge: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)
    maker: Any = JUDGES.get(judge)
    with pytest.raises(PrerequisiteError, match=f"weights fetch {file}"):
        maker()


def test_constants_of_older_detectron2_and_other_objects_are_left_alone(
    states: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    more = {"pixel_mean": torch.ones(3, 1, 1), "proposal_generator.anchor_generator.cell_anchors.0": torch.ones(9, 4)}
    path = saved({**states["unidet_r50"], **more}, tmp_path / "x.pth", trainer=Path("an object"))
    assert len(UniDetR50(path).detect(clip_of(1, 64, 64))) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("backbone.top_block.p6.bias"), "1 missing: backbone.top_block.p6.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "1 unknown: extra"),
        (
            lambda s: s.update({"backbone.fpn_lateral3.bias": torch.ones(7)}),
            r"1 of another shape: backbone.fpn_lateral3.bias \(7,\) for \(256,\)",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    change: Any, said: str, states: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    state = dict(states["unidet_r50"])
    change(state)
    with pytest.raises(PrerequisiteError, match=said) as error:
        UniDetR50(saved(state, tmp_path / "x.pth")).detect(clip_of(1, 64, 64))
    assert "\n" not in str(error.value)
    assert "x.pth" in str(error.value)


@pytest.mark.parametrize(("judge", "other"), [("unidet_r50", "unidet_rs200"), ("unidet_rs200", "unidet_r50")])
def test_the_other_trunks_file_is_one_line(judge: str, other: str, files: dict[str, Path]) -> None:
    with pytest.raises(PrerequisiteError, match=r"missing: .*unknown: ") as error:
        MAKERS[judge](files[other]).detect(clip_of(1, 64, 64))
    assert "\n" not in str(error.value)


def test_what_changes_answers_changes_the_digest(files: dict[str, Path]) -> None:
    judge = UniDetR50(files["unidet_r50"])
    assert judge.digest == UniDetR50(files["unidet_r50"], batch=1).digest
    others = {UniDetR50(files["unidet_r50"], "float16").digest, UniDetR50(files["unidet_rs200"]).digest}
    assert len(others - {judge.digest}) == 2
    with pytest.raises(UsageError, match="unknown number format"):
        UniDetR50(files["unidet_r50"], "flaot32")


def test_two_judges_on_one_file_share_a_network_and_are_detectors(files: dict[str, Path]) -> None:
    maker: Any = JUDGES.get("unidet_r50_dpt")
    both, alone = maker(files["unidet_r50"], files["unidet_rs200"]), UniDetR50(files["unidet_r50"])
    assert both.objects.hosted.network is alone.hosted.network
    assert isinstance(both, DepthDetector)
    assert isinstance(alone, Detector)
    assert both.digest not in {alone.digest, maker(files["unidet_r50"], files["unidet_r50"]).digest}
    assert both.to("cpu") is both


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_frames_do_not_depend_on_each_other(name: str, files: dict[str, Path]) -> None:
    frames = clip_of(2, 60, 64)
    together = MAKERS[name](files[name], batch=4).detect(np.concatenate([frames, frames[:1]]))
    alone = MAKERS[name](files[name], batch=1).detect(frames)
    assert together[2] == together[0]
    for some, own in zip(together[:2], alone, strict=True):
        assert len(some) > 10
        assert [d.label for d in some] == [d.label for d in own]
        assert largest([d.box for d in some], [d.box for d in own]) < 1e-2
        assert largest([d.score for d in some], [d.score for d in own]) < 1e-4


def test_objects_are_in_the_frame_surest_first_and_have_known_names(files: dict[str, Path]) -> None:
    (found,) = UniDetR50(files["unidet_r50"]).detect(clip_of(1, 70, 90))
    assert 0 < len(found) <= 300
    scores = [d.score for d in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0.1
    boxes = np.array([d.box for d in found])
    assert (boxes >= 0).all()
    assert (boxes <= [90, 70, 90, 70]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert {d.label for d in found} <= set(labels())


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_half_precision_finds_much_the_same(name: str, files: dict[str, Path]) -> None:
    frames = clip_of(1, 64, 64)
    whole, half = (MAKERS[name](files[name], dtype).detect(frames)[0] for dtype in ("float32", "bfloat16"))
    assert abs(len(whole) - len(half)) <= 0.3 * len(whole)
    assert max(d.score for d in half) == pytest.approx(max(d.score for d in whole), abs=0.1)


def test_blue_comes_first_and_zeros_fill_up() -> None:
    frames = np.zeros((1, 33, 64, 3), np.uint8)
    frames[..., 2] = 200
    pixels = preprocess(frames, (10.0, 20.0, 30.0), (2.0, 1.0, 1.0))
    assert pixels.shape == (1, 3, 64, 64)
    assert pixels[0, :, 0, 0].tolist() == [95.0, -20.0, -30.0]
    assert pixels[0, :, 33:].eq(0).all()


def test_labels_are_the_official_ones() -> None:
    assert len(labels()) == 722
    assert len(set(labels())) == 677
    assert {"tissue ", "table, desk", "person", "man"} <= set(labels())


# --- geometry -------------------------------------------------------------------------------------------------------


def test_anchors_are_nine_a_place_from_the_corner_on() -> None:
    found = anchors(0, 2, 3, torch.device("cpu"))
    assert found.shape == (2 * 3 * 9, 4)
    sides = found[:, 2:] - found[:, :2]
    assert sides.prod(-1)[:9].tolist() == pytest.approx([32.0**2 * 2 ** (2 / 3 * (n // 3)) for n in range(9)], rel=1e-5)
    assert (sides[:3, 1] / sides[:3, 0]).tolist() == pytest.approx([0.5, 1.0, 2.0])
    centres = (found[:, 2:] + found[:, :2]) / 2
    assert centres[::9].tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]


def answers(**warm: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Maps of one image of 64 × 128, all anchors sure to be nothing but those named ``level_anchor_row_column``."""
    maps = []
    for level, stride in enumerate((8, 16, 32, 64, 128)):
        h, w = max(64 // stride, 1), 128 // stride
        objectness = torch.full((1, 9, h, w), -50.0)
        for name, logit in warm.items():
            at, anchor, row, column = (int(part) for part in name[1:].split("_"))
            if at == level:
                objectness[0, anchor, row, column] = logit
        maps.append((objectness, torch.zeros(1, 36, h, w)))
    return maps


def test_proposals_are_clipped_anchors_best_first() -> None:
    (found,) = proposals(answers(_0_1_4_8=3.0, _1_1_0_0=2.0), (64, 128))
    assert found.boxes[:2].tolist() == [[48.0, 16.0, 80.0, 48.0], [0.0, 0.0, 32.0, 32.0]]
    assert found.scores[:2].tolist() == [3.0, 2.0]


def test_overlapping_proposals_are_one_within_a_level_only() -> None:
    near = {"_0_1_4_8": 3.0, "_0_1_4_9": 2.0, "_0_2_4_8": 1.0}  # 8 pixels apart: 0.6 of the union; another shape
    (found,) = proposals(answers(**near), (64, 128))
    assert (found.scores > 0).sum() == 3
    shifted = answers(_0_1_4_8=3.0, _0_4_4_8=2.0)
    shifted[0][1][0, 4 * 4 + 2 : 4 * 4 + 4, 4, 8] = -np.log(2) / 3  # the larger anchor shrinks onto the smaller
    (found,) = proposals(shifted, (64, 128))
    assert (found.scores > 0).sum() == 1


def test_a_deltas_four_numbers_belong_to_one_anchor() -> None:
    maps = answers(_0_1_4_8=3.0)
    maps[0][1][0, 4 * 1, 4, 8] = 0.5  # a shift of half a width to the right
    (found,) = proposals(maps, (64, 128))
    assert found.boxes[0].tolist() == [64.0, 16.0, 96.0, 48.0]


def test_a_box_can_have_two_names_and_a_name_one_of_two_overlapping_boxes() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [20.0, 20.0, 20.0, 30.0]])
    scores = torch.zeros(3, 722)
    scores[0, 5], scores[0, 7], scores[1, 5], scores[1, 9], scores[2, 5] = 0.8, 0.3, 0.7, 0.1, 0.9
    found = unidet_boxes._confident(boxes, scores)
    rows = zip(found.classes.tolist(), [round(score, 4) for score in found.scores.tolist()], strict=True)
    assert list(rows) == [(5, 0.8), (7, 0.3)]  # 0.1 is not above the threshold, and the last box is empty


def test_at_most_three_hundred_objects_are_named() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    found = unidet_boxes._confident(boxes, torch.linspace(0.2, 0.9, 722)[None])
    assert len(found.boxes) == 300
    assert found.classes[:3].tolist() == [721, 720, 719]


def test_names_follow_classes() -> None:
    found = Found(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), torch.tensor([0.5]), torch.tensor([12]))
    assert unidet.named(found) == [("table, desk", (0.0, 1.0, 2.0, 3.0), 0.5, "", None)]


# --- trunks ---------------------------------------------------------------------------------------------------------


def test_maps_halve_from_stage_to_stage() -> None:
    images = torch.zeros(1, 3, 64, 96)
    for trunk in (resnest.resnet_50().eval(), resnest.resnest_200().eval()):
        with torch.inference_mode():
            shapes = [tuple(level.shape[1:]) for level in trunk(images)]
        assert shapes == [(512, 8, 12), (1024, 4, 6), (2048, 2, 3)]


def test_attention_weighs_two_splits_to_one() -> None:
    attention = resnest.SplitAttention(8).eval()
    torch.nn.init.zeros_(attention.fc2.weight)
    torch.nn.init.zeros_(attention.fc2.bias)
    x = torch.rand(2, 8, 5, 5)
    with torch.inference_mode():
        splits = torch.relu(attention.bn0(attention.conv(x)))
        assert torch.allclose(attention(x), (splits[:, :8] + splits[:, 8:]) / 2, atol=1e-6)
        attention.fc2.bias[:8] = 50.0
        assert torch.allclose(attention(x), splits[:, :8], atol=1e-6)
