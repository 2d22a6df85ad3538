"""bench: options are a record, and what is missing is a prerequisite."""

from __future__ import annotations

import json

import pytest

from nova_eval.checks.bench import store
from nova_eval.checks.bench.options import StoreBench
from nova_eval.cli import app
from nova_eval.errors import PrerequisiteError


def call(*arguments: str) -> int:
    found: int = app(list(arguments), exit_on_error=False, result_action="return_value")
    return found


def test_the_options_are_the_record_that_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[StoreBench] = []

    def measure(given: StoreBench, say: object) -> store.Found:
        asked.append(given)
        return store.Found(store.Bookkeeping(given.samples, 1.0, 2.0, 3.0), ())

    monkeypatch.setattr(store, "measure", measure)
    assert call("bench", "store", "--samples", "7", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bookkeeping"]["samples"] == 7
    assert call("bench", "store") == 0
    assert "3.0 ms a sample" in capsys.readouterr().out
    assert asked == [StoreBench(samples=7), StoreBench()]


def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch")
    from nova_eval.checks.bench import vqa

    def missing(*_: object) -> None:
        raise ModuleNotFoundError("no", name="timm")

    monkeypatch.setattr(vqa, "measure", missing)
    with pytest.raises(PrerequisiteError, match=r"bench vqa needs the package 'timm'.*nova_eval\[judges\]"):
        call("bench", "vqa")
