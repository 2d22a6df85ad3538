"""Tag2Text: which tags count, how they are written down, and how a caption is searched for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.judges import tag2text
from nova_eval.judges.beam_search import Finished, beam_search
from nova_eval.judges.pixels import each_distinct
from nova_eval.judges.tag2text import ENC, TAGS, CaptionDecoder, TagEncoder, tags_on
from nova_eval.judges.wordpiece import CLS, PAD, SEP, UNKNOWN, WordPiece

END = 1


# --- tags -----------------------------------------------------------------------------------------------------------


def test_tags_count_above_seven_tenths_and_number_words_never() -> None:
    logits = torch.full((2, TAGS), -9.0)
    logits[0, [5, 127, 3265, 2000]] = 9.0
    logits[1, 7], logits[1, 8] = 0.848, 0.846  # sigmoid 0.7001 and 0.6997
    assert tags_on(logits) == [[5, 2000], [7]]


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pieces() -> WordPiece:
    known = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused99]"]
    known += ["a", "cafe", "un", "##believ", "##able", "|", "'", "s", "t", "##s", "dog", "-", "!", "中"]
    return WordPiece(known)


def names(pieces: WordPiece, ids: Sequence[int]) -> list[str]:
    return [pieces.pieces[number] for number in ids]


def test_words_are_lowered_stripped_of_accents_and_cut_longest_first(pieces: WordPiece) -> None:
    assert names(pieces, pieces.encode("A Café | UNBELIEVABLE")) == ["a", "cafe", "|", "un", "##believ", "##able"]
    assert names(pieces, pieces.encode("dog's\tt-s!")) == ["dog", "'", "s", "t", "-", "s", "!"]
    assert names(pieces, pieces.encode("dog中a\u200b")) == ["dog", "中", "a"]


def test_a_word_that_cannot_be_covered_is_unknown_as_a_whole(pieces: WordPiece) -> None:
    assert pieces.encode("doge") == [UNKNOWN]
    assert pieces.encode("s" * 101) == [UNKNOWN]
    assert pieces.encode("") == []


def test_decoding_leaves_specials_out_and_joins_pieces(pieces: WordPiece) -> None:
    ids = [30522, CLS, *pieces.encode("unbelievable dog's !"), SEP, PAD]
    assert pieces.decode(ids) == "unbelievable dog's!"
    assert pieces.decode([104, pieces.pieces.index("##able")]) == "[unused99]able"
    assert pieces.decode([pieces.pieces.index("##able"), 104]) == "##able [unused99]"


def test_the_tags_text_is_cut_and_padded_to_forty_ids(pieces: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces.pieces) + "\n", encoding="utf-8")
    judge = tag2text.Tag2Text(path, vocabulary=path, tags=path)
    dog = pieces.pieces.index("dog")
    assert judge.tag_ids("") == [ENC, SEP, *[PAD] * 38]
    assert judge.tag_ids("dog") == [ENC, dog, SEP, *[PAD] * 37]
    assert judge.tag_ids("dog " * 60) == [ENC, *[dog] * 38, SEP]


# --- captions -------------------------------------------------------------------------------------------------------


def searched(table: dict[tuple[int, ...], list[float]], **settings: int) -> list[tuple[float, tuple[int, ...]]]:
    """A search over a language whose next-word probabilities depend on the words so far (others: uniform)."""
    rows: list[tuple[int, ...]] = []

    def step(ids: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        nonlocal rows
        rows = [
            (rows[parent] if rows else ()) + tuple(new)
            for parent, new in zip(parents.tolist(), ids.tolist(), strict=True)
        ]
        uniform = [0.1] * 10
        return torch.tensor([table.get(row, uniform) for row in rows]).log()

    settings = {"beams": 3, "max_length": 6, "min_length": 1, "end": END, "pad": 0, **settings}
    return [(found.score, found.ids) for found in beam_search(step, [9], 1, **settings)]


def test_a_score_is_the_mean_over_all_ids_but_the_end() -> None:
    likely = [0.001, 0.9, *[0.099 / 8] * 8]
    certain = [0.0001, 0.0001, 0.999, *[0.0008 / 7] * 7]
    ((score, ids),) = searched({(9,): certain, (9, 2): likely})
    assert ids == (9, 2)
    assert score == pytest.approx((np.log(0.999) + np.log(0.9)) / 2, abs=1e-6)


def test_no_text_ends_before_its_least_length() -> None:
    ending = [0.001, 0.9, *[0.099 / 8] * 8]
    ((_, ids),) = searched({(9,): ending}, min_length=4)
    assert len(ids) >= 4
    assert END not in ids


def test_an_end_counts_only_among_the_first_candidates() -> None:
    fourth = [0.01, 0.1, 0.3, 0.2, 0.15, *[0.24 / 5] * 5]  # the end is the fourth likeliest
    ((_, ids),) = searched({(9,): fourth}, max_length=2)
    assert ids == (9, 2)


def test_the_search_stops_when_no_candidate_can_beat_the_worst_kept() -> None:
    calls = 0

    def step(ids: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.tensor([[0.001, 0.9, *[0.099 / 8] * 8]] * len(ids)).log()

    beam_search(step, [9], 2, beams=3, max_length=30, min_length=1, end=END, pad=0)
    assert calls < 6


def test_the_worst_of_the_kept_makes_room() -> None:
    finished = Finished(2)
    for total, ids in ((-4.0, (1, 2)), (-1.0, (1, 3)), (-3.0, (1, 4)), (-8.0, (1, 5))):
        finished.add(total, ids)
    assert {kept.ids for kept in finished.kept} == {(1, 3), (1, 4)}
    assert finished.best().ids == (1, 3)
    assert finished.cannot_improve(-6.0, 4)
    assert not finished.cannot_improve(-5.9, 4)


def test_words_one_by_one_are_the_words_at_once() -> None:
    torch.manual_seed(0)
    decoder = CaptionDecoder(depth=2).eval()
    ids, tags = torch.tensor([[5, 6, 7, 8], [5, 6, 9, 10]]), torch.randn(2, 4, 768)
    with torch.inference_mode():
        sources = [layer.crossattention.keys_values(tags) for layer in decoder.layer]
        at_once = decoder.next_words(ids, 0, [], sources)
        past: list[tuple[torch.Tensor, torch.Tensor]] = []
        decoder.next_words(ids[:, :2], 0, past, sources)
        for place in (2, 3):
            one_by_one = decoder.next_words(ids[:, place : place + 1], place, past, sources)
    torch.testing.assert_close(one_by_one, at_once, atol=0, rtol=1e-4)


def test_padding_of_the_tags_is_not_seen() -> None:
    torch.manual_seed(0)
    encoder, image = TagEncoder(depth=1).eval(), torch.randn(1, 5, 1024)
    with torch.inference_mode():
        short = encoder(torch.tensor([[ENC, 7, SEP]]), image)
        padded = encoder(torch.tensor([[ENC, 7, SEP, PAD, PAD]]), image)
    torch.testing.assert_close(padded[:, :3], short, atol=1e-5, rtol=0)


# --- frames ---------------------------------------------------------------------------------------------------------


def test_equal_frames_are_asked_about_once() -> None:
    frames = np.arange(6, dtype=np.uint8).repeat(3)[:16].reshape(-1, 1, 1, 1).repeat(3, axis=3)
    asked: list[int] = []

    def answer(some: np.ndarray) -> list[int]:
        asked.append(len(some))
        return [int(frame[0, 0, 0]) for frame in some]

    assert each_distinct(frames, 4, answer) == [row // 3 for row in range(16)]
    assert asked == [4, 2]
    assert each_distinct(frames[:0], 4, answer) == []


def test_frames_of_another_size_are_scaled_as_pillow_does() -> None:
    from PIL import Image

    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    expected = np.asarray(Image.fromarray(frame).resize((384, 384), Image.Resampling.BILINEAR), np.float32) / 255
    found = tag2text.preprocess(frame[None])[0].permute(1, 2, 0).numpy() * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]
    np.testing.assert_allclose(found, expected, atol=1e-6)
