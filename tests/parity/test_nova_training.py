"""A training step gives the losses and gradients that the reference implementation recorded."""

from __future__ import annotations

from pathlib import Path

from nova_eval.checks.parity.recordings import one_thread, read_json
from nova_eval.checks.parity.training import cases


def test_losses_and_gradient_norms_equal_the_recorded_ones(parity: Path) -> None:
    with one_thread():
        results = list(cases(parity / "nova", read_json(parity / "nova" / "index.json")))
    assert {result.case.split("/")[1].split()[0] for result in results} >= {"train_t2i", "train_t2v"}
    assert [result for result in results if not result.passed] == []
