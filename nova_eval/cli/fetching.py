"""prompts and weights: what is pinned, fetched and verified."""

from __future__ import annotations

from pathlib import Path

from nova_eval import errors
from nova_eval.cli.apps import prompts_app, weights_app
from nova_eval.cli.flags import print_json, put
from nova_eval.progress import size_text, talk, transfers


@prompts_app.command(name="fetch")
def prompts_fetch(benchmark: str, /, *, mirror: Path | None = None, offline: bool = False) -> int:
    """Get a benchmark's official prompt files, over HTTPS or from --mirror, and verify their sha256.

    Example: `nova-eval prompts fetch vbench --mirror FILES`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    mirror
        Folder that holds the files as owner/repository/commit/path.
    offline
        Open no network connection.
    """
    from nova_eval.adapters import load_benchmark, sources

    adapter = load_benchmark(benchmark)
    with transfers() as show:
        paths = sources.fetch(adapter.facts, mirror=mirror, offline=offline, progress=show)
    for path in paths:
        talk(f"verified: {path}")
    for line in adapter.prepare(mirror):
        talk(line)
    return errors.OK


@prompts_app.command(name="verify")
def prompts_verify(benchmark: str, /, *, mirror: Path | None = None) -> int:
    """Check the official prompt files that are already here.

    Example: `nova-eval prompts verify vbench`

    Parameters
    ----------
    benchmark
        A name from `list benchmarks`.
    mirror
        Folder that holds the files as owner/repository/commit/path.
    """
    from nova_eval.adapters import load_benchmark, sources

    wrong = 0
    for check in sources.verify(load_benchmark(benchmark).facts, mirror=mirror):
        put(f"{check.source}: {check.problem or 'ok'}")
        wrong += bool(check.problem)
    return errors.PREREQUISITE if wrong else errors.OK


@weights_app.command(name="fetch")
def weights_fetch(*names: str, mirror: str = "", offline: bool = False) -> int:
    """Bring weight files here: several at once, resumed where they stopped, checked against their pins.

    Example: `nova-eval weights fetch vbench`

    Parameters
    ----------
    names
        Files or judges from `weights list`, or benchmarks for all their judges need (default: all).
    mirror
        Folder or address that holds the files under their own names; tried first.
    offline
        Open no network connection.
    """
    from nova_eval import weights
    from nova_eval.adapters import judges_by_benchmark

    judges_of = judges_by_benchmark()
    missing = [row for row in weights.listing(names, judges_of) if row.path is None]
    if not offline:
        for row in missing:
            talk(f"to fetch: {row.entry.name}, {size_text(row.bytes)}, licence {row.entry.licence}")
        talk(f"to fetch in all: {size_text(sum(row.bytes for row in missing))}")
    with transfers() as show:
        paths = weights.fetch(names, judges_of, mirror=mirror, offline=offline, progress=show)
    for path in paths:
        talk(f"verified: {path}")
    return errors.OK


@weights_app.command(name="verify")
def weights_verify(*names: str) -> int:
    """Read the weight files that are here and compare them with their pins.

    Example: `nova-eval weights verify dino_vitb16`

    Parameters
    ----------
    names
        Files, judges, or benchmarks (default: all).
    """
    from nova_eval import weights
    from nova_eval.adapters import judges_by_benchmark

    checks = weights.verify(names, judges_by_benchmark())
    for check in checks:
        put(f"{check.entry.name}: {check.problem or 'ok'}")
    return errors.PREREQUISITE if any(check.problem for check in checks) else errors.OK


@weights_app.command(name="list")
def weights_list(*names: str, json: bool = False) -> int:
    """List weight files with size, licence, origin, the judges that use them, and where they lie.

    Example: `nova-eval weights list vbench`

    Parameters
    ----------
    names
        Files, judges, or benchmarks (default: all).
    json
        Print a JSON list instead of lines.
    """
    from nova_eval import weights
    from nova_eval.adapters import judges_by_benchmark
    from nova_eval.cli import listing

    rows = weights.listing(names, judges_by_benchmark())
    if json:
        print_json(
            [
                {
                    "name": row.entry.name,
                    "here": None if row.path is None else str(row.path),
                    "bytes": row.bytes,
                    "licence": row.entry.licence,
                    "used_by": list(row.entry.used_by),
                    "pinned_by": row.pinned_by,
                    "origin": row.entry.origin,
                }
                for row in rows
            ]
        )
    else:
        told = [
            {
                "name": row.entry.name,
                "state": "here" if row.path else "missing",
                "size": size_text(row.bytes),
                "licence": row.entry.licence,
                "judges": ", ".join(row.entry.used_by),
            }
            for row in rows
        ]
        for line in listing.lines(told):
            put(line)
        here = {row.entry.instead_of or row.entry.name for row in rows if row.path}
        missing = [row for row in rows if not row.entry.instead_of and row.entry.name not in here]
        if missing:
            size = size_text(sum(row.bytes for row in missing))
            what = " ".join(names) or "[judge or benchmark]"
            talk(f"missing: {len(missing)} files, {size}; python -m nova_eval weights fetch {what}")
    return errors.OK
