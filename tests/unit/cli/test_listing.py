"""What `list` shows."""

import math
from pathlib import Path

import pytest

from nova_eval.cli.listing import items


def test_the_family_is_listed_with_its_parameters():
    """The paper's sizes: 0.3, 0.6 and 1.4 billion, of which the counts are the digits kept."""
    totals = {row["name"]: float(row["total"].split()[0]) for row in items("checkpoints", Path())}
    for width, size in {"768": 0.3, "1024": 0.6, "1536": 1.4}.items():
        billions = totals[f"BAAI/nova-d48w{width}-sdxl1024"] / 1000
        assert math.floor(10 * billions) / 10 == size
    assert totals["BAAI/nova-d48w1024-osp480"] == pytest.approx(645, abs=1.5)  # as its model card says
