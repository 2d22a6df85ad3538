"""runs: list, show, path, rename, rm."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval import errors
from nova_eval.cli.apps import Results, runs_app
from nova_eval.cli.flags import print_json, put
from nova_eval.progress import talk

if TYPE_CHECKING:
    from nova_eval.runs.catalogue import Entry

RESULTS = Path("results")


@runs_app.command(name="list")
def list_(benchmark: str = "", /, *, results: Results = RESULTS, json: bool = False) -> int:
    """List runs: model, settings that are not the defaults, seed, variant, prompts × samples, progress, score.

    Example: `nova-eval runs list vbench`

    Parameters
    ----------
    benchmark
        Only runs of this one.
    json
        Print a JSON list of what `runs show` says of each.
    """
    from nova_eval.cli import listing
    from nova_eval.runs import catalogue

    found = catalogue.entries(results, benchmark or "*")
    if json:
        print_json([_told(entry) for entry in found])
    else:
        for line in listing.lines([listing.run_row(entry) for entry in found]):
            put(line)
    return errors.OK


@runs_app.command
def show(run: str, /, *, results: Results = RESULTS, json: bool = False) -> int:
    """Say what a run is of, how far it is, what came out, and how much disk it takes.

    Example: `nova-eval runs show vbench/mine-0123abcd`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    json
        Print one JSON object instead of lines.
    """
    from nova_eval.cli import listing
    from nova_eval.progress import size_text
    from nova_eval.runs import catalogue, finding

    entry = catalogue.entry(finding.find(run, results))
    size = sum(path.stat().st_size for path in entry.folder.rglob("*") if path.is_file() and not path.is_symlink())
    if json:
        print_json({**_told(entry), "bytes": size})
        return errors.OK
    row = listing.run_row(entry)
    facts = {
        **row,
        "model": entry.model,
        "label": entry.label,
        "scoring": entry.scoring,
        "suite": f"{entry.suite} prompts" if entry.suite else "",
        "started": entry.started,
        "finished": entry.finished,
        "size": size_text(size),
        "folder": entry.folder,
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in ("", None):
            put(f"{name:<{width}}  {value}")
    return errors.OK


@runs_app.command
def path(run: str, /, *, results: Results = RESULTS) -> int:
    """Print the folder of a run.

    Example: `nova-eval runs path vbench/mine-0123abcd`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    """
    from nova_eval.runs import finding

    put(str(finding.find(run, results).resolve()))
    return errors.OK


@runs_app.command
def rename(run: str, name: str, /, *, results: Results = RESULTS) -> int:
    """Give a run another name: the same options go on with it, and every verb knows it by that.

    Example: `nova-eval runs rename vbench/mine-0123abcd final`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    name
        Letters, digits and . _ - without the benchmark.
    """
    from nova_eval.runs import catalogue, finding

    put(finding.name_of(catalogue.rename(finding.find(run, results), name)))
    return errors.OK


@runs_app.command
def rm(*runs: str, yes: bool = False, results: Results = RESULTS) -> int:
    """Remove runs with all their samples and scores. Asks first; a run that is at work stays.

    Example: `nova-eval runs rm vbench/mine-0123abcd --yes`

    Parameters
    ----------
    runs
        Run folders, or names from `runs list`.
    yes
        Do not ask.
    """
    from nova_eval.runs import catalogue, finding

    if not runs:
        raise errors.UsageError("no run was named", remedy="name one; see `nova-eval runs list`")
    folders = [finding.find(name, results) for name in runs]
    if not yes and not _agreed(", ".join(map(finding.name_of, folders))):
        talk("nothing was removed")
        return errors.USAGE
    for folder in dict.fromkeys(folders):
        catalogue.remove(folder)
        put(f"removed {finding.name_of(folder)}")
    return errors.OK


def _agreed(what: str) -> bool:
    if not sys.stdin.isatty():
        raise errors.UsageError(f"{what} would be removed, and nobody can be asked", remedy="say --yes")
    talk(f"remove {what} with all samples and scores? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _told(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "folder": str(entry.folder)}
