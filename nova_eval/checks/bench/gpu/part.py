"""One part in this process: ``python -m nova_eval.checks.bench.gpu.part NAME SECONDS OPTIONS`` prints its figures.

Each is a line of JSON on standard output. The process ends with whoever started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nova_eval.checks.bench.gpu import generator, judging, machine, memory, overlap, parity
from nova_eval.checks.bench.gpu.figures import Figure, Measure
from nova_eval.checks.bench.options import GpuBench
from nova_eval.errors import NovaEvalError, brief

MEASURES: Mapping[str, Measure] = {
    "machine": machine.measure,
    "parity": parity.measure,
    "generator": generator.measure,
    "judges": judging.measure,
    "memory": memory.measure,
    "overlap": overlap.measure,
}


def figures(name: str, asked: GpuBench, seconds: float) -> Iterator[Figure]:
    """What the part finds in about so many seconds."""
    end = time.monotonic() + seconds
    return MEASURES[name](asked, lambda: end - time.monotonic())


def main(words: Sequence[str]) -> int:
    name, seconds, options = words
    given = json.loads(options)
    for key in ("output", "recordings"):
        given[key] = None if given[key] is None else Path(given[key])
    asked = GpuBench(**{**given, "parts": tuple(given["parts"])})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for figure in figures(name, asked, float(seconds)):
            print(json.dumps(asdict(figure)), flush=True)
    except NovaEvalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception as error:
        print(f"{type(error).__name__}: {brief(error)}", file=sys.stderr)
        return 1
    return 0


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not through a buffer, whose lock would be held when this process ends
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
