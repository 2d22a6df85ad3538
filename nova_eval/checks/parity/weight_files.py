"""Weight files in their published form and wrapping, filled procedurally: by name, shape and seed of each entry.

Scores on such weights mean nothing, but everything between the files and the table is what a real run does: loading,
decoding, batching, memory, resumption. ``NOVA_EVAL_WEIGHTS=FOLDER`` makes a run use the folder that is written by::

    python -m nova_eval.checks.parity.weight_files RECORDINGS FOLDER
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from nova_eval import reading
from nova_eval.checks.parity.vocabulary import vocabulary
from nova_eval.errors import NovaEvalError, UsageError, unknown
from nova_eval.progress import size_text
from nova_eval.weights.catalogue import WeightFile, entry

if TYPE_CHECKING:
    from torch import Tensor, nn

PUBLISHED = Path(__file__).parent / "published"
"""Names and shapes of the entries of the published files, a folder each."""

TAGS = 3429
SEEDS: Mapping[str, int] = {"mask2former": 33}  # of a folder's files: under these weights objects are found

_FILES: Mapping[str, str] = {  # folder of entries → entry of weights.toml, where the two are not called alike
    "clip_vit_b_32": "clip_vit_b32",
    "clip_vit_l_14": "clip_vit_l14",
    "laion_aes_linear": "laion_aesthetic_head",
    "viclip": "viclip_l14",
    "umt": "umt_l16",
    "tag2text": "tag2text_swin_14m",
    "grit": "grit_b",
    "mask2former": "mask2former_swin_s",
    "blip_vqa": "blip_vqa_capfilt_large",
    "mplug_large": "mplug_large_vqa",
}
_GOLDEN = 0x9E3779B1  # spreads seeds over 32 bits
_WORD = 0xFFFFFFFF


class _Configuration:
    """An object of a class that no reader of weights should need."""


def published(name: str) -> WeightFile:
    """The published file that the folder of entries called ``name`` describes. UsageError where there is none."""
    return entry(_FILES.get(name, name))


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a weight file: ``name``, ``shape``, ``dtype`` and ``fill`` of each. UsageError when unreadable."""
    return reading.json_file(path, list[dict[str, Any]], remedy="restore the recording")


def entries_of(name: str, beside: Path | None = None) -> Path:
    """The folder of entries of that file: ``beside`` a recording where it holds some, else the package's."""
    return beside if beside is not None and (beside / "keys.json.gz").is_file() else PUBLISHED / name


def constants(folder: Path) -> Mapping[str, Any]:
    """What a folder of entries says of its file besides; nothing where it says nothing."""
    path = folder / "constants.json"
    return reading.json_file(path, dict[str, Any]) if path.is_file() else {}


def write(
    name: str,
    seed: int,
    target: Path,
    beside: Path | None = None,
    *,
    extra: Sequence[Mapping[str, Any]] = (),
    alone: bool = False,
) -> Path:
    """``target/<published file>`` with the entries that ``entries_of`` finds, and ``extra`` ones.

    Constants that the file holds beside its weights are there too, as zeros, and copies under their second names.
    Other objects lie beside the weights as training scripts leave them, unless the weights are to be ``alone``.
    """
    import torch

    pinned, folder = published(name), entries_of(name, beside)
    path = target / pinned.file
    state = filled([*read_entries(folder / "keys.json.gz"), *extra], seed)
    known = constants(folder)
    for row in known.get("left_out_of_keys", ()):
        state[row["name"]] = torch.zeros(row["shape"], dtype=getattr(torch, row["dtype"]))
    for copy, original in known.get("same_tensor_as", {}).items():
        state[copy] = state[original]
    _, _, key = pinned.wrapping.partition(":")
    if pinned.wrapping == "torchscript":
        _write_torchscript(state, path)
    elif not key:
        torch.save(state, path)
    else:
        others: dict[str, Any] = {} if alone else {"epoch": 14, "optimizer": {"state": {}}}
        if name == "amt_s" and not alone:
            others["config"] = _Configuration()
        torch.save({key.partition(",")[0]: state, **others}, path)
    return path


def write_vocabulary(target: Path) -> Path:
    """In the place of bert-base-uncased's."""
    return _write_lines(target / entry("bert_base_uncased_vocab").file, vocabulary())


def write_folder(recordings: Path, target: Path, names: Sequence[str] = ()) -> list[Path]:
    """The files of ``names`` (default: of all that ``recordings`` has entries of; VBench's are 7 GB) in ``target``.

    A vocabulary and a list of tags lie beside them. What is there already is kept.
    """
    entries = sorted(path.parent.name for path in recordings.glob("*/keys.json.gz"))
    absent = [name for name in names if name not in entries]
    if absent or not entries:
        raise UsageError(f"{recordings} has no entries of {', '.join(absent) or 'any file'}", remedy="give recordings")
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names or entries:
        path = target / published(name).file
        made.append(path if path.exists() else write(name, SEEDS.get(name, 0), target, recordings / name))
    tags = _write_lines(target / entry("tag2text_tags").file, [f"tag {number}" for number in range(TAGS)])
    return [*made, write_vocabulary(target), tags]


def _write_lines(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- values ---------------------------------------------------------------------------------------------------------


def filled(entries: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Tensor]:
    """Name and value of every entry, in their order: drawn in float32, then in its own shape and type.

    Some entries carry fields that keep random networks from collapsing; they are applied in this order: ``gain``,
    ``offset``, ``row_gain``, ``add``, then ``ramp`` over all entries, then ``tie``.
    """
    state = {row["name"]: _adjusted(_drawn(row, seed), row) for row in entries if "tie" not in row}
    for row in entries:
        if "ramp" in row:
            _add_ramp(state, row["name"], row["ramp"])
    return {row["name"]: state[row.get("tie", row["name"])] for row in entries}


def _drawn(row: Mapping[str, Any], seed: int) -> Tensor:
    import torch

    values = np.ascontiguousarray(fill(row["name"], row["shape"], row["fill"], seed))
    dtype = getattr(torch, row.get("dtype", "float32"))
    return torch.from_numpy(values).reshape(row["shape"]).to(dtype)


def _adjusted(tensor: Tensor, row: Mapping[str, Any]) -> Tensor:
    if "gain" in row:
        tensor.mul_(row["gain"])
    if "offset" in row:
        tensor.add_(row["offset"])
    for index, factor in row.get("row_gain", {}).items():
        tensor[int(index)] *= factor
    for index, term in row.get("add", {}).items():
        tensor.view(-1)[int(index)] += term
    return tensor


def _add_ramp(state: Mapping[str, Tensor], name: str, ramp: Mapping[str, Any]) -> None:
    """Row i gains max(i - start, 0) steps of one row of another entry."""
    import torch

    steps = torch.arange(len(state[name])).sub(ramp["start"]).clamp(min=0).float()
    state[name].add_(ramp["step"] * steps[:, None] * state[ramp["of"]][ramp["row"]])


def fill(name: str, shape: Sequence[int], kind: str, seed: int) -> NDArray[Any]:
    """The values of one entry: constants, or normal draws with the mean and deviation that ``kind`` stands for."""
    shape = tuple(shape)
    count = int(np.prod(shape))
    unchanging: dict[str, Callable[[], NDArray[Any]]] = {
        "zeros": lambda: np.zeros(shape, np.float32),
        "ones": lambda: np.ones(shape, np.float32),
        "arange": lambda: np.arange(count, dtype=np.int64).reshape(shape),
    }
    if kind in unchanging:
        return unchanging[kind]()
    random = np.random.RandomState((crc32(name.encode()) ^ seed * _GOLDEN) & _WORD)
    draws = random.standard_normal(shape).astype(np.float32)
    if kind == "normal":
        fan_in = count // shape[0] if len(shape) > 1 else shape[0] if shape else 1
        return draws / np.float32(np.sqrt(max(fan_in, 1)))
    deviations = {"scale": 0.1, "var": 0.1, "bias": 0.05, "embed": 0.02}
    if kind not in deviations:
        raise unknown("fill", kind, [*unchanging, "normal", *deviations])
    deviation = np.float32(deviations[kind])
    if kind == "scale":
        return 1 + deviation * draws
    return 1 + deviation * np.abs(draws) if kind == "var" else deviation * draws


# --- archives -------------------------------------------------------------------------------------------------------


def _write_torchscript(state: Mapping[str, Tensor], path: Path) -> None:
    import torch

    root = torch.nn.Module()
    for name, tensor in state.items():
        _hang(root, name, tensor)
    root.forward = lambda x: x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of TorchScript; the published files are such archives
        traced = torch.jit.trace(root, torch.zeros(1), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path)


def _hang(root: nn.Module, name: str, tensor: Tensor) -> None:
    from torch import nn

    *places, leaf = name.split(".")
    module = root
    for place in places:
        if place not in module._modules:
            module.add_module(place, nn.Module())
        module = module.get_submodule(place)
    if tensor.is_floating_point():
        module.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    else:
        module.register_buffer(leaf, tensor)


def main(words: Sequence[str]) -> int:
    """``RECORDINGS FOLDER``; returns an exit code."""
    if len(words) != 2:
        print("usage: python -m nova_eval.checks.parity.weight_files RECORDINGS FOLDER", file=sys.stderr)
        return 2
    try:
        for path in write_folder(Path(words[0]), Path(words[1])):
            print(f"{size_text(path.stat().st_size):>9}  {path}")
    except NovaEvalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
