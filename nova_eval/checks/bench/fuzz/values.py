"""Readers of what stands on a command line, in a configuration, in a name of a file, in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.own_names import OwnNames
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.checks.bench.options import SweepBench
from nova_eval.compare.gates import gates_of
from nova_eval.errors import UsageError
from nova_eval.limits import Limit
from nova_eval.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from nova_eval.nova.embedded import EXAMPLE
from nova_eval.nova.training.config import load_config
from nova_eval.options import RunOptions
from nova_eval.records import Prompt
from nova_eval.runs import options
from nova_eval.runs.finding import find
from nova_eval.weights import catalogue

_SETS = ("sampler.height=128", "seed=7", "limit=3", "samples_per_prompt=official", "metrics=['color']", "shard=1/4",
         "order=shuffled:3", "sampler=noise", "sampler.name=oracle", "batch=4", "unit_timeout=3.5", "profile=paper",
         "variant=custom", "prompts=x.txt", "codec=h264", "device=cpu", "results=x", "scoring=corrected")  # fmt: skip
_FLAGS = ("--limit 3", "--seed 7", "--shard 1/4", "--samples-per-prompt 5", "--order suite", "--workers 2",
          "--unit-timeout 1.5", "--metrics color scene",
          "--config x.toml", "--prompts x", "--results x", "--offline", "--batch 2")  # fmt: skip
_CONFIG = b'seed = 3\nlimit = 2\nmetrics = ["color"]\nsamples_per_prompt = 1\n[sampler]\nname = "noise"\nheight = 64\n'


def readers() -> Iterator[Reader]:
    for name in ("vbench", "dpg_bench"):
        made = _each(*_SETS)
        yield Reader(f"--set, {name}", "set.txt", "text", made, _told(partial(_set, name)), 0.2, whole=False)
        yield Reader(
            f"--config, {name}", "run.toml", "toml", _each(_CONFIG), partial(_configured, name), 0.3, whole=False
        )
    yield Reader("options of run", "options.txt", "text", _each(*_FLAGS), _told(_parsed), 0.01, whole=False)
    yield Reader(
        "--sampler",
        "sampler.txt",
        "text",
        _each("oracle", "folder:x", "nova:nova-mini", "a.py:B"),
        _told(_sampler),
        0.03,
        whole=False,
    )
    yield Reader("--gate", "gate.txt", "text", _each("color=0.02"), _told(_gate), whole=False)
    yield Reader("--over", "over.txt", "text", _each("sampler.x=1,2,4"), _told(lambda text: SweepBench(text).setting))
    yield Reader("name of a run", "run.txt", "text", _each("vbench/oracle-1", "/x/y"), _found, whole=False)
    yield Reader("name of weights", "name.txt", "text", _each("amt_s", "x"), _told(catalogue.entry), whole=False)
    yield Reader(
        "name of a benchmark", "name.txt", "text", _each("vbench", "x"), _told(load_benchmark), 0.01, whole=False
    )
    yield Reader("limits", "limit.txt", "text", _each("1000", "8"), _told(_limited))
    yield Reader("training file", "train.toml", "toml", _each(EXAMPLE.read_bytes()), load_config)
    for name, names in _NAMED.items():
        yield Reader(f"names of files, {name}", "names.txt", "text", _each("\n".join(names)), partial(_named, name))


_NAMED = {
    "vbench": ("a cat on a roof-0.mp4", "scene/a dog-1.mp4", "a cat on a roof-2.webm"),
    "geneval": ("00000/samples/00000.png", "00001/samples/00000.png", "00001/grid.png"),
    "t2i_compbench": ("a cat on a roof_000000.png", "color/a dog_000001.png"),
    "dpg_bench": ("0.png", "1-2.png", "3/0.png"),
    "custom": ("a cat on a roof-0.mp4", "0001.mp4", "x/y.mp4"),
}


def _each(*samples: str | bytes) -> Callable[[Path], Iterable[bytes]]:
    return lambda folder: [sample if isinstance(sample, bytes) else sample.encode() for sample in samples]


def _told(use: Callable[[str], object]) -> Callable[[Path], object]:
    """With the text as a program is given it: without zeros, bytes that are no UTF-8 kept."""
    return lambda path: use(path.read_bytes().replace(b"\0", b"").decode("utf-8", "surrogateescape"))


def _set(name: str, text: str) -> object:
    return options.resolve(name, {}, [text])


def _configured(name: str, path: Path) -> object:
    return options.resolve(name, {}, (), path)


def _sampler(text: str) -> object:
    return options.resolve("vbench", {"sampler": text})


def _gate(text: str) -> object:
    return gates_of(load_benchmark("vbench").config, [text])


_USUAL, _COMMAND = RunOptions(), App()


@_COMMAND.default
def _verb(*, options: Annotated[RunOptions, Parameter(name="*")] = _USUAL) -> None:
    """With the options that every verb on runs has."""


def _parsed(text: str) -> object:
    flag, _, value = text.partition(" ")
    try:
        return _COMMAND.parse_args([flag, *value.split()], print_error=False, exit_on_error=False)
    except CycloptsError as error:  # which the command reports as one line
        raise UsageError(str(error)) from error


def _found(path: Path) -> object:
    return _told(lambda text: find(text, path.parent))(path)


def _limited(text: str) -> object:
    variable = Limit.FRAMES.value[0]
    before = os.environ.get(variable)
    try:
        os.environ[variable] = text
        return Limit.FRAMES.most
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before


def _named(name: str, path: Path) -> object:
    lines = path.read_bytes().replace(b"\0", b"").split(b"\n")
    paths = [os.fsdecode(line) for line in lines if max(map(len, line.split(b"/"))) < 256]  # others cannot be
    prompts = [Prompt(f"x/{place}", text, ("color",), {"item": str(place)}) for place, text in enumerate(_TEXTS)]
    names: Any = OwnNames(VIDEO_SUFFIXES)
    if name != "custom":
        benchmark = load_benchmark(name)
        names = benchmark.names(VIDEO_SUFFIXES if benchmark.config.modality == "video" else IMAGE_SUFFIXES)
    assigned = names.assign(prompts, paths, path.parent)
    return assigned, names.hint(prompts, [given for given in paths if given] or ["x"])


_TEXTS = ("a cat on a roof", "a dog", "")
