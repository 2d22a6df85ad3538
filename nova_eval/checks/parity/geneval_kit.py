"""The weight files of the GenEval recordings, in their published form; and a folder of them for whole runs.

Scores on such weights mean nothing, but everything between the files and the table is what a real run does.
``NOVA_EVAL_WEIGHTS=FOLDER`` makes a run use the folder::

    python -m nova_eval.checks.parity.geneval_kit shared/parity/t2i FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nova_eval.checks.parity.procedural import read_entries, tensors
from nova_eval.checks.parity.weight_files import write_torchscript
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.weights.catalogue import entry

if TYPE_CHECKING:
    from torch import Tensor

FILES: Mapping[str, str] = {  # recorded judge → entry of weights.toml
    "mask2former": "mask2former_swin_s",
    "clip_vit_l14": "clip_vit_l14",
}
SEEDS: Mapping[str, int] = {"mask2former": 33, "clip_vit_l14": 0}  # weights under which objects are found


def write_weights(folder: Path, seed: int, target: Path) -> Path:
    """``target/<published file>`` with the entries of ``folder``, which is named like the judge.

    Constants that the published file holds beside its weights are there too, as zeros.
    """
    import torch

    pinned = entry(FILES[folder.name])
    path = target / pinned.file
    drawn = tensors(read_entries(folder / "keys.json.gz"), seed)
    if pinned.wrapping == "torchscript":
        write_torchscript(drawn, path)
    else:
        state = {**dict(drawn), **dict(_constants(folder / "constants.json"))}
        torch.save({"meta": {"epoch": 50}, pinned.wrapping.removeprefix("in:"): state}, path)
    return path


def _constants(path: Path) -> Iterator[tuple[str, Tensor]]:
    import torch

    recorded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for row in recorded.get("left_out_of_keys", ()):
        yield row["name"], torch.zeros(row["shape"], dtype=getattr(torch, row["dtype"]))


def write_folder(recordings: Path, target: Path) -> list[Path]:
    """Both files (2 GB, half a minute) in ``target``; one that is there already is kept. UsageError without entries."""
    absent = [judge for judge in FILES if not (recordings / judge / "keys.json.gz").is_file()]
    if absent:
        raise UsageError(f"{recordings} has no entries of {', '.join(absent)}", remedy="give the image recordings")
    target.mkdir(parents=True, exist_ok=True)
    paths = {judge: target / entry(name).file for judge, name in FILES.items()}
    return [
        path if path.exists() else write_weights(recordings / judge, SEEDS[judge], target)
        for judge, path in paths.items()
    ]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m nova_eval.checks.parity.geneval_kit RECORDINGS FOLDER")
    try:
        print("\n".join(map(str, write_folder(Path(sys.argv[1]), Path(sys.argv[2])))))
    except NovaEvalError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
