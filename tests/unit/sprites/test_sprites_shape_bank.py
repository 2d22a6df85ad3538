"""A silhouette is named the same alone, beside others, and whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

from nova_eval.sprites.shape_bank import PATCH, correlate

PATCHES = np.random.default_rng(0).random((40, PATCH, PATCH), np.float32)
DIGEST = (
    "from hashlib import sha256; import numpy as np; from nova_eval.sprites.shape_bank import PATCH, correlate;"
    "patches = np.random.default_rng(0).random((40, PATCH, PATCH), np.float32);"
    "print(sha256(correlate(patches).tobytes()).hexdigest())"
)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 12])
def test_the_others_of_a_batch_show_in_no_correlation(number: int) -> None:
    assert np.array_equal(correlate(PATCHES[:number]), correlate(PATCHES)[:number])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_shows_in_no_correlation(threads: int) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    said = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == sha256(correlate(PATCHES).tobytes()).hexdigest()
