"""Recordings of the judges behind VBench's captions, actions, objects and texts, one folder each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.checks.parity.compare import weights_check
from nova_eval.checks.parity.networks.clip_judges import umt, viclip
from nova_eval.checks.parity.networks.grit import grit
from nova_eval.checks.parity.networks.tag2text import tag2text
from nova_eval.checks.parity.weight_files import published, write
from nova_eval.errors import unknown
from nova_eval.records import ParityResult
from nova_eval.weights import load_state_dict

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

JUDGES: Mapping[str, Callable[[Mapping[str, Any], Path, Path, str], Iterator[ParityResult]]] = {
    "viclip": viclip,
    "umt": umt,
    "tag2text": tag2text,
    "grit": grit,
}
"""From what was recorded, its folder, the weight file (further files go beside it) and the device."""


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording. The weights' file takes at most 1.7 GB."""
    name = recording.judge
    if name not in JUDGES:
        raise unknown("recorded judge", name, JUDGES)
    recorded = recording.content("weights_seed", "weights_check")
    weights = write(name, recorded["weights_seed"], files, recording.folder)
    state = load_state_dict(weights, published(name).wrapping)
    yield weights_check(f"vbench {name}", recorded["weights_check"], state)
    del state
    yield from JUDGES[name](recorded, recording.folder, weights, device)
