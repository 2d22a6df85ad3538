"""Long work says how far it is: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from nova_eval import progress
from nova_eval.progress import Transfer, transfers

MB = 1_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, steps: list[Transfer], stream: io.StringIO, every: float = 10.0) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_PLAIN_LINE_EVERY_SECONDS", every)
    with transfers() as show:
        for step in steps:
            show(step)
    return stream.getvalue()


def test_a_pipe_gets_a_line_a_finished_file_and_none_for_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [
        Transfer("here", "present", MB, MB),
        *(Transfer("coming", "fetching", place * MB, 3 * MB) for place in range(4)),
        Transfer("coming", "done", 3 * MB, 3 * MB),
    ]
    assert shown(monkeypatch, steps, io.StringIO()) == "coming 3.0 MB, took 0:00\n"


def test_a_file_that_takes_long_gets_lines_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Transfer("coming", "fetching", place * MB, total) for place, total in ((1, 4 * MB), (2, 4 * MB), (3, 0))]
    first, second, third = shown(monkeypatch, steps, io.StringIO(), every=0.0).splitlines()
    assert first.startswith("coming 1.0 MB of 4.0 MB, 0 bytes/s")
    assert second.startswith("coming 2.0 MB of 4.0 MB, ")
    assert second.endswith(" left")
    assert third.startswith("coming 3.0 MB, ")


def test_a_terminal_gets_a_bar_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [
        Transfer("one", "fetching", MB, 2 * MB),
        Transfer("two", "done", MB, MB),
        Transfer("old", "present", 1, 1),
    ]
    text = shown(monkeypatch, steps, Terminal())
    assert "one" in text
    assert "1.0/2.0 MB" in text
    assert "two" in text
    assert "old" not in text
