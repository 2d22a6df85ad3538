"""AMT pads, truncates and warps as the published code does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nova_eval.checks.parity.weight_files import PUBLISHED, read_entries
from nova_eval.errors import MediaError, UsageError
from nova_eval.judges.amt import AmtS, as_bytes
from nova_eval.judges.amt_network import AMT, warp

from networks import clip_of, largest  # isort: skip

ENTRIES = PUBLISHED / "amt_s" / "keys.json.gz"


class TestTheNetwork:
    def test_it_has_the_published_entries(self) -> None:
        published = {row["name"]: tuple(row["shape"]) for row in read_entries(ENTRIES)}
        assert {name: tuple(tensor.shape) for name, tensor in AMT().state_dict().items()} == published

    def test_a_warp_by_whole_pixels_is_a_shift_with_repeated_border(self) -> None:
        image = torch.arange(48.0).reshape(1, 1, 6, 8)
        flow = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 6, 8)
        found = warp(image, flow)
        assert largest(found[0, 0, 1:, :6], image[0, 0, :5, 2:]) < 1e-4
        assert largest(found[0, 0, 1:, 7], image[0, 0, :5, 7]) < 1e-4


class TestBytes:
    def test_fractions_are_cut_off(self) -> None:
        padded = np.full((1, 16, 16, 3), 100.9 / 255, np.float32)
        assert (as_bytes(padded, 10, 12) == 100).all()
        assert as_bytes(padded, 10, 12).shape == (1, 10, 12, 3)

    def test_the_padding_is_removed_where_it_was_put(self, amt_file: Path) -> None:
        judge, frames = AmtS(amt_file), clip_of(2, 120, 150)
        padded = judge.predict(frames[:1], frames[1:])
        assert padded.shape == (1, 128, 160, 3)
        middle = judge.interpolate(frames[:1], frames[1:])
        assert middle.dtype == np.uint8
        assert np.array_equal(middle[0], (padded[0, 4:124, 5:155] * np.float32(255)).astype(np.uint8))


class TestLimits:
    def test_small_frames_are_an_error(self, amt_file: Path) -> None:
        frames = clip_of(2, 112, 150)
        with pytest.raises(MediaError, match="113 pixels"):
            AmtS(amt_file).interpolate(frames[:1], frames[1:])

    def test_unequal_shapes_are_refused(self, amt_file: Path) -> None:
        with pytest.raises(UsageError, match="one shape"):
            AmtS(amt_file).interpolate(clip_of(1), clip_of(2))

    def test_no_pair_is_no_frame(self, amt_file: Path) -> None:
        frames = clip_of(2)
        assert AmtS(amt_file).interpolate(frames[:0], frames[:0]).shape == (0, 128, 144, 3)

    def test_large_frames_are_predicted_pair_by_pair(self, amt_file: Path) -> None:
        judge = AmtS(amt_file, batch=8)
        assert judge._pairs_at_once(128, 128) == 1
        judge.to("cuda:0")  # nothing is loaded yet, so nothing moves
        assert judge._pairs_at_once(128, 128) == 8
        assert judge._pairs_at_once(480, 768) == 4
        assert judge._pairs_at_once(1080, 1920) == 1
