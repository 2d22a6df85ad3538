"""GenEval's judge: what the detector sees and how its answer is read, which colors are asked for, which files fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import torch.nn.functional as F

from nova_eval import packages
from nova_eval.adapters.geneval.prompts import COLORS, OBJECTS
from nova_eval.checks.bench.geneval import scenes
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.checks.parity.weight_files import PUBLISHED, read_entries, write
from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.judges import JUDGES, mask2former, mask2former_mmdet
from nova_eval.judges.geneval_colors import COLORS as NAMED
from nova_eval.judges.geneval_colors import ColorNamer, texts, view
from nova_eval.judges.geneval_objects import GenEvalObjects, GenEvalObjectsMMDet, ObjectFinder, names
from nova_eval.judges.mask2former_instances import bounds, instances, padded, preprocess, resized
from nova_eval.protocols import Detection
from nova_eval.weights import load_state_dict

from networks import tiny_clip, write_torchscript  # isort: skip

STRIP = (32, 1360)  # the least that Mask2Former looks at: 32 × 1344


def test_the_judge_knows_objects_and_colors_by_the_names_that_prompts_have() -> None:
    assert names() == OBJECTS
    assert NAMED == COLORS


# --- input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seen", "filled"),
    [
        ((512, 512), (800, 800), (800, 800)),
        ((1024, 1024), (800, 800), (800, 800)),
        ((480, 768), (800, 1280), (800, 1280)),
        ((512, 640), (800, 1000), (800, 1024)),
        ((1000, 300), (1333, 400), (1344, 416)),
        (STRIP, (31, 1333), (32, 1344)),
    ],
)
def test_images_fit_1333_by_800_and_are_padded_to_32(
    size: tuple[int, int], seen: tuple[int, int], filled: tuple[int, int]
) -> None:
    assert resized(*size) == seen
    assert padded(*seen) == filled


def test_padding_is_grey_before_it_is_normalised() -> None:
    images = preprocess(moving_shapes(0, 2, 40, 50))
    assert images.shape == (2, 3, 800, 1024)
    grey = [(128 - mean) / std for mean, std in zip((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), strict=True)]
    for channel, value in enumerate(grey):
        assert torch.allclose(images[:, channel, :, 1000:], torch.tensor(value), atol=1e-6)


def test_pixels_are_resized_as_bytes() -> None:
    images = preprocess(moving_shapes(1, 1, 64, 64))
    pixels = images * torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    pixels += torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    assert torch.allclose(pixels, pixels.round(), atol=1e-3)


# --- answer ---------------------------------------------------------------------------------------------------------


def logits(queries: int = 5, height: int = 8, width: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    classes = torch.randn(queries, 81, generator=generator)
    masks = 4 * torch.randn(queries, height, width, generator=generator)
    return classes, masks


def test_instances_are_the_surest_pairs_with_their_masks_certainty() -> None:
    classes, masks = logits()
    height, width = 51, 64  # seen as 638×800 → padded 640×800
    found = instances(classes, masks, height, width)
    assert len(found.labels) == 100
    assert found.scores == sorted(found.scores, reverse=True)
    shown = resized(height, width)
    expected = []
    for query in range(5):
        large = F.interpolate(masks[None, None, query], size=padded(*shown), mode="bilinear")
        large = F.interpolate(large[..., : shown[0], : shown[1]], size=(height, width), mode="bilinear")[0, 0]
        inside = large > 0
        certainty = torch.sigmoid(large[inside]).mean().item()
        probability = classes[query].softmax(0)[:80]
        rows, columns = np.nonzero(inside.numpy())
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        expected += [(p * certainty, p, label, box) for label, p in enumerate(probability.tolist())]
    best = sorted(sorted(expected, key=lambda row: -row[1])[:100], key=lambda row: -row[0])
    assert found.labels == [row[2] for row in best]
    assert found.scores == pytest.approx([row[0] for row in best], abs=1e-6)
    assert found.boxes == [tuple(map(float, row[3])) for row in best]


def test_an_empty_mask_has_no_box_and_no_score() -> None:
    classes, masks = logits(2)
    masks[0] = -5.0
    classes[0, 7] = 20.0
    found = instances(classes, masks, 20, 25)
    place = found.labels.index(7)
    empty = [n for n, mask in enumerate(found.masks) if not mask.any()]
    assert place in empty or 7 in [found.labels[n] for n in empty]
    assert {found.boxes[n] for n in empty} == {(0.0, 0.0, 0.0, 0.0)}
    assert {found.scores[n] for n in empty} == {0.0}


def test_boxes_are_tight_and_end_after_the_last_pixel() -> None:
    masks = torch.zeros(3, 6, 9, dtype=torch.bool)
    masks[0, 2:4, 5:9] = True
    masks[1, 0, 0] = True
    assert bounds(masks).tolist() == [[5, 2, 9, 4], [0, 0, 1, 1], [0, 0, 0, 0]]


# --- names ----------------------------------------------------------------------------------------------------------


def test_every_published_name_has_one_place() -> None:
    table = dict(mask2former.places())
    entries = {row["name"] for row in read_entries(PUBLISHED / "mask2former" / "keys.json.gz")}
    assert len(table) == 625
    assert table.keys() == entries
    hosted = [place for places in table.values() for place in places]
    assert len(hosted) == len(set(hosted))


def test_names_of_both_generations_are_each_others_inverse() -> None:
    second = [name for name, _ in mask2former.places()]
    third = [mask2former.third_generation(name) for name in second]
    assert [mask2former.second_generation(name) for name in third] == second
    assert [mask2former.second_generation(name) for name in second] == second
    assert sum(a != b for a, b in zip(second, third, strict=True)) == 180


def test_neighbours_are_merged_in_the_hosts_order() -> None:
    """mmdet unfolds 2×2 neighbours channel by channel, the host joins them block by block."""
    x = torch.randn(1, 3, 4, 4)
    weight = torch.randn(5, 12)
    theirs = F.unfold(x, 2, stride=2).transpose(1, 2) @ weight.T
    blocks = [x[:, :, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
    ours = torch.cat(blocks, 1).flatten(2).transpose(1, 2) @ mask2former.merged_by_neighbour(weight).T
    assert torch.allclose(theirs, ours, atol=1e-5)


@pytest.fixture(scope="module")
def entries() -> Callable[..., dict[str, torch.Tensor]]:
    """The published entries without memory of their own, some of them changed."""
    rows = read_entries(PUBLISHED / "mask2former" / "keys.json.gz")

    def made(**changed: Any) -> dict[str, torch.Tensor]:
        state = {row["name"]: torch.zeros(1).expand(row["shape"]) for row in rows}
        return {**state, **changed}

    return made


def test_files_of_both_generations_load(entries: Any) -> None:
    state = {mask2former.third_generation(name): tensor for name, tensor in entries().items()}
    state["backbone.stages.0.blocks.0.attn.w_msa.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
    built = mask2former.build(state, Path("third.pth"))
    assert not built.network.class_predictor.weight.any()


def test_what_does_not_fit_is_one_line_in_published_names(entries: Any) -> None:
    state = entries(**{"panoptic_head.cls_embed.weight": torch.zeros(134, 256), "teacher.weight": torch.zeros(1)})
    del state["backbone.norm3.bias"]
    with pytest.raises(PrerequisiteError) as error:
        mask2former.build(state, Path("other.pth"))
    line = str(error.value)
    assert "\n" not in line
    assert "other.pth" in line
    assert "1 missing: backbone.norm3.bias" in line
    assert "1 unknown: teacher.weight" in line
    assert "panoptic_head.cls_embed.weight (134, 256) for (81, 256)" in line


def test_another_architecture_is_one_short_line(entries: Any) -> None:
    state = {f"backbone.layer1.{n}.conv1.weight": torch.zeros(64, 64, 1, 1) for n in range(40)}
    with pytest.raises(PrerequisiteError) as error:
        mask2former.build(state, Path("r50.pth"))
    assert "do not fit Mask2Former Swin-S: 625 missing" in str(error.value)
    assert "40 unknown" in str(error.value)
    assert len(str(error.value)) < 800


# --- the networks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write("mask2former", 33, tmp_path_factory.mktemp("mask2former"))


@pytest.fixture(scope="module")
def strips() -> np.ndarray:
    return scenes(2, *STRIP)


def finder(file: Path, build: Any = mask2former.build, **settings: Any) -> ObjectFinder:
    return ObjectFinder("test", "1", build, weights=file, **{"dtype": "float32", "batch": 4, **settings}, also={})


@pytest.fixture(scope="module")
def together(detector_file: Path, strips: np.ndarray) -> list[list[Detection]]:
    return finder(detector_file).detect(strips)


def test_an_image_is_seen_alike_alone_and_in_a_batch(
    detector_file: Path, strips: np.ndarray, together: list[list[Detection]]
) -> None:
    alone = finder(detector_file, batch=1).detect(strips)
    for one, other in zip(alone, together, strict=True):
        assert [d.label for d in one] == [d.label for d in other]
        assert [d.score for d in one] == pytest.approx([d.score for d in other], abs=3e-4)
    assert [d.score for d in alone[0]] != [d.score for d in alone[1]]


def test_equal_images_are_looked_at_once(detector_file: Path, strips: np.ndarray, monkeypatch: Any) -> None:
    asked: list[int] = []

    def count(self: Any, images: torch.Tensor, height: int, width: int) -> list[Any]:
        asked.append(len(images))
        return [instances(*logits(2, 1, 2), height, width) for _ in images]

    monkeypatch.setattr(mask2former.Mask2FormerSwinS, "instances", count)
    found = finder(detector_file).detect(strips[[0, 1, 0, 0]])
    assert asked == [2]
    assert found[0] is found[2]
    assert {d.label for d in found[0]} <= set(OBJECTS)


@pytest.mark.slow
def test_mmdet_itself_finds_the_same(detector_file: Path, strips: np.ndarray) -> None:
    """In double precision, where no attention mask of a few pixels flips on rounding."""
    pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'nova_eval[judges]'")
    state = load_state_dict(detector_file, "in:state_dict")
    images = preprocess(strips).double()
    answers = []
    for build in (mask2former.build, mask2former_mmdet.build):
        network: Any = build(state, detector_file).eval().double()
        with torch.inference_mode():
            answers.append(network.instances(images, *STRIP))
    for ours, theirs in zip(*answers, strict=True):
        assert ours.labels == theirs.labels
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-6)
        assert ours.boxes == theirs.boxes
        for one, other in zip(ours.masks, theirs.masks, strict=True):
            assert abs(int(one.sum()) - int(other.sum())) <= 20


@pytest.mark.slow
def test_half_precision_finds_the_surest_about_as_sure(
    detector_file: Path, strips: np.ndarray, together: list[list[Detection]]
) -> None:
    half = finder(detector_file, dtype="bfloat16")
    network: Any = half.hosted.network
    decoder = network.network.model.pixel_level_module.decoder
    assert {p.dtype for p in decoder.parameters()} == {torch.float32}
    assert network.network.class_predictor.weight.dtype == torch.bfloat16
    first, again = (half.detect(strips[:1])[0] for _ in range(2))
    assert [d.score for d in first] == [d.score for d in again]
    assert first[0].label == together[0][0].label
    assert first[0].score == pytest.approx(together[0][0].score, abs=0.05)


# --- colors --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip_l_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_torchscript(tiny_clip(out=64), tmp_path_factory.mktemp("clip") / "ViT-L-14.pt")


@pytest.fixture
def namer(clip_l_file: Path) -> ColorNamer:
    return ColorNamer("test", "1", weights=clip_l_file, dtype="float32", view=view(), batch=4)


def thing(box: tuple[float, ...], mask: Any = None, label: str = "bench") -> Detection:
    return Detection(label, box, mask=mask)  # type: ignore[arg-type]


def test_texts_are_the_official_ones_with_their_article() -> None:
    assert texts("orange", "tv remote") == [
        "a photo of a orange tv remote",
        "a photo of a orange-colored tv remote",
        "a photo of a orange object",
    ]


def test_an_object_is_shown_on_grey_in_its_box() -> None:
    frame = moving_shapes(0, 1, 40, 60)[0]
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:50] = True
    shown = view().of(frame, thing((28.0, 10.0, 52.0, 22.0), mask))
    assert shown.shape == (12, 24, 3)
    assert np.array_equal(shown[:10, 2:22], frame[10:20, 30:50])
    assert (shown[10:] == 153).all()
    assert (shown[:, :2] == 153).all()


@pytest.mark.parametrize(
    ("settings", "corner"), [({"background": "original"}, "image"), ({"background": "#000"}, 0), ({}, 153)]
)
def test_the_background_is_a_setting(settings: dict[str, Any], corner: Any) -> None:
    frame = moving_shapes(0, 1, 40, 60)[0]
    mask = np.zeros((40, 60), bool)
    mask[5:9, 5:9] = True
    shown = view(**settings).of(frame, thing((4.0, 4.0, 12.0, 12.0), mask))
    assert np.array_equal(shown[0, 0], frame[4, 4] if corner == "image" else np.full(3, corner))
    whole = view(**settings, crop=False).of(frame, thing((4.0, 4.0, 12.0, 12.0), mask))
    assert whole.shape == frame.shape


def test_corners_round_half_to_even_and_outside_is_black() -> None:
    frame = np.full((20, 20, 3), 200, np.uint8)
    shown = view().of(frame, thing((-3.0, 2.5, 4.5, 7.5)))
    assert shown.shape == (6, 7, 3)
    assert (shown[:, :3] == 0).all()
    assert (shown[:, 3:] == 200).all()


def test_an_object_without_extent_has_no_color(namer: ColorNamer) -> None:
    with pytest.raises(MediaError, match=r"bench .* has no extent"):
        namer.colors(np.zeros((8, 8, 3), np.uint8), [thing((0.0, 0.0, 0.0, 0.0))])


def test_a_background_that_is_no_color_is_refused() -> None:
    with pytest.raises(UsageError, match="greyish"):
        view("greyish")


def test_colors_are_the_nearest_of_ten_whatever_is_asked_beside(namer: ColorNamer) -> None:
    frame = moving_shapes(2, 1, 64, 64)[0]
    objects = [
        thing((n, n, n + 20.0, n + 24.0), label=name) for n, name in enumerate(("cow", "cup", "cow", "tie", "cup"))
    ]
    found = namer.logits(frame, objects)
    assert found.shape == (5, 10)
    assert np.abs(found).max() <= 100
    assert namer.colors(frame, objects) == [COLORS[place] for place in found.argmax(1)]
    alone = np.concatenate([namer.logits(frame, [one]) for one in objects])
    assert np.abs(found - alone).max() < 1e-4
    assert namer.colors(frame, []) == []


def test_a_classifier_is_three_unit_texts_averaged(namer: ColorNamer) -> None:
    classifier = namer.classifier("cow")
    assert classifier.shape == (64, 10)
    assert torch.allclose(classifier.norm(dim=0), torch.ones(10), atol=1e-5)
    rows = F.normalize(torch.from_numpy(namer.text_features(texts("pink", "cow"))), dim=-1)
    assert torch.allclose(classifier[:, 6], F.normalize(rows.mean(0), dim=0), atol=1e-6)


def test_a_text_is_read_once(namer: ColorNamer, monkeypatch: Any) -> None:
    network = namer.hosted.network
    read: list[int] = []
    answer = network.text.forward
    monkeypatch.setattr(network.text, "forward", lambda tokens: (read.append(len(tokens)), answer(tokens))[1])
    namer.classifier("cow")
    namer.classifier("cup")  # ten texts about "object" are known
    namer.classifier("cow")
    assert sum(read) == 50


# --- the judges -----------------------------------------------------------------------------------------------------


def test_settings_and_files_make_the_digest(detector_file: Path, clip_l_file: Path, tmp_path: Path) -> None:
    def digest(**settings: Any) -> str:
        return GenEvalObjects(detector_file, clip=clip_l_file, **settings).digest

    other = tmp_path / "ViT-L-14.pt"
    other.write_bytes(b"other")
    assert digest() == digest(batch=1)
    digests = [digest(), digest(dtype="float16"), digest(background="#000"), digest(crop=False)]
    digests.append(GenEvalObjects(detector_file, clip=other).digest)
    assert len(set(digests)) == len(digests)


def test_the_second_host_is_another_judge_and_says_what_it_needs(
    detector_file: Path, clip_l_file: Path, monkeypatch: Any
) -> None:
    assert JUDGES.get("geneval_objects") is GenEvalObjects
    assert JUDGES.get("geneval_objects_mmdet") is GenEvalObjectsMMDet
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "mmdet" else True)
    with pytest.raises(PrerequisiteError, match="needs the package 'mmdet'"):
        GenEvalObjectsMMDet(detector_file, clip=clip_l_file)


def test_missing_files_name_the_command(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)
    with pytest.raises(PrerequisiteError, match="weights fetch"):
        GenEvalObjects()
