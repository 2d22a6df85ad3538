"""What the verb parity prints: a line a recording, the share of the tolerance that was used, and what failed."""

from __future__ import annotations

import math

from nova_eval.cli.show import parity_groups
from nova_eval.records import ParityResult


def test_a_line_a_recording() -> None:
    rows = [
        ParityResult("a", 0.0, 0.0, "exact", group="t2i/rules"),
        ParityResult("b", 1e-7, 1e-6, group="t2i/rules"),
        ParityResult("c", 0.0, 0.0, group="vbench/rules"),
    ]
    assert parity_groups(rows).splitlines() == [
        "pass  t2i/rules     2 of 2, largest difference / tolerance 0.1",
        "pass  vbench/rules  1 of 1, largest difference / tolerance 0",
        "3 passed, 0 failed",
    ]


def test_what_failed_is_listed() -> None:
    rows = [
        ParityResult("a", 2e-6, 1e-6, "absolute", "expected 1, found 2", "nova"),
        ParityResult("b", math.inf, 0.0, "exact", group="nova"),
    ]
    lines = parity_groups(rows).splitlines()
    assert lines[0] == "FAIL  nova  0 of 2, largest difference / tolerance inf"
    assert lines[1].startswith("FAIL  a  difference 2e-06, tolerance 1e-06 (absolute)  expected 1")
    assert lines[-1] == "0 passed, 2 failed"
