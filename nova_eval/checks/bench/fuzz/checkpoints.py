"""Readers of what networks are made of: configurations, weights, vocabularies, training material, recordings."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.checks.parity import recordings
from nova_eval.judges.mplug_settings import read_settings
from nova_eval.media import encode_image
from nova_eval.weights import catalogue
from nova_eval.weights.loading import load_state_dict
from nova_eval.weights.opening import problem_of

_RECORD = b"""pipeline:
  paths:
    pretrained_path: ${root}/x
    module_dict:
      vae: ${..pretrained_path}/vae
root: /a
"""
_MPLUG = b"image_res: 504\nbeam_size: 5\nmin_length: 1\nmax_length: 10\n"
_BERT = {
    "text_encoder_layers": 6,
    "fusion_layers": 6,
    "num_hidden_layers": 12,
    "text_decode_layers": 12,
    "stride_layer": 6,
}


def readers() -> Iterator[Reader]:
    yield from _of_nova()
    yield from _weights()
    yield from _training()
    yield from _recorded()


# --- NOVA -----------------------------------------------------------------------------------------------------------


def _of_nova() -> Iterator[Reader]:
    from nova_eval.nova.config import TransformerConfig
    from nova_eval.nova.digests import weight_files
    from nova_eval.nova.embedded import embedded_checkpoint
    from nova_eval.nova.parts import read_json
    from nova_eval.nova.schedule import from_json
    from nova_eval.nova.text import load_tokenizer
    from nova_eval.nova.training_record import recorded_parts
    from nova_eval.nova.vae_networks import build_network

    mini = embedded_checkpoint("nova-mini")

    def config(part: str) -> Callable[[Path], Iterable[bytes]]:
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return _always((mini / part / name).read_bytes())

    def steps(path: Path) -> object:
        return from_json(read_json(path)).steps(4)

    def tokenizer(folder: Path) -> Iterable[bytes]:
        return [(mini / "tokenizer" / "tokenizer.json").read_bytes()]

    yield Reader(
        "transformer/config.json",
        "config.json",
        "json",
        config("transformer"),
        lambda path: TransformerConfig.from_json(read_json(path)),
    )
    yield Reader("scheduler_config.json", "scheduler_config.json", "json", config("scheduler"), steps, 0.3)
    yield Reader(
        "vae/config.json", "config.json", "json", config("vae"), lambda path: build_network(read_json(path)), 0.05
    )
    yield Reader("text_encoder/config.json", "config.json", "json", config("text_encoder"), _phi, 0.05)
    yield Reader("tokenizer.json", "tokenizer.json", "json", tokenizer, lambda path: load_tokenizer(path.parent), 0.1)
    index = {"metadata": {}, "weight_map": {"a": "x-00001-of-00002.safetensors", "b": "x-00002-of-00002.safetensors"}}
    yield Reader(
        "index of shards",
        "model.safetensors.index.json",
        "json",
        partial(_shards, index),
        lambda path: weight_files(path.parent),
    )
    yield Reader(
        "config.yaml of a training",
        "config.yaml",
        "yaml",
        _always(_RECORD),
        lambda path: recorded_parts(path.with_name("transformer")),
        0.3,
    )


def _phi(path: Path) -> object:
    from nova_eval.nova.parts import read_json
    from nova_eval.nova.text import phi_network

    return phi_network(read_json(path), path)


def _shards(index: Any, folder: Path) -> Iterable[bytes]:
    for name in index["weight_map"].values():
        (folder / name).write_bytes(b"")
    return [json.dumps(index).encode()]


# --- weights --------------------------------------------------------------------------------------------------------


def _weights() -> Iterator[Reader]:
    from nova_eval.nova.weight_files import read_weights

    yield Reader(
        "safetensors of NOVA", "model.safetensors", "bytes", _safetensors, lambda path: read_weights(path.parent)
    )
    yield Reader("torch archive of NOVA", "model.bin", "bytes", _archives, lambda path: read_weights(path.parent), 0.3)
    yield Reader("safetensors of a judge", "x.safetensors", "bytes", _safetensors, load_state_dict)
    yield Reader("torch archive of a judge", "x.pth", "bytes", _archives, load_state_dict, 0.3)
    yield Reader(
        "archive of objects", "x.pth", "bytes", _objects, partial(load_state_dict, wrapping="in:state_dict"), 0.5
    )
    row = catalogue.WeightFile("x", "c.json", (), 20, "", "", "file", (), holds={"layers": ()})
    for name in ("c.json", "c.yaml"):
        kind: Any = name[2:]
        yield Reader(
            f"configuration of a judge, {kind}",
            name,
            kind,
            _always(b'{"layers": 3, "a": [1, 2]}'),
            partial(_problem, row),
            0.5,
        )
    yield Reader("mPLUG's config.yaml", "config.yaml", "yaml", partial(_mplug, "bert.json"), _settings, 0.3)
    yield Reader("mPLUG's config_bert.json", "bert.json", "json", partial(_mplug, "config.yaml"), _settings)
    yield Reader("lock of weights", "lock.json", "json", _lock, _locked)


def _tensors() -> dict[str, Any]:
    import torch

    return {"a.weight": torch.zeros(2, 3), "a.bias": torch.ones(2, dtype=torch.float16), "n": torch.tensor(3)}


def _safetensors(folder: Path) -> Iterable[bytes]:
    from safetensors.torch import save

    return [save(_tensors()), save(_tensors(), metadata={"format": "pt"})]


def _archives(folder: Path) -> Iterable[bytes]:
    import torch

    made = []
    for content in (_tensors(), {"state_dict": _tensors()}):
        for zipped in (True, False):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=zipped)
            made.append(stream.getvalue())
    return made[:2]


class _Trainer:
    """An object such as training scripts leave beside weights."""

    step = 3


def _objects(folder: Path) -> Iterable[bytes]:
    import torch

    stream = io.BytesIO()
    torch.save({"state_dict": _tensors(), "trainer": _Trainer()}, stream, pickle_module=pickle)
    return [stream.getvalue()]


def _problem(row: catalogue.WeightFile, path: Path) -> object:
    from dataclasses import replace

    return problem_of(replace(row, file=path.name, bytes=max(1, path.stat().st_size)), path)


def _mplug(beside: str, folder: Path) -> Iterable[bytes]:
    contents = {"config.yaml": _MPLUG, "bert.json": json.dumps(_BERT).encode()}
    (folder / beside).write_bytes(contents.pop(beside))
    return contents.values()


def _settings(path: Path) -> object:
    return read_settings(path.with_name("config.yaml"), path.with_name("bert.json"))


def _lock(folder: Path) -> Iterable[bytes]:
    return [json.dumps({"x": {"sha256": "0" * 64, "bytes": 3, "url": "http://x"}}).encode()]


def _locked(path: Path) -> object:
    return catalogue.locked(path)


# --- training -------------------------------------------------------------------------------------------------------


def _training() -> Iterator[Reader]:
    from nova_eval.nova.training.data import FolderSource, TarSource
    from nova_eval.nova.training.loop import read_losses
    from nova_eval.nova.training.state import load_state

    def items(source: Any) -> object:
        return [source.item(index) for index in range(source.count)]

    yield Reader("captions.jsonl", "captions.jsonl", "jsonl", _captioned, lambda path: FolderSource(path.parent))
    yield Reader("material in an archive", "x.tar", "bytes", _tar, lambda path: items(TarSource([path])))
    rows = [{"stage": "a", "step": step, "loss": 0.5} for step in range(3)]
    losses = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    yield Reader("losses.jsonl", "losses.jsonl", "jsonl", _always(losses), lambda path: list(read_losses(path)))
    yield Reader("state of a training", "state.pt", "bytes", _state, lambda path: load_state(path, "x"), 0.3)


def _captioned(folder: Path) -> Iterable[bytes]:
    (folder / "a.png").write_bytes(_picture())
    return [b'{"file": "a.png", "caption": "a cat"}\n{"file": "b.png", "caption": "a dog"}\n']


def _tar(folder: Path) -> Iterable[bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in (
            ("a.png", _picture()),
            ("a.txt", b"a cat"),
            ("b.png", _picture()),
            ("b.json", b'{"text": "x"}'),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return [stream.getvalue()]


def _state(folder: Path) -> Iterable[bytes]:
    import torch

    held = {"identity": "x", "progress": [0, 3], "model": _tensors(), "average": _tensors(), "average_updates": 3}
    stream = io.BytesIO()
    torch.save({**held, "optimizer": None}, stream)
    return [stream.getvalue()]


def _picture() -> bytes:
    import numpy as np

    return encode_image(np.zeros((8, 8, 3), np.uint8))


# --- recordings -----------------------------------------------------------------------------------------------------


def _recorded() -> Iterator[Reader]:
    yield Reader("recording.toml", "recording.toml", "toml", _described, lambda path: recordings.find(path.parent))
    content = json.dumps({"position_score": [{"case": "a", "answer": 1.0}]}).encode()
    yield Reader("rules.json", "rules.json", "json", _always(content), lambda path: recordings.find(path.parent), 0.1)
    yield Reader(
        "rules.json.gz",
        "rules.json.gz",
        "bytes",
        _always(gzip.compress(content)),
        lambda path: recordings.find(path.parent),
    )
    yield Reader("arrays of a recording", "x.npz", "bytes", _arrays, _read_arrays)


def _described(folder: Path) -> Iterable[bytes]:
    (folder / "answers.json").write_bytes(b'{"position_score": []}')
    return [b'family = "vbench"\nfile = "answers.json"\njudge = "x"\ntolerance = 0.1\n[tolerances]\n"a *" = 0.5\n']


def _arrays(folder: Path) -> Iterable[bytes]:
    import numpy as np

    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, a=np.zeros((2, 3)), b=np.arange(4))
    np.savez_compressed(packed, a=np.zeros((2, 3)))
    return [plain.getvalue(), packed.getvalue()]


def _read_arrays(path: Path) -> object:
    return recordings.Recording("vbench", path.with_name("x.json")).arrays()


def _always(*contents: bytes) -> Callable[[Path], Iterable[bytes]]:
    return lambda folder: contents
