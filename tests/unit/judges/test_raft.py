"""RAFT looks at shared frames once, upsamples once, and reads both layouts of its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nova_eval.checks.parity.weight_files import PUBLISHED, read_entries
from nova_eval.errors import MediaError, UsageError
from nova_eval.judges.raft import RaftThings, distinct, torchvision_name
from nova_eval.judges.resizing import as_floats, replicate_pad

from networks import clip_of, largest  # isort: skip

ENTRIES = PUBLISHED / "raft_things" / "keys.json.gz"


class TestFlow:
    def test_it_is_the_last_of_torchvisions_twenty(self, raft_file: Path) -> None:
        judge, frames = RaftThings(raft_file), clip_of(2, 128, 150)
        images = replicate_pad(as_floats(frames), 8) / 255 * 2 - 1
        with torch.inference_mode():
            wanted = judge._hosted.network(images[:-1], images[1:], num_flow_updates=20)[-1].permute(0, 2, 3, 1)
        found = judge.flow(frames[:-1], frames[1:])
        assert found.shape == (1, 128, 152, 2)
        assert largest(found, wanted) < 1e-4

    def test_a_frame_of_two_pairs_is_looked_at_once(self, raft_file: Path) -> None:
        judge, frames = RaftThings(raft_file), clip_of(3)
        seen: list[int] = []
        encoder = judge._hosted.network.feature_encoder
        encoder.register_forward_hook(lambda module, given, answer: seen.append(len(given[0])))
        chain = judge.flow(frames[:-1], frames[1:])
        assert sum(seen) == 3
        assert largest(chain[1:], judge.flow(frames[1:2], frames[2:])) < 1e-4

    def test_small_frames_have_no_flow_and_smaller_ones_are_an_error(self, raft_file: Path) -> None:
        judge = RaftThings(raft_file)
        frames = clip_of(2, 120, 200)
        assert np.isnan(judge.flow(frames[:1], frames[1:])).all()
        frames = clip_of(2, 56, 200)
        with pytest.raises(MediaError, match="57 pixels"):
            judge.flow(frames[:1], frames[1:])

    def test_no_pair_is_no_flow(self, raft_file: Path) -> None:
        frames = clip_of(2)
        assert len(RaftThings(raft_file).flow(frames[:0], frames[:0])) == 0


class TestDistinctFrames:
    def test_chains_share_and_others_do_not(self) -> None:
        a, b, c = clip_of(3, 8, 8)
        frames, places = distinct(np.stack([a, b, a]), np.stack([b, c, a]))
        assert places == [(0, 1), (1, 2), (3, 3)]
        assert np.array_equal(frames, np.stack([a, b, c, a]))

    def test_unequal_shapes_are_refused(self) -> None:
        with pytest.raises(UsageError, match="one shape"):
            distinct(clip_of(2, 8, 8), clip_of(3, 8, 8))


class TestNames:
    def test_every_official_entry_has_its_place(self) -> None:
        from torchvision.models.optical_flow import raft_large

        official = [row["name"].removeprefix("module.") for row in read_entries(ENTRIES)]
        names = [name for name in map(torchvision_name, official) if name is not None]
        assert len(names) == len(set(names))
        assert set(names) == raft_large(weights=None).state_dict().keys()

    def test_second_copies_of_norms_are_dropped(self) -> None:
        assert torchvision_name("cnet.layer2.0.norm3.weight") is None
        assert torchvision_name("cnet.layer2.0.downsample.1.weight") == "context_encoder.layer2.0.downsample.1.weight"


def test_torchvisions_port_is_used_where_the_official_file_is_absent(
    raft_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVA_EVAL_WEIGHTS", str(tmp_path))
    (tmp_path / "raft_large_C_T_V1-22a6c225.pth").symlink_to(raft_file)
    assert RaftThings().digest == RaftThings(raft_file).digest
