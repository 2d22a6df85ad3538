from __future__ import annotations

from nova_eval.records import Metric


def named(metrics: list[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}
