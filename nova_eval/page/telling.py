"""What a page says before any script runs: verdicts, tables, best and worst samples, what is missing, manifests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest, nsmallest
from typing import Any

from nova_eval.compare.gates import said
from nova_eval.compare.likeness import flat
from nova_eval.compare.tables import comparison_table
from nova_eval.compare.verdicts import Comparison, Verdict
from nova_eval.errors import one_line
from nova_eval.page import drawings
from nova_eval.page.columns import Dimension
from nova_eval.page.footage import Shown
from nova_eval.page.gathering import Gathered, Told
from nova_eval.records import SampleKey
from nova_eval.report.grid import Table
from nova_eval.report.tables import run_table

_ENDS = 4
"""Samples at either end of a dimension."""
_QUOTED = 160  # letters of a prompt beside a picture


def verdicts_of(gathered: Gathered) -> dict[str, list[str]]:
    """By metric the verdict of each run after the first."""
    found: dict[str, list[str]] = {}
    for one in gathered.series.comparisons if gathered.series else ():
        for finding in one.findings:
            found.setdefault(finding.metric, []).append(str(finding.verdict))
    return found


def context(
    gathered: Gathered, found: Sequence[Dimension], shown: Sequence[Mapping[SampleKey, Shown]]
) -> dict[str, Any]:
    """All that the template asks for."""
    config = gathered.config
    few = [run.label for run in gathered.runs[:2]]
    names = f"{', '.join(few)} and others" if len(gathered.runs) > 2 else " and ".join(few)
    return {
        "title": f"{config.name}: {names}",
        "benchmark": config.name,
        "runs": [_run(run) for run in gathered.runs],
        "samples": len(gathered.keys),
        "comparisons": [_comparison(gathered, place) for place in range(len(_comparisons(gathered)))],
        "apart": gathered.apart,
        "values": drawings.values(gathered),
        "radar": drawings.around(gathered),
        "tables": [_table(run_table(run.outcome.summary, config)) for run in gathered.runs],
        "dimensions": list(_dimensions(gathered, found, shown)),
        "unscored": [_unscored(run, config) for run in gathered.runs],
        "manifests": _manifests(gathered),
        "protocol": config.protocol.model_dump(),
    }


def _comparisons(gathered: Gathered) -> Sequence[Comparison]:
    return gathered.series.comparisons if gathered.series else ()


def _run(run: Told) -> dict[str, Any]:
    summary, opened = run.outcome.summary, run.opened
    coverage = summary.coverage
    settings = {**opened.info.settings} if opened.info.settings else {}
    return {
        "label": run.label,
        "name": opened.name,
        "sampler": opened.spec.sampler.name,
        "variant": summary.variant,
        "scoring": summary.scoring,
        "seed": opened.spec.seed,
        "prompts": summary.prompts,
        "samples": summary.samples,
        "wanted": len(opened.wanted),
        "coverage": f"{int(1000 * coverage.fraction) / 10:g} %" if coverage.wanted else "–",
        "unscored": coverage.unscored,
        "status": str(run.manifest.get("status", "")),
        "finished": str(run.manifest.get("finished") or run.manifest.get("started", "")),
        "settings": {str(name): one_line(str(value)) for name, value in settings.items()},
        "departs": list(summary.departs),
    }


def _comparison(gathered: Gathered, place: int) -> dict[str, Any]:
    one = _comparisons(gathered)[place]
    counts = Counter(finding.verdict for finding in one.findings)
    return {
        "label": gathered.runs[place + 1].label,
        "reference": gathered.runs[0].label,
        "said": said([one]),
        "counts": [(str(verdict), drawings.KINDS[verdict], counts[verdict]) for verdict in _BY_WEIGHT],
        "figure": drawings.differences(gathered, place),
        "table": _table(comparison_table(one)),
        "kinds": {finding.metric: drawings.KINDS[finding.verdict] for finding in one.findings},
    }


_BY_WEIGHT = (Verdict.WORSE, Verdict.CANNOT_TELL, Verdict.NO_WORSE, Verdict.BETTER)


def _table(table: Table) -> dict[str, Any]:
    """A table of the house for the template: headings, cells and, a row, what it is about."""
    columns, rows = table.select("page")
    subjects = [row.cells[0].datum for row in table.rows]
    return {
        "title": table.title,
        "columns": columns,
        "rows": [{"cells": row.cells, "ruled": row.ruled, "of": of} for row, of in zip(rows, subjects, strict=True)],
        "notes": [*([f"Bold: {table.strong_means}"] if table.strong_means else []), *table.footnotes],
    }


def _dimensions(
    gathered: Gathered, found: Sequence[Dimension], shown: Sequence[Mapping[SampleKey, Shown]]
) -> Iterator[dict[str, Any]]:
    texts = {prompt.id: prompt.text for prompt in gathered.prompts}
    pictures, last = drawings.spreads(found), len(gathered.runs) - 1
    for one in found:
        if one.extra:
            continue
        scored = [score for score in one.scores[last].values() if score.value is not None]
        sign = 1 if one.higher_is_better else -1

        def place(score: Any, sign: int = sign) -> tuple[float, SampleKey]:
            return sign * score.value, score.key

        worst, best = nsmallest(_ENDS, scored, key=place), nlargest(_ENDS, scored, key=place)
        alike = not scored or worst[0].value == best[0].value
        yield {
            "name": one.name,
            "label": one.label,
            "spread": pictures[one.name],
            "number": len(scored),
            "unscored": sum(score.value is None and score.weight > 0 for score in one.scores[last].values()),
            "ends": []
            if alike
            else [
                {"title": title, "samples": [_sample(score, texts, shown[last], gathered) for score in scores]}
                for title, scores in (("Worst", worst), ("Best", best))
            ],
        }


def _sample(
    score: Any, texts: Mapping[str, str], shown: Mapping[SampleKey, Shown], gathered: Gathered
) -> dict[str, Any]:
    seen, text = shown.get(score.key, Shown()), one_line(texts[score.key.prompt_id])
    report = gathered.config.report
    return {
        "link": f"#{score.key.prompt_id}/{score.key.index}",
        "poster": seen.poster,
        "strip": seen.strip,
        "text": text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…",
        "value": f"{report.scale * score.value:.{report.decimals}f}",
    }


def _unscored(run: Told, config: Any) -> dict[str, Any]:
    rows = sorted(run.outcome.summary.coverage.missing, key=lambda one: (-one.count, one.metric, one.reason))
    excluded = Counter((row.metric, row.reason) for row in run.outcome.counted if row.value is None and not row.weight)
    return {
        "label": run.label,
        "missing": [(config.label(one.metric), one.count, one.reason) for one in rows],
        "excluded": [
            (config.label(metric), number, reason)
            for (metric, reason), number in sorted(excluded.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def _manifests(gathered: Gathered) -> list[tuple[str, list[str], bool]]:
    """Every place of the manifests, what each run has there, and whether that differs."""
    told = [dict(flat({k: v for k, v in run.manifest.items() if k not in _LEFT_OUT})) for run in gathered.runs]
    places = dict.fromkeys(place for one in told for place in one)
    rows = []
    for place in places:
        values = [one_line(one.get(place, "–")) for one in told]
        rows.append((place, values, len(set(values)) > 1))
    return rows


_LEFT_OUT = ("part", "check")
"""Of a manifest: which samples of which prompts, that the list of samples shows, and its checksum."""
