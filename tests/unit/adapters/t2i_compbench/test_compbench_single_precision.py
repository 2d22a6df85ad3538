"""The mean nearness of a region is rounded as torch rounds it, without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nova_eval.adapters.t2i_compbench.positions import position_3d
from nova_eval.adapters.t2i_compbench.single_precision import mean

SHAPES = {  # map, rows, columns
    "a part of some rows": ((479, 479), (31, 240), (17, 303)),
    "whole rows, which lie one after another": ((300, 480), (5, 291), (0, 480)),
    "one column": ((479, 479), (3, 401), (77, 78)),
    "one row": ((479, 479), (9, 10), (11, 470)),
    "one pixel": ((479, 479), (9, 10), (11, 12)),
    "narrower than a vector": ((479, 479), (0, 479), (4, 11)),
    "as wide as a vector": ((479, 479), (100, 108), (100, 108)),
    "one more than a vector": ((479, 479), (100, 133), (100, 109)),
    "rows of more than sixteen runs": ((40, 1300), (1, 30), (3, 1290)),
    "two hundred thousand in a row": ((480, 480), (0, 480), (0, 480)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_mean_equals_that_of_torch_to_the_last_bit(name: str) -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (height, width), rows, columns = SHAPES[name]
    for seed in range(5):
        depth = np.random.default_rng(seed).random((height, width), dtype=np.float32)
        region = depth[slice(*rows), slice(*columns)]
        assert mean(region) == float(torch.from_numpy(depth)[slice(*rows), slice(*columns)].mean())
    torch.set_num_threads(threads)


def test_boxes_that_are_equally_near_are_told_apart_by_rounding_as_officially() -> None:
    """On a ramp, boxes of any size around points of one level have equal exact means."""
    torch = pytest.importorskip("torch")
    y, x = np.mgrid[0:479, 0:479]
    depth = ((2 * x + 3 * y) / 255).astype(np.float32)
    random = np.random.default_rng(0)
    undecided = 0
    for _ in range(200):
        row, column, shift = random.integers(120, 300), random.integers(120, 300), random.integers(-20, 20)
        means = []
        for r, c in ((row, column), (row + 2 * shift, column - 3 * shift)):
            h, w = random.integers(10, 60, 2)
            region = slice(r - h, r + h), slice(c - w, c + w)
            means.append((mean(depth[region]), float(torch.from_numpy(depth)[region].mean())))
        (a, official_a), (b, official_b) = means
        assert np.sign(a - b) == np.sign(official_a - official_b)
        undecided += a == b
    assert 0 < undecided < 200


def test_a_box_beside_the_map_is_near_nothing() -> None:
    depth = np.ones((300, 480), np.float32)
    assert position_3d("in front of", (310.0, 0.0, 400.0, 90.0), (320.0, 0.0, 410.0, 90.0), depth) == 0


def test_rules_import_no_network_package() -> None:
    code = (
        "import sys, numpy as np; from nova_eval.adapters.t2i_compbench import T2ICompBench;"
        "from nova_eval.adapters.t2i_compbench.positions import position_3d;"
        "T2ICompBench().scorers('corrected');"
        "position_3d('behind', (0, 0, 9, 9), (1, 1, 9, 9), np.ones((20, 20), np.float32));"
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
