"""Work takes turns, is timed by one clock, and is told in one table."""

from __future__ import annotations

import time

import pytest

from nova_eval.checks.bench.timing import Beside, Seconds, Turns, clock, in_turns, table, timed


def test_ways_take_turns_and_are_told_the_repeat() -> None:
    seen: list[tuple[str, int]] = []

    def way(name: str, repeat: int) -> int:
        seen.append((name, repeat))
        return repeat

    turns = in_turns({"a": lambda n: way("a", n), "b": lambda n: way("b", n)}, 2)
    assert seen == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {name: (turn.answer, len(turn.seconds)) for name, turn in turns.items()} == {"a": (1, 2), "b": (1, 2)}


def test_waiting_is_wall_time_and_no_processor_time() -> None:
    answer, taken = timed(lambda: time.sleep(0.05) or 7)
    assert answer == 7
    assert taken.wall >= 0.05
    assert taken.cpu < taken.wall


@pytest.mark.parametrize(("device", "seconds", "name"), [("cpu", 2.0, "processor"), ("cuda", 3.0, "wall")])
def test_the_clock_is_what_other_programs_disturb_least(device: str, seconds: float, name: str) -> None:
    assert Turns(None, [Seconds(3.0, 2.0), Seconds(9.0, 9.0), Seconds(1.0, 1.0)]).median(device) == seconds
    assert clock(device) == name


def test_the_table_keeps_its_columns_in_line() -> None:
    head, first, second = table(
        ("ours", "vbench"), [Beside("a", 1.0, 2.5, 2.5), Beside("b" * 30, 10.0, 5.0, 0.5, " x")]
    )
    assert first.split() == ["a", "1.00", "2.50", "2.50×"]
    assert second.endswith("0.50× x")
    assert first.index("2.50×") == second.index("0.50×")
    assert head.index("ratio") + len("ratio") == first.index("×") + 1
