"""Three first days with nothing but the README: every step ends and says as it should (`tests/first_days.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nova_eval.__main__ import _code
from tests.first_days import DAYS, faults, play


@pytest.mark.parametrize("day", DAYS)
def test_every_step_ends_and_says_as_it_should(
    day: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def call(words: list[str]) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["nova-eval", *words])
        code = _code()
        return code, "".join(capfd.readouterr())

    wrong = {step.words: faults(step, code, printed) for step, code, printed, _ in play(day, call)}
    assert {words: found for words, found in wrong.items() if found} == {}
