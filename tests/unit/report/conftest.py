"""A benchmark of three dimensions, small enough that its tables can be written by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nova_eval.config import BenchmarkConfig, Dimension, Variant
from nova_eval.records import Coverage, Interval, Latency, Metric, Missing, RunSummary
from nova_eval.report.baselines import BaselineRow, Published


@pytest.fixture
def config() -> BenchmarkConfig:
    return BenchmarkConfig(
        name="toy",
        version="1",
        modality="image",
        dimensions={
            "sharp": Dimension(label="Sharp", group="quality", minimum=0.2, maximum=0.7),
            "steady": Dimension(label="Steady", group="quality", weight=0.5),
            "color": Dimension(label="Color", group="semantic"),
        },
        groups={"quality": 4.0, "semantic": 1.0},
        judges={},
        variants={
            "official": Variant(judges="official"),
            "rewritten": Variant(judges="official"),
            "sprites": Variant(judges="sprites", baselines=False, note="compare with each other only"),
        },
        profiles={},
    )


@pytest.fixture
def summary() -> RunSummary:
    """``sharp`` is complete, ``steady`` has one sample unscored, ``color`` cannot be stated."""
    return RunSummary(
        run="toy/mini-0123abcd",
        model="mini",
        benchmark="toy",
        variant="official",
        scoring="official",
        samples_per_prompt="official",
        prompts=4,
        samples=8,
        metrics=(
            Metric("quality", 0.5, Interval(0.4, 0.6)),
            Metric("semantic", None, reason="color is missing"),
            Metric("total", None, reason="color is missing"),
            Metric("sharp", 0.456789, Interval(0.446789, 0.466789), prompts=4, samples=8),
            Metric("steady", 0.5, Interval(0.375, 0.625), prompts=4, samples=7, unscored=1),
            Metric("color", None, prompts=0, samples=0, unscored=6, excluded=2, reason="no weights | for 50 % of_it"),
        ),
        coverage=Coverage(
            wanted=24,
            scored=15,
            excluded=2,
            missing=(Missing("steady", 1, "out of memory"), Missing("color", 6, "no weights | for 50 % of_it")),
        ),
        latency=Latency(12.3456, 2.75, "one A100"),
        suite=4,
        per_prompt=(2, 2),
        selection="all",
    )


@pytest.fixture
def published(config: BenchmarkConfig) -> Published:
    """One row like the run's, one with rewritten prompts, one that contradicts itself and states no prompts."""
    rows = (
        BaselineRow(
            "Plain & Co_1",
            {"sharp": Decimal("50.10"), "total": Decimal("48.9")},
            "Paper, Table 1",
            params_b=Decimal("0.6"),
            rewritten=False,
        ),
        BaselineRow("Rewriter", {"sharp": Decimal("60.00")}, "Paper, Table 1", rewritten=True, latency="12s on A100"),
        BaselineRow(
            "Odd", {"quality": Decimal("80.00"), "semantic": Decimal("70.00"), "total": Decimal("79.00")}, "Blog"
        ),
    )
    return Published(config, rows)
