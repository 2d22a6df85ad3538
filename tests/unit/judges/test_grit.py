"""GRiT: the size of frames, the geometry of boxes, windows and positions, and how texts are written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.judges import grit_text
from nova_eval.judges.grit import Grit, Read, reduced_bytes, reduced_floats, reduced_size
from nova_eval.judges.grit_backbone import WINDOW, Block, padded, relative
from nova_eval.judges.grit_boxes import Regions, clipped, moved, pooled, proposals, suppressed
from nova_eval.judges.grit_text import Text, TextDecoder
from nova_eval.judges.wordpiece import SEP, WordPiece

# --- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(480, 768, (480, 768)), (768, 1360, (768, 1360)), (1080, 1920, (720, 1280)), (1080, 780, (996, 720))],
)
def test_only_large_frames_are_reduced(height: int, width: int, expected: tuple[int, int]) -> None:
    assert reduced_size(height, width) == expected


def test_objects_are_sought_in_floats_and_captions_written_of_bytes() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 800, 770, 3), np.uint8)
    floats, whole = reduced_floats(frames), reduced_bytes(frames)
    assert floats.shape == whole.shape == (1, 3, 748, 720)
    assert (floats != floats.round()).any()
    assert (whole == whole.round()).all()
    assert (reduced_floats(frames[:, :700]) == reduced_bytes(frames[:, :700])).all()


def test_padding_is_right_and_below_to_a_multiple_of_32() -> None:
    images = torch.ones(2, 3, 33, 64)
    wide = padded(images)
    assert wide.shape == (2, 3, 64, 64)
    assert wide[:, :, :33].eq(1).all()
    assert wide[:, :, 33:].eq(0).all()


# --- attention ------------------------------------------------------------------------------------------------------


def test_relative_rows_are_by_query_minus_key_and_resampled_for_other_sizes() -> None:
    table = torch.arange(9.0)[:, None]  # for a side of 5
    assert relative(table, 5)[:, :, 0].tolist() == [[4.0 + q - k for k in range(5)] for q in range(5)]
    small = relative(table, 2)[:, :, 0]
    assert small.tolist() == [[4.0, 1.0], [7.0, 4.0]]


def test_windows_do_not_see_each_other_and_blocks_do_not_mix_images() -> None:
    torch.manual_seed(0)
    block = Block(windowed=True).eval()
    x = torch.randn(2, WINDOW + 3, WINDOW + 5, 768)
    with torch.inference_mode():
        whole = block(x)
        changed = x.clone()
        changed[0, WINDOW:, WINDOW:] += 1.0
        other = block(changed)
    assert torch.equal(other[1], whole[1])
    assert torch.allclose(other[0, :WINDOW, :WINDOW], whole[0, :WINDOW, :WINDOW], atol=1e-6)
    assert not torch.allclose(other[0, WINDOW:, WINDOW:], whole[0, WINDOW:, WINDOW:], atol=1e-3)


# --- boxes ----------------------------------------------------------------------------------------------------------


def answers(**places: tuple[float, tuple[float, float, float, float]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Maps of one image of 64 × 128, cold everywhere but at the named places (``p3_2_1``: level, row, column)."""
    maps = []
    for level, stride in enumerate((8, 16, 32, 64, 128)):
        h, w = max(64 // stride, 1), 128 // stride
        heat, distances = torch.full((1, 1, h, w), -20.0), torch.zeros(1, 4, h, w)
        for name, (logit, reach) in places.items():
            at, row, column = (int(part) for part in name.removeprefix("p").split("_"))
            if at == level + 3:
                heat[0, 0, row, column], distances[0, :, row, column] = logit, torch.tensor(reach)
        maps.append((distances, heat))
    return maps


def test_a_proposal_reaches_from_the_centre_of_its_cell() -> None:
    (found,) = proposals(answers(p3_2_1=(0.0, (1.0, 0.5, 2.0, 3.0)), p4_0_3=(2.0, (1.0, 1.0, 1.0, 1.0))))
    assert found.boxes.tolist() == [[40.0, -8.0, 72.0, 24.0], [4.0, 16.0, 28.0, 44.0]]  # x = 3·16+8, y = 8; 12, 20
    assert found.scores.tolist() == pytest.approx([math.sqrt(1 / (1 + math.exp(-2))), math.sqrt(0.5)])


def test_a_proposal_without_reach_keeps_a_hundredth_of_a_pixel() -> None:
    (found,) = proposals(answers(p3_0_0=(0.0, (0.0, 0.0, 0.0, 0.0))))
    assert found.boxes[0].tolist() == pytest.approx([4.0, 4.0, 4.01, 4.01])


def test_equal_scores_at_the_cut_are_all_kept_in_the_published_order() -> None:
    random = np.random.RandomState(4)
    tied = [
        (torch.from_numpy(random.randint(0, 4, (1, 4, *size))).float(), random.randint(-16, -3, (1, 1, *size)) / 2)
        for size in ((48, 64), (24, 32), (12, 16), (6, 8), (3, 4))
    ]
    (found,) = proposals([(reach, torch.from_numpy(heat).float()) for reach, heat in tied])
    assert len(found.boxes) == 337  # recorded from the official code, which keeps 256 of different scores
    assert len(set(found.scores.tolist())) == 1
    everywhere = torch.cat([found.boxes, found.boxes])
    scores = torch.arange(len(everywhere)).flip(0).float()
    assert suppressed(everywhere, scores, 0.9).tolist() == list(range(len(found.boxes)))


def test_no_warm_place_gives_no_proposal() -> None:
    (found,) = proposals(answers())
    assert found.boxes.shape == (0, 4)


def test_deltas_shift_by_size_and_grow_at_most_a_thousand_over_sixteen() -> None:
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    deltas = torch.tensor([[5.0, -5.0, 0.0, 1e6]])
    x0, y0, x1, y1 = moved(boxes, deltas, (10.0, 10.0, 5.0, 5.0))[0].tolist()
    assert (x0 + x1) / 2 == pytest.approx(20 + 0.5 * 20)
    assert (y0 + y1) / 2 == pytest.approx(40 - 0.5 * 40)
    assert x1 - x0 == pytest.approx(20)
    assert y1 - y0 == pytest.approx(40 * 1000 / 16, rel=1e-5)


def test_clipping_keeps_boxes_in_the_image() -> None:
    boxes = torch.tensor([[-5.0, -5.0, 500.0, 500.0]])
    assert clipped(boxes, (48, 64)).tolist() == [[0.0, 0.0, 64.0, 48.0]]


def test_larger_boxes_are_pooled_from_coarser_levels() -> None:
    levels = [torch.full((1, 256, 64 // scale, 64 // scale), float(number)) for number, scale in enumerate((1, 2, 4))]
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in (20.0, 111.0, 112.0, 223.0, 224.0, 447.0, 448.0)])
    boxes = torch.cat([boxes, torch.zeros(1, 4)])
    features = pooled(levels, boxes, torch.zeros(len(boxes)), 2)
    assert features[:7, 0, 0, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0]
    assert features.isfinite().all()


# --- texts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> TextDecoder:
    """Two layers, and logits that a table decides."""
    monkeypatch.setattr(grit_text, "DEPTH", 2)
    torch.manual_seed(0)
    return TextDecoder().eval()


def spoken(decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch, rows: int, favourites: dict[int, list[int]]) -> Any:
    """Texts of ``rows`` regions whose likeliest words are, row by row and step by step, ``favourites``."""

    def logits(ids: torch.Tensor, place: int, seen: Any) -> tuple[torch.Tensor, Any]:
        table = torch.zeros(rows, grit_text.WORDS)
        for row, words in favourites.items():
            for rank, word in enumerate(words[place : place + 2] if place < len(words) else [SEP]):
                table[row, word] = 20.0 - rank
        return table, seen

    monkeypatch.setattr(decoder, "_next", logits)
    return decoder.write([(torch.zeros(rows, 1, 1, 1), torch.zeros(rows, 1, 1, 1))], 101)


def test_a_text_ends_at_its_end_and_the_others_go_on(decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = spoken(decoder, monkeypatch, 2, {0: [7, SEP], 1: [7, 8, 9, 10]})
    assert short.ids == (101, 7, SEP)
    assert long.ids == (101, 7, 8, 9, 10, SEP)
    assert short.log_probability == pytest.approx(long.log_probability, abs=0.2)


def test_a_word_is_never_said_twice_in_a_row(decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = spoken(decoder, monkeypatch, 1, {0: [7, 7, 8, SEP]})
    assert text.ids == (101, 7, 8, SEP)  # at the second step 7 is barred, and 8 is next


def test_a_text_has_at_most_forty_ids(decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = spoken(decoder, monkeypatch, 1, {0: list(range(200, 300))})
    assert len(text.ids) == 40
    assert SEP not in text.ids


def test_an_empty_text_is_its_end(decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = spoken(decoder, monkeypatch, 1, {0: [SEP]})
    assert text.ids == (101, SEP)


def test_regions_are_written_about_alike_alone_and_together(
    decoder: TextDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grit_text, "LONGEST", 6)
    features = torch.randn(3, 12, 256)
    with torch.inference_mode():
        together = decoder.write(decoder.look(features), 104)
        alone = [decoder.write(decoder.look(feature[None]), 104)[0] for feature in features]
    assert [text.ids for text in together] == [text.ids for text in alone]
    assert [t.log_probability for t in together] == pytest.approx([t.log_probability for t in alone], abs=1e-4)


def test_empty_boxes_are_left_out_and_names_stand_beside_captions() -> None:
    reader = Grit.__new__(Grit)
    pieces = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused99]"]
    reader.__dict__["_pieces"] = WordPiece([*pieces, "car", "red"])
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [5.0, 5.0, 5.0, 9.0]])
    captions = [Text((104, 106, 105, SEP), math.log(0.25))] * 2
    read = Read(Regions(boxes, torch.tensor([0.64, 0.9])), (captions, [Text((101, 105, SEP), -1.0)] * 2))
    (detection,) = reader.detections(read)
    assert (detection.label, detection.caption, detection.box) == ("car", "red car", (0.0, 0.0, 4.0, 4.0))
    assert detection.score == pytest.approx(math.sqrt(0.64 * 0.25))
