"""Verbs that look after the instrument: doctor, parity, crosscheck, train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from nova_eval import environment, errors
from nova_eval.checks.crosscheck.options import Crosscheck
from nova_eval.cli.apps import Results, app
from nova_eval.cli.flags import print_json, put
from nova_eval.progress import talk


@app.command
def doctor(*, json: bool = False) -> int:
    """Say what this machine has, what works, and how to get what is missing.

    Example: `nova-eval doctor --json`

    Parameters
    ----------
    json
        Print a JSON list instead of lines.
    """
    from nova_eval.cli import doctor as diagnosis

    findings = diagnosis.examine()
    if json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            put(f"{'ok     ' if finding.ok else 'missing'}  {finding.name}: {finding.detail}")
            if finding.remedy and not finding.ok:
                put(f"         {finding.remedy}")
    return errors.PREREQUISITE if any(finding.required and not finding.ok for finding in findings) else errors.OK


@app.command
def parity(folder: Path | None = None, /, *, json: bool = False) -> int:
    """Run recorded outputs of the official code against this install; exit 1 if any differs.

    Example: `nova-eval parity RECORDINGS/geneval`

    Parameters
    ----------
    folder
        A folder of recorded cases, or one of its parts (default: those that come with the package, three minutes).
    json
        Print a JSON list instead of lines.
    """
    from nova_eval.checks.parity.recordings import SHIPPED, find, replay
    from nova_eval.cli import show

    results = list(replay(folder or SHIPPED, talk))
    not_covered = find(folder or SHIPPED)[1]
    if json:
        print_json(show.parity_json(results, not_covered))
    elif folder is None:
        put(show.parity_groups(results))
    else:
        put(show.parity_lines(results, not_covered))
    return errors.OK if results and all(result.passed for result in results) else errors.GATE_FAILED


@app.command
def crosscheck(
    benchmark: Literal["vbench"],
    run: str,
    /,
    *,
    asked: Crosscheck = Crosscheck(),
    results: Results = Path("results"),
    json: bool = False,
) -> int:
    """Run the official vbench 0.1.5 on a run's videos and compare every score; exit 1 if any dimension disagrees.

    The package gets a virtual environment of its own under the cache folder, made at the first call (up to 7 GB).

    Example: `nova-eval crosscheck vbench RUN --dimensions color --limit 5`

    Parameters
    ----------
    benchmark
        The one whose official package is known.
    run
        A run folder, or a name from `runs list`.
    json
        Print a JSON list instead of the table.
    """
    from nova_eval.checks.crosscheck import comparison
    from nova_eval.checks.crosscheck import crosscheck as official
    from nova_eval.runs import finding

    compared = official.crosscheck(finding.find(run, results), asked, talk)
    if json:
        print_json(comparison.as_json(compared))
    else:
        put(comparison.lines(compared))
    return errors.OK if all(row.agrees for row in compared if not row.reason) else errors.GATE_FAILED


@app.command
def train(config: Path | None = None, /, *, restart: bool = False, example: bool = False) -> int:
    """Train NOVA as a TOML file says. Run it again to go on after any interruption.

    Example: `nova-eval train train.toml`

    Parameters
    ----------
    config
        The file; `nova_eval/nova/training/README.md` explains its keys.
    restart
        Begin anew instead of going on.
    example
        Print a file that runs as it is, and train nothing.
    """
    import logging

    from nova_eval.nova.embedded import EXAMPLE
    from nova_eval.nova.training.config import load_config
    from nova_eval.registry import Registry

    if example:
        put(EXAMPLE.read_text(encoding="utf-8"), end="")
        return errors.OK
    if config is None:
        raise errors.UsageError("train needs a file", remedy="`train --example > train.toml` makes one")
    told = load_config(config)  # before torch is imported
    environment.known_device(told.device)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    start: Any = Registry("trainer", {"nova": "nova_eval.nova.training.loop:train"}).get("nova")
    validating = None
    if told.validation is not None:
        from nova_eval.callback import of_training

        validating = of_training(told, talk)
    put(str(start(told, resume=not restart, validating=validating)))
    return errors.OK
