"""nova-mini, the checkpoint that comes with the package, and an early one, from the first tenth of the same training.

Both share everything but the transformer, which the package holds once; the early checkpoint is put together in the
cache on first use.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nova_eval import files
from nova_eval.environment import cache_root
from nova_eval.errors import PrerequisiteError
from nova_eval.identity import digest, file_digest

MINI, EARLY = "nova-mini", "nova-mini-early"
EMBEDDED = (MINI, EARLY)
PACKAGED = Path(__file__).with_name("mini")
EXAMPLE = Path(__file__).with_name("training") / "example.toml"
"""A training file that starts from nova-mini and runs as it is."""
_SHARED = ("vae", "text_encoder", "tokenizer", "scheduler")


def embedded_checkpoint(name: str) -> Path:
    """The folder of ``nova-mini`` or ``nova-mini-early``, in the official form."""
    if not (PACKAGED / "model_index.json").is_file():
        raise PrerequisiteError(f"this installation lacks the weights of {name}", remedy="install the package again")
    if name == MINI:
        return PACKAGED
    parts = (PACKAGED / part for part in ("early/transformer", *_SHARED))
    contents = digest([file_digest(file) for part in parts for file in sorted(part.iterdir()) if file.is_file()])
    folder = cache_root() / "checkpoints" / f"{EARLY}-{contents[:12]}"
    if not folder.is_dir():
        _assemble(folder)
    return folder


def _assemble(folder: Path) -> None:
    try:
        with files.temporary(folder) as temporary:
            for part in _SHARED:
                shutil.copytree(PACKAGED / part, temporary / part)
            shutil.copytree(PACKAGED / "early" / "transformer", temporary / "transformer")
            shutil.copy(PACKAGED / "model_index.json", temporary)
    except OSError as error:
        if not folder.is_dir():  # else another process was faster
            raise PrerequisiteError(
                f"{folder} cannot be written ({error.strerror})", remedy="set NOVA_EVAL_CACHE to a folder with space"
            ) from error
