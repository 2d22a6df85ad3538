"""Muon: orthogonal steps on matrices, AdamW's on the rest, and a run that continues where it was stopped."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from nova_eval.nova.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_a_step_keeps_the_singular_vectors_and_evens_out_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.diag(u.T @ orthogonal(matrix, steps=10) @ v.T)
    assert values.min() > 0.6
    assert values.max() < 1.25
    rest = u.T @ orthogonal(matrix, steps=10) @ v.T - torch.diag(values)
    assert rest.abs().max() < 1e-3


def test_the_size_of_a_gradient_does_not_matter_to_a_matrix() -> None:
    matrix = torch.randn(8, 20, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(orthogonal(matrix), orthogonal(1000 * matrix), rtol=1e-4, atol=1e-5)


def test_other_weights_take_the_steps_of_adamw() -> None:
    start = torch.randn(7, generator=torch.Generator().manual_seed(3))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    muon = Muon([{"params": [ours], "orthogonal": False, "weight_decay": 0.1}], 1e-2, betas=(0.9, 0.95))
    adam = torch.optim.AdamW([theirs], 1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    for step in range(20):
        gradient = torch.randn(7, generator=torch.Generator().manual_seed(100 + step))
        for weight, optimizer in ((ours, muon), (theirs, adam)):
            weight.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_saved_state_continues_to_the_bit() -> None:
    def fresh() -> tuple[list[torch.nn.Parameter], Muon]:
        generator = torch.Generator().manual_seed(4)
        weights = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((6, 9), (5,))]
        groups = [{"params": weights[:1]}, {"params": weights[1:], "orthogonal": False, "lr": 1e-3}]
        return weights, Muon(groups, 0.02)

    def walk(weights: list[torch.nn.Parameter], optimizer: Muon, steps: range) -> None:
        for step in steps:
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(step))
            optimizer.step()

    weights, optimizer = fresh()
    walk(weights, optimizer, range(6))
    stopped, first = fresh()
    walk(stopped, first, range(3))
    saved = copy.deepcopy(first.state_dict())
    again, second = fresh()
    for weight, kept in zip(again, stopped, strict=True):
        weight.data.copy_(kept.data)
    second.load_state_dict(saved)
    walk(again, second, range(3, 6))
    for weight, continued in zip(weights, again, strict=True):
        assert torch.equal(weight, continued)


def _walk_together(rank: int, processes: int, folder: str) -> None:
    torch.set_num_threads(1)
    if processes > 1:
        torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=processes)
    generator = torch.Generator().manual_seed(5)
    weights = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((6, 9), (9, 4), (5, 5), (7,))]
    optimizer = Muon([{"params": weights[:3]}, {"params": weights[3:], "orthogonal": False}], 0.02)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    torch.save(weights, f"{folder}/weights-{processes}-{rank}.pt")
    if processes > 1:
        torch.distributed.destroy_process_group()


def test_processes_that_share_the_work_take_the_step_of_one(tmp_path: Path) -> None:
    _walk_together(0, 1, str(tmp_path))
    torch.multiprocessing.spawn(_walk_together, (2, str(tmp_path)), nprocs=2)
    alone, first, second = (
        torch.load(tmp_path / f"weights-{name}.pt", weights_only=False) for name in ("1-0", "2-0", "2-1")
    )
    for weights in zip(alone, first, second, strict=True):
        assert torch.equal(weights[0], weights[1])
        assert torch.equal(weights[0], weights[2])
