"""Operations are counted by kind, attention in torch's fused module too."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from nova_eval.checks.bench.floor import Operations, Rates, operations


def test_operations_are_those_of_the_formula() -> None:
    attention = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    tokens, images, kernels = torch.ones(1, 5, 8), torch.ones(1, 3, 6, 6), torch.ones(4, 3, 3, 3)
    with torch.inference_mode():
        counted = operations(lambda: (attention(tokens, tokens, tokens, need_weights=False), images + 1))
        assert counted == Operations(2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8), 0)
        assert operations(lambda: torch.nn.functional.conv2d(images, kernels)) == Operations(0, 2 * 4 * 4 * 4 * 27)


def test_the_floor_adds_up_what_each_kind_takes() -> None:
    assert Rates(products=100, convolutions=50).floor(Operations(200, 200)) == 6
