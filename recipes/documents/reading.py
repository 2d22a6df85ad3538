"""Facts of ``benchmark.toml`` and a picture, which the pages on numbers show of each dimension beside their words."""

from __future__ import annotations

import re

from nova_eval.config import BenchmarkConfig
from recipes.documents.examples import EXAMPLES


def fact_line(config: BenchmarkConfig, dimension: str) -> str:
    """Name, range, direction, judges, part in a composite and gate, in one line."""
    facts = config.dimensions[dimension]
    low, high = facts.bounds
    roles = [role for role in re.split(", ?", facts.role) if role]
    judges = [f"`{config.judges['official'][role]}`" for role in roles]
    parts = [
        f"`{dimension}`",
        f"{low:g} to {high:g}",
        "higher is better" if facts.higher_is_better else "lower is better",
        f"judged by {', '.join(judges)}" if judges else "measured from the pixels alone",
    ]
    if facts.group:
        ends = (
            f", from {facts.minimum:g} (0) to {facts.maximum:g} (1)" if (facts.minimum, facts.maximum) != (0, 1) else ""
        )
        parts.append(f"part of {config.label(facts.group)} with weight {facts.weight:g}{ends}")
    if dimension in config.gates:
        parts.append(f"gate {config.gates[dimension]:g}")
    return " · ".join(parts)


def picture_line(benchmark: str, dimension: str, value: float, lowered: float) -> str:
    """The picture, and what it is of."""
    example = EXAMPLES[benchmark][dimension]
    told = f"“{example.prompt}” as asked, {value:.2f}, and {example.words}, {lowered:.2f}"
    return f"![{told}](pictures/{benchmark}-{dimension}.jpg)\n\n*{told}*"


def section(page: str, config: BenchmarkConfig, dimension: str) -> str:
    """What a page says under the heading of a dimension."""
    return page.partition(f"\n## {config.label(dimension)}\n")[2].partition("\n## ")[0]


def refreshed(page: str, config: BenchmarkConfig, dimension: str, picture: str) -> str:
    """The page with the facts and the picture of a dimension as they are now, first under its heading."""
    heading = re.escape(f"\n## {config.label(dimension)}\n")
    made = rf"({heading}\n)(?:`{dimension}` · [^\n]*\n\n)?(?:!\[[^\n]*\n\n?\*[^\n]*\n\n)?"
    facts = f"{fact_line(config, dimension)}\n\n{picture}\n\n"
    return re.sub(made, lambda found: found[1] + facts, page, count=1)
