"""Weight files in the published layout and wrapping, filled procedurally, and the judges that load them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nova_eval.checks.parity.procedural import read_entries, tensors
from nova_eval.errors import unknown
from nova_eval.judges import JUDGES

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class StandIn:
    """A recording's folder of entries: the file it stands for and how that is wrapped."""

    file: str
    wrapping: str


STAND_INS: Mapping[str, StandIn] = {
    "dino_vitb16": StandIn("dino_vitbase16_pretrain.pth", "plain"),
    "clip_vit_b_32": StandIn("ViT-B-32.pt", "torchscript"),
    "clip_vit_l_14": StandIn("ViT-L-14.pt", "torchscript"),
    "laion_aes_linear": StandIn("sa_0_4_vit_l_14_linear.pth", "plain"),
    "musiq_spaq": StandIn("musiq_spaq_ckpt-358bb6af.pth", "plain"),
    "raft_things": StandIn("raft-things.pth", "plain"),
    "amt_s": StandIn("amt-s.pth", "in:state_dict"),
}


def write(folder: Path, judge: str, seed: int, target: Path) -> Path:
    """``target/<published file name>`` with the entries of ``folder/<judge>/keys.json.gz`` drawn from ``seed``."""
    import torch

    if judge not in STAND_INS:
        raise unknown("recorded judge", judge, STAND_INS)
    stand_in = STAND_INS[judge]
    drawn = tensors(read_entries(folder / judge / "keys.json.gz"), seed)
    path = target / stand_in.file
    if stand_in.wrapping == "torchscript":
        write_torchscript(drawn, path)
    elif stand_in.wrapping == "plain":
        torch.save(dict(drawn), path)
    else:  # as training scripts write it: with other objects beside the weights
        torch.save({"epoch": 300, "config": _Configuration(), stand_in.wrapping.removeprefix("in:"): dict(drawn)}, path)
    return path


class _Configuration:
    """An object of a class that no reader of weights should need."""


def write_torchscript(drawn: Iterable[tuple[str, Tensor]], path: Path) -> None:
    import torch

    root = torch.nn.Module()
    for name, tensor in drawn:
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


class Bench:
    """Judges on procedural weights. Those on the last files are kept: cases that share files come one after another."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self._folder, self._device = folder, device
        self._files: TemporaryDirectory[str] | None = None
        self._key: tuple[Any, ...] | None = None
        self._paths: dict[str, Path] = {}
        self._judges: dict[tuple[Any, ...], Any] = {}

    def judge(self, registered: str, files: Mapping[str, str], seed: int, **settings: Any) -> Any:
        """The judge ``registered``, its constructor's file arguments taken from the recorded judges in ``files``."""
        key, wanted = (tuple(files.items()), seed), (registered, *sorted(settings.items()))
        if key != self._key:
            self.close()  # frees the last ones before the next are made
            self._files = TemporaryDirectory(prefix="nova_eval-stand-ins-")
            target = Path(self._files.name)
            self._paths = {argument: write(self._folder, name, seed, target) for argument, name in files.items()}
            self._key = key
        if wanted not in self._judges:
            maker: Any = JUDGES.get(registered)
            self._judges[wanted] = maker(**self._paths, **settings).to(self._device)
        return self._judges[wanted]

    def close(self) -> None:
        """Lets go of the judges and removes their files."""
        self._key = None
        self._judges.clear()
        if self._files is not None:
            self._files.cleanup()
            self._files = None


@contextmanager
def listening(judge: Any, method: str) -> Iterator[list[Any]]:
    """Collects what ``judge.method`` answers while a scorer, or the judge itself, asks it."""
    heard: list[Any] = []
    answer = getattr(judge, method)

    def hear(*arguments: Any, **settings: Any) -> Any:
        heard.append(answer(*arguments, **settings))
        return heard[-1]

    setattr(judge, method, hear)
    try:
        yield heard
    finally:
        delattr(judge, method)
