"""A look at a run that exists: all there is of it, or what one asks to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nova_eval.errors import UsageError, unknown
from nova_eval.options import ALL, View
from nova_eval.records import RunSummary
from nova_eval.runs.opening import reopen
from nova_eval.runs.part import Part, asked, within
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise


def look(folder: Path, view: View = ALL) -> RunSummary:
    """What the rows of a run say of the part that is looked at."""
    return summarised(viewed(reopen(folder), view), view)


def summarised(opened: Run, view: View) -> RunSummary:
    """The summary of an opened view, with a note where its coverage is not over what was asked for."""
    summary = summarise(opened).summary
    if view.over == "asked":
        return summary
    if view.over == "have":
        over = f"what is there: {summary.samples} samples of {summary.prompts} of the suite's {summary.suite} prompts"
    else:
        over = f"the whole suite of {summary.suite} prompts, of which {summary.samples} samples are there"
    return replace(summary, notes=(f"coverage is over {over}", *summary.notes))


def viewed(opened: Run, view: View) -> Run:
    """The part of a run that is looked at. UsageError for a dimension that is none, and where nothing is left."""
    for name in view.metrics:
        if name not in opened.config.dimensions:
            raise unknown(f"dimension of {opened.spec.benchmark}", name, opened.config.dimensions)
    if view.over == "suite" and view.limit is not None:
        raise UsageError("--over suite is over all of its prompts", remedy="leave --limit out")
    options = replace(opened.options, limit=view.limit, metrics=view.metrics or opened.options.metrics)
    if view.samples_per_prompt is not None:
        options = replace(options, samples_per_prompt=view.samples_per_prompt)
    part = Part(opened.prompts, opened.wanted)
    if view.over == "suite":
        part = asked(opened.suite, opened.config, options)
    else:
        part = within(
            part,
            opened.suite,
            opened.config,
            limit=view.limit,
            metrics=view.metrics,
            samples=view.samples_per_prompt,
        )
    if view.over == "have":
        part = part.only(opened.samples()[0])
    if not part.wanted:
        what = f" that serves {', '.join(view.metrics)}" if view.metrics else ""
        raise UsageError(f"{opened.name} has no sample{what}", remedy="look at more of it, or `run` it further")
    return replace(opened, options=options, prompts=part.prompts, wanted=part.wanted)
