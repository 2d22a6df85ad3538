"""Which devices a run can be asked for: those that are on the machine, by torch's names."""

from __future__ import annotations

import sys

import pytest

from nova_eval import environment
from nova_eval.errors import UsageError


@pytest.mark.parametrize(
    ("found", "known", "line"),
    [
        ([], ["auto", "cpu"], "here are auto, cpu"),
        (["one", "another"], ["auto", "cpu", "cuda", "cuda:0", "cuda:1"], "here are auto, cpu, cuda, cuda:0, cuda:1"),
    ],
)
def test_a_device_is_known_when_it_is_here(
    found: list[str], known: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "devices", lambda: found)
    for name in known:
        environment.known_device(name)
    for name in ("gpu", "CPU", "cuda:2", "cuda:x", ""):
        with pytest.raises(UsageError, match=line):
            environment.known_device(name)


def test_torch_is_not_imported_where_no_driver_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_DRIVERS", ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not environment.has_cuda()
