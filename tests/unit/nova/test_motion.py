"""The motion score of a clip."""

import numpy as np
import pytest

from nova_eval.errors import UsageError
from nova_eval.nova.motion import motion_score


def test_a_faster_shift_scores_higher_and_a_still_clip_nothing():
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = np.kron(texture, np.ones((16, 16, 1), np.uint8))

    def moving(pixels):
        return np.stack([np.roll(picture, pixels * t, axis=1) for t in range(4)])

    scores = [motion_score(moving(pixels)) for pixels in (0, 1, 3)]
    assert scores[0] == pytest.approx(0, abs=1e-3)
    assert scores[0] < scores[1] < scores[2]
    assert scores[2] == pytest.approx(3, rel=0.5)


def test_one_frame_has_no_motion_score():
    with pytest.raises(UsageError, match="2 frames or more"):
        motion_score(np.zeros((1, 8, 8, 3), np.uint8))
