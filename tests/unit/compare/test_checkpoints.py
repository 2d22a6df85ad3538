"""What is run of a checkpoint is what the reference was asked for, unless something else is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_sides import right, side

from nova_eval.compare.checkpoints import Checkpoints
from nova_eval.compare.sides import Side
from nova_eval.errors import NovaEvalError
from nova_eval.nova.embedded import PACKAGED
from nova_eval.nova.series import Saved
from nova_eval.options import RunOptions


@pytest.fixture
def reference() -> Side:
    made = side("reference", right, prompts=2)
    settings = {"checkpoint": "nova-mini", "device": "cpu", "ar_steps": 4, "guidance_scale": 2.0}
    spec = {"variant": "sprites", "codec": "h264", "seed": 3, "sampler": {"name": "nova", "settings": settings}}
    record = RunOptions(limit=7, samples_per_prompt=2, scoring="corrected", metrics=("colors",)).record()
    return replace(made, manifest={**made.manifest, "spec": spec, "options": record})


def saved(folder: Path, kind: str = "whole") -> Saved:
    return Saved(f"checkpoints/{folder.name}", folder, kind, "t2i", 5, "state", 1000.0)


def opened(reference: Side, tmp_path: Path, **flags: Any) -> Any:
    return Checkpoints(reference, ({"results": tmp_path, **flags}, (), None)).open(saved(PACKAGED))


def test_it_is_as_the_reference(reference: Side, tmp_path: Path) -> None:
    run = opened(reference, tmp_path)
    assert (run.spec.seed, run.spec.variant, run.options.limit) == (3, "sprites", 7)
    assert (run.options.samples_per_prompt, run.options.metrics) == (2, ("colors",))
    assert run.info.settings["ar_steps"] == 4
    assert run.info.settings["guidance_scale"] == 2.0
    assert not list(tmp_path.iterdir())  # nothing is written


def test_what_is_asked_for_is_stronger(reference: Side, tmp_path: Path) -> None:
    asked = ({"results": tmp_path, "limit": 2, "sampler": "nova"}, ("sampler.ar_steps=2", "seed=9"), None)
    run = Checkpoints(reference, asked).open(saved(PACKAGED))
    assert (run.options.limit, run.info.settings["ar_steps"], run.spec.seed) == (2, 2, 9)


def test_another_part_or_setting_is_another_series(reference: Side, tmp_path: Path) -> None:
    def folder(training: str = "out", **flags: Any) -> Path:
        return Checkpoints(reference, (flags, (), None)).folder(tmp_path / training)

    assert folder().parent == Path("results/watch/geneval")
    assert folder().name.startswith("out-")
    assert folder(workers=1, results=tmp_path) == tmp_path / folder().relative_to("results")
    assert len({folder(), folder("b"), folder(limit=3), folder(seed=4), folder(**{"sampler.ar_steps": 9})}) == 5


@pytest.mark.parametrize(
    ("flags", "base", "words"),
    [
        ({"sampler": "nova:OUT"}, "", "names a checkpoint; say nova alone"),
        ({"sampler": "oracle"}, "", "takes no checkpoint"),
        ({"sampler": "oracl"}, "", "did you mean 'oracle'"),
        ({"sampler": "diffusers"}, "nova-mini", "knows no base"),
        ({}, "nowhere", "no checkpoint folder 'nowhere'"),
        ({"device": "gpu"}, "", "gpu"),
        ({"limit": 0}, "", "limit"),
        ({"name": "mine"}, "", "takes no name; leave it out"),
        ({"shard": "1/2"}, "", "takes no shard"),
    ],
)
def test_what_no_checkpoint_could_be_run_with_is_said_at_once(
    reference: Side, flags: dict[str, Any], base: str, words: str
) -> None:
    with pytest.raises(NovaEvalError, match=words):
        Checkpoints(reference, (flags, (), None), base)
