"""Recordings of the judges behind VBench's captions, actions, objects and texts, one folder each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nova_eval.checks.parity.compare import weights_check
from nova_eval.checks.parity.networks.clip_judges import umt, viclip
from nova_eval.checks.parity.networks.grit import grit
from nova_eval.checks.parity.networks.tag2text import tag2text
from nova_eval.checks.parity.text_kit import read_weights, write_weights
from nova_eval.errors import UsageError, unknown
from nova_eval.records import ParityResult

Replay = Callable[[Mapping[str, Any], Path, Path, str], Iterator[ParityResult]]
"""What was recorded, its folder, the weight file (further files go beside it), the device."""

REPLAYS: Mapping[str, Replay] = {"viclip": viclip, "umt": umt, "tag2text": tag2text, "grit": grit}


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/expected.json``, one result a quantity; the note of a failed one says what differs.

    The weights are written to a temporary file (at most 1.7 GB) and loaded as published ones are.
    """
    if folder.name not in REPLAYS:
        raise unknown("recorded judge", folder.name, REPLAYS)
    path = folder / "expected.json"
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        seed, check = recorded["weights_seed"], recorded["weights_check"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error!r}", remedy="restore the recording") from error
    with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
        weights = write_weights(folder, seed, Path(files))
        yield weights_check(f"vbench {folder.name}", check, read_weights(folder.name, weights))
        try:
            for found in REPLAYS[folder.name](recorded, folder, weights, device):
                yield ParityResult(f"vbench {found.case}", found.difference, found.tolerance, found.unit, found.note)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            yield ParityResult(f"vbench {folder.name} is replayed to its end", math.inf, 0.0, "exact", note)
