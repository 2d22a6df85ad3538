"""What `list` shows."""

import math

import pytest

from nova_eval.cli.listing import items
from nova_eval.errors import UsageError


def test_the_family_is_listed_with_its_parameters():
    """The paper's sizes: 0.3, 0.6 and 1.4 billion, of which the counts are the digits kept."""
    totals = {row["name"]: float(row["total"].split()[0]) for row in items("checkpoints")}
    for width, size in {"768": 0.3, "1024": 0.6, "1536": 1.4}.items():
        billions = totals[f"BAAI/nova-d48w{width}-sdxl1024"] / 1000
        assert math.floor(10 * billions) / 10 == size
    assert totals["nova-mini"] == totals["nova-mini-early"] == pytest.approx(5, abs=0.5)
    assert totals["BAAI/nova-d48w1024-osp480"] == pytest.approx(645, abs=1.5)  # as its model card says


def test_a_samplers_settings_are_listed_with_type_default_and_meaning():
    rows = {row["name"]: row for row in items("samplers", "nova")}
    assert (rows["ar_steps"]["type"], rows["ar_steps"]["default"]) == ("a whole number", "default 64")
    assert rows["checkpoint"]["default"] == "required"
    assert all(row["meaning"] for row in rows.values())


def test_a_list_keeps_to_a_benchmark():
    assert {row["benchmark"] for row in items("dimensions", "geneval")} == {"geneval"}
    assert [row["name"] for row in items("benchmarks", "geneval")] == ["geneval"]
    with pytest.raises(UsageError, match="did you mean 'geneval'"):
        items("dimensions", "genval")
