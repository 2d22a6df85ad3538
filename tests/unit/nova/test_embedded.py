"""nova-mini comes with the package: it opens like any checkpoint, and it is small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nova_eval.errors import PrerequisiteError
from nova_eval.nova import embedded
from nova_eval.nova.digests import checkpoint_digest
from nova_eval.nova.embedded import EARLY, MINI, PACKAGED, embedded_checkpoint
from nova_eval.nova.parts import PARTS, Parts, locate, read_json
from nova_eval.records import Prompt
from nova_eval.samplers.nova import NovaSampler

MOST_BYTES = 25_000_000
FEW = {"ar_steps": 4, "diffusion_steps": 8, "guidance_scale": 3.0}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    return tmp_path


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(f"test/{i}", text) for i, text in enumerate(texts)]


def test_it_is_what_opens_and_nothing_else() -> None:
    names = {path.name for path in PACKAGED.iterdir()}
    assert names == {*PARTS, "early", "model_index.json"}


def test_all_of_it_with_the_early_checkpoint_is_within_25_megabytes() -> None:
    assert sum(path.stat().st_size for path in PACKAGED.rglob("*") if path.is_file()) <= MOST_BYTES


@pytest.mark.parametrize("name", [MINI, EARLY])
def test_its_name_is_a_checkpoint_in_the_official_layout(name: str) -> None:
    parts = locate(name)
    assert parts.name == name
    assert all(getattr(parts, part).is_dir() for part in PARTS)
    assert read_json(parts.transformer.parent / "model_index.json")["transformer"]


def test_it_makes_pictures_that_depend_on_prompt_and_seed_alone() -> None:
    first, second = NovaSampler(MINI, **FEW).sample(prompts("a red circle", "a beach"), [1, 2])
    assert first.shape == second.shape == (1, 64, 64, 3)
    [alone] = NovaSampler(MINI, **FEW).sample(prompts("a beach"), [2])
    assert np.array_equal(alone, second)
    assert not np.array_equal(first, second)


def test_it_runs_as_a_process_a_core() -> None:
    assert NovaSampler(MINI).light


def test_the_early_checkpoint_differs_in_its_transformer_alone(cache: Path) -> None:
    folder = embedded_checkpoint(EARLY)
    assert folder.is_relative_to(cache)
    assert (folder / "vae" / "config.json").read_bytes() == (PACKAGED / "vae" / "config.json").read_bytes()
    assert checkpoint_digest(Parts.within(folder)) != checkpoint_digest(Parts.within(PACKAGED))
    assert embedded_checkpoint(EARLY) == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_installation_without_the_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGED", tmp_path / "nothing")
    with pytest.raises(PrerequisiteError, match="lacks the weights of nova-mini"):
        embedded_checkpoint(MINI)
