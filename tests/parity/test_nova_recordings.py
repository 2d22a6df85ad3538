"""The recorded calls of the reference pipeline, replayed through the whole pipeline from prompt to pixels."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nova_eval.checks.parity.recordings import Recording, results


def cases(folder):
    return results(Recording("nova", folder / "index.json"))


@pytest.fixture(scope="module")
def kit(parity):
    return parity / "nova"


@pytest.fixture
def one_case(kit, tmp_path):
    """A kit of the smallest case alone, with its index open to change."""
    name, case = "nova-t2i-tiny", "t2i"
    shutil.copytree(kit / name, tmp_path / name, copy_function=shutil.copyfile)

    def write(settings=None, files=None):
        own = json.loads((kit / "index.json").read_text())[name][case]
        (tmp_path / "index.json").write_text(json.dumps({name: {case: own | (settings or {})}}))
        if files:
            path = tmp_path / name / f"expected_{case}.safetensors"
            save_file(load_file(path) | files, path)
        return list(cases(tmp_path))

    return write


def test_every_recorded_case_is_within_its_tolerance(kit):
    found = list(cases(kit))
    index = json.loads((kit / "index.json").read_text())
    wanted = {f"{name}/{case}" for name, calls in index.items() for case in calls}
    training = sum("train_" in case for case in wanted)
    assert {result.case.split()[0] for result in found} == wanted
    assert len(found) == 3 * (len(wanted) - training) + 2 * training
    assert [result for result in found if not result.passed] == []


def test_a_training_recording_that_is_missing_fails_with_its_path(tmp_path):
    (tmp_path / "index.json").write_text(json.dumps({"some-model": {"train_t2v": {"loss_repeat": 4}}}))
    [result] = cases(tmp_path)
    assert not result.passed
    assert "train_t2v.safetensors" in result.note


def test_a_setting_that_means_nothing_fails_and_is_named(one_case):
    [result] = one_case({"strange_option": 3})
    assert not result.passed
    assert "strange_option" in result.note


def test_another_seed_fails_and_is_not_excused_as_rounding(one_case):
    _, latents, pixels = one_case({"seed": 4})
    assert not latents.passed
    assert not pixels.passed
    assert latents.difference > 0.1


def test_other_recorded_latents_fail(one_case):
    recorded = torch.zeros(2, 4, 1, 8, 8).normal_(generator=torch.Generator().manual_seed(0))
    _, latents, _ = one_case(files={"latents": recorded})
    assert not latents.passed


def test_a_missing_recording_fails_with_its_path(one_case, tmp_path):
    (tmp_path / "nova-t2i-tiny" / "expected_t2i.safetensors").unlink()
    [result] = one_case()
    assert not result.passed
    assert "expected_t2i.safetensors" in result.note
