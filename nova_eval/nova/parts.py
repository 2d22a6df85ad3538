"""Where the parts of a checkpoint lie: a whole folder, a snapshot of the hub, or a transformer beside another's parts.

Trainings of NOVA leave the transformer alone (``OUT/checkpoints/checkpoint-100/transformer``, its moving average under
``OUT/ema_checkpoints``); ``OUT/config.yaml`` says where the other parts were. Needs no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval import files, reading
from nova_eval.errors import NotHere, NovaEvalError, PrerequisiteError, UsageError
from nova_eval.nova.config import CLASS_NAME, TransformerConfig
from nova_eval.nova.embedded import EMBEDDED, embedded_checkpoint
from nova_eval.nova.training_record import recorded_parts
from nova_eval.packages import needed_by

PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
SERIES = {"checkpoints": "", "ema_checkpoints": "ema-"}
"""Folders of a training that hold checkpoints, and what their names begin with."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.bin", "*.pth", "*.txt"]
_BASE = f"name a checkpoint that has them: --set sampler.base=FOLDER, a hub id, or {EMBEDDED[0]}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The folder of every part. ``revision`` and ``base_revision`` are the commits of the hub that the checkpoint and
    its base are of ("" for local folders).
    """

    name: str
    transformer: Path
    vae: Path
    text_encoder: Path
    tokenizer: Path
    scheduler: Path
    revision: str = ""
    base_revision: str = ""

    @classmethod
    def within(cls, folder: Path) -> Parts:
        """Those of a folder in the official form; nothing is looked at."""
        transformer, vae, text_encoder, tokenizer, scheduler = (folder / part for part in PARTS)
        return cls(model_name(folder), transformer, vae, text_encoder, tokenizer, scheduler)


def locate(
    path_or_id: str | Path, *, base: str | Path | None = None, revision: str = "", offline: bool = False
) -> Parts:
    """The parts of a checkpoint: of a local folder, or of a hub repository such as BAAI/nova-d48w1024-sd512.

    ``nova-mini`` and ``nova-mini-early`` come with the package. A folder may lack parts, as trainings leave it: they
    are those of ``base`` (a checkpoint of any kind), else of the folder that the training's ``config.yaml`` names.
    ``revision`` is a branch, tag or commit of the hub. ``offline`` uses what was downloaded before and opens no socket.
    No code of a repository is fetched or run.
    """
    found = _find(path_or_id, revision, offline)
    missing = [part for part in PARTS if part not in found.folders]
    if base and not missing:
        raise UsageError(f"{path_or_id} has all its parts: base {str(base)!r} would be unused", remedy="leave it out")
    if missing and not base:
        folders = {**found.folders, **_recorded(found, missing)}
    elif base:
        whole = _base(base, missing, offline)
        folders = {**{part: whole.folders[part] for part in missing}, **found.folders}
        return Parts(found.name, **folders, revision=found.revision, base_revision=whole.revision)
    else:
        folders = dict(found.folders)
    return Parts(found.name, **folders, revision=found.revision, base_revision="")


def check_base(base: str | Path, *, offline: bool = False) -> None:
    """PrerequisiteError where ``base`` cannot give a transformer the parts that it lacks."""
    _base(base, PARTS[1:], offline)


def _base(base: str | Path, missing: Sequence[str], offline: bool) -> _Found:
    found = _find(base, "", offline, without=("transformer",) if "transformer" not in missing else ())
    lacking = [part for part in missing if part not in found.folders]
    if lacking:
        raise PrerequisiteError(f"base {str(base)!r} is no whole checkpoint: {', '.join(lacking)} missing")
    return found


def locate_transformer(path_or_id: str | Path) -> Path:
    """The transformer's folder alone; ``path_or_id`` as in ``locate``, with or without the other parts."""
    return _find(path_or_id, "", offline=False).folders["transformer"]


def alike(one: str | Path, other: str | Path) -> bool:
    """Whether both are on this machine and their transformers of one configuration, whatever their weights."""
    if one == other:
        return True
    local = [str(name) in EMBEDDED or files.given(name).is_dir() for name in (one, other)]
    try:
        configs = [read_json(locate_transformer(name) / "config.json") for name in (one, other) if all(local)]
        return bool(configs) and len({TransformerConfig.from_json(config) for config in configs}) == 1
    except NovaEvalError:
        return False  # whoever opens it says what is wrong with it


def model_name(folder: Path) -> str:
    """What a model in ``folder`` is called: as the folder; checkpoints of a training as the training and the step."""
    place = Path(os.path.abspath(folder.expanduser()))
    training, series = place.parent.parent.name, place.parent.name
    return f"{training}-{SERIES[series]}{place.name}" if training and series in SERIES else place.name


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object on disk, or PrerequisiteError."""
    return reading.json_file(path, dict[str, Any], error=PrerequisiteError)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    folders: Mapping[str, Path]
    revision: str = ""


def _find(path_or_id: str | Path, revision: str, offline: bool, without: Iterable[str] = ()) -> _Found:
    folder = files.given(path_or_id)
    if str(path_or_id) in EMBEDDED and not folder.exists():
        inside = embedded_checkpoint(str(path_or_id))
        return _Found(str(path_or_id), {part: inside / part for part in PARTS})
    if folder.is_dir():
        if revision:
            raise UsageError(f"{folder} is a local folder, which has no revision {revision!r}", remedy="leave it out")
        return _in_folder(folder)
    if folder.exists():
        raise PrerequisiteError(f"{folder} is a file", remedy="give the folder of the checkpoint that it lies in")
    if folder.is_absolute() or not _HUB_ID.fullmatch(str(path_or_id)):
        raise PrerequisiteError(
            f"no checkpoint folder {str(path_or_id)!r}",
            remedy=f"give a folder, a hub id owner/name, or {' or '.join(EMBEDDED)}",
        )
    snapshot = _snapshot(str(path_or_id), revision, offline, without)
    parts = {part: snapshot / part for part in PARTS if (snapshot / part).is_dir()}
    if not parts:
        raise PrerequisiteError(f"{path_or_id} on the hub holds no part of a NOVA checkpoint")
    return _Found(folder.name, parts, snapshot.name)


def _snapshot(name: str, revision: str, offline: bool, without: Iterable[str]) -> Path:
    with needed_by(f"checkpoint {name!r}"):
        from huggingface_hub import snapshot_download
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=_HUB_FILES,
                ignore_patterns=[f"{part}/*" for part in without],
                local_files_only=offline,
            )
        )
    except Exception as error:
        called = f"checkpoint {name!r}" + (f" at {revision!r}" if revision else "")
        if offline:
            raise NotHere(f"{called} is not in the local hub cache", remedy="run once without offline") from error
        raise PrerequisiteError(
            f"{called} cannot be fetched from the hub ({type(error).__name__})",
            remedy="check the id and the network, or give a local folder",
        ) from error


def _in_folder(folder: Path) -> _Found:
    own = {part: folder / part for part in PARTS if (folder / part).is_dir()}
    if "transformer" in own:
        return _Found(model_name(folder), own)
    if is_transformer(folder):
        beside = folder.parent
        whole = {part: beside / part for part in PARTS if (beside / part).is_dir()} if folder.name == PARTS[0] else {}
        return _Found(model_name(beside if whole else folder), {**whole, "transformer": folder})
    steps = [path for pattern in ("*", *(f"{series}/*" for series in SERIES)) for path in folder.glob(pattern)]
    choices = sorted((path for path in steps if (path / "transformer").is_dir()), key=_step)
    if choices:
        names = [path.relative_to(folder).as_posix() for path in choices]
        listed = ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")
        raise UsageError(f"{folder} holds checkpoints and is none: {listed}", remedy=f"choose one, as {choices[-1]}")
    named = [path for path in sorted(folder.iterdir()) if path.name not in PARTS and is_transformer(path)]
    if len(named) == 1:
        return _Found(model_name(folder), {**own, "transformer": named[0]})
    missing = ", ".join(part for part in PARTS if part not in own)
    raise PrerequisiteError(
        f"{folder} is not a NOVA checkpoint: {missing} missing",
        remedy=f"a checkpoint folder holds model_index.json and {', '.join(PARTS)}",
    )


def _step(path: Path) -> tuple[bool, list[int], str]:
    """Sorts a training's checkpoints by their steps, behind other folders."""
    return path.parent.name in SERIES, [int(digits) for digits in re.findall(r"\d+", path.name)], path.as_posix()


def is_transformer(folder: Path) -> bool:
    """Whether a folder's ``config.json`` is that of NOVA's transformer."""
    try:
        return read_json(folder / "config.json").get("_class_name") == CLASS_NAME
    except PrerequisiteError:
        return False


def _recorded(found: _Found, missing: list[str]) -> dict[str, Path]:
    """The missing parts where the training's own record says that they are."""
    transformer = found.folders.get("transformer")
    if transformer is None:
        raise PrerequisiteError(f"{found.name} is not a NOVA checkpoint: {', '.join(missing)} missing")
    lacking = f"{transformer.parent} is no whole checkpoint: {', '.join(missing)} missing"
    where, places = recorded_parts(transformer)
    if where is None:
        raise PrerequisiteError(lacking, remedy=_BASE)
    absent = [part for part in missing if part not in places or not places[part].is_dir()]
    if absent:
        place = f"not at {places[absent[0]]}" if absent[0] in places else "not named"
        raise PrerequisiteError(f"{lacking}, and by {where} {absent[0]} is {place}", remedy=_BASE)
    return {part: places[part] for part in missing}
