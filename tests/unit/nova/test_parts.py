"""Checkpoints as trainings leave them: a transformer alone, wrapped, sharded, in variants, beside other parts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova import weight_files
from nova_eval.nova.checkpoint import load_transformer
from nova_eval.nova.digests import checkpoint_digest
from nova_eval.nova.parts import PARTS, Parts, locate, model_name
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.weight_files import read_weights
from nova_eval.records import Prompt
from nova_eval.samplers.nova import NovaSampler

QUICK: dict[str, Any] = {"ar_steps": 2, "diffusion_steps": 2, "device": "cpu"}
OTHERS = PARTS[1:]
STEM = "diffusion_pytorch_model"


@pytest.fixture
def out(image_checkpoint: Path, tmp_path: Path) -> Path:
    """What a training of NOVA leaves: raw weights and averages of two steps."""
    out = tmp_path / "run7"
    weights = load_file(image_checkpoint / "transformer" / f"{STEM}.safetensors")
    for series, change in (("checkpoints", 0.0), ("ema_checkpoints", 0.001)):
        for step in (900, 1000):
            part = out / series / f"checkpoint-{step}" / "transformer"
            part.mkdir(parents=True)
            torch.save({name: tensor + change for name, tensor in weights.items()}, part / f"{STEM}.bin")
            shutil.copy(image_checkpoint / "transformer" / "config.json", part)
    return out


def record(out: Path, text: str) -> None:
    (out / "config.yaml").write_text(text, encoding="utf-8")


def clip(checkpoint: str | Path, **settings: Any) -> Any:
    [made] = NovaSampler(checkpoint, **QUICK, **settings).sample([Prompt("t/1", "a fox")], [1])
    return made


class TestATransformerAlone:
    @pytest.mark.parametrize("place", ["checkpoint-1000", "checkpoint-1000/transformer"])
    def test_with_a_base_it_makes_the_sample_of_the_whole(self, place: str, out: Path, image_checkpoint: Path) -> None:
        alone = clip(out / "checkpoints" / place, base=image_checkpoint)
        assert np.array_equal(alone, clip(image_checkpoint))

    def test_the_training_s_own_record_names_the_base(self, out: Path, image_checkpoint: Path) -> None:
        record(out, f"pipeline:\n  paths:\n    pretrained_path: {image_checkpoint}\n")
        found = locate(out / "checkpoints" / "checkpoint-900")
        assert [getattr(found, part) for part in OTHERS] == [image_checkpoint / part for part in OTHERS]
        assert np.array_equal(clip(out / "checkpoints" / "checkpoint-900"), clip(image_checkpoint))

    @pytest.mark.parametrize(
        "place",
        ["${pipeline.paths.pretrained_path}", "${..pretrained_path}", "${...paths.pretrained_path}", "${root[0]}"],
    )
    def test_references_in_the_record_are_followed(self, place: str, out: Path, image_checkpoint: Path) -> None:
        parts = "".join(f"      {part}: {place}/{part}\n" for part in OTHERS)
        record(
            out,
            f"root: ['{image_checkpoint.parent}/${{name}}']\nname: {image_checkpoint.name}\n"
            f"pipeline:\n  paths:\n    pretrained_path: ${{root.0}}\n    module_dict:\n{parts}",
        )
        assert locate(out / "ema_checkpoints" / "checkpoint-900").vae == image_checkpoint / "vae"

    def test_a_base_that_is_given_goes_before_the_record(self, out: Path, image_checkpoint: Path) -> None:
        record(out, "pipeline: {paths: {pretrained_path: /nowhere/at/all}}\n")
        found = locate(out / "checkpoints" / "checkpoint-900", base=image_checkpoint)
        assert found.vae == image_checkpoint / "vae"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("pipeline: {paths: {pretrained_path: /nowhere/at/all}}", "vae is not at /nowhere/at/all/vae"),
            ("pipeline: {paths: {pretrained_path: '${a}'}}\na: ${b}\nb: ${a}", "vae is not named"),
            ("pipeline: {paths: {pretrained_path: '${absent}/x'}}", "vae is not named"),
            ("pipeline: {paths: {module_dict: {vae: 3, text_encoder: [1]}}}", "vae is not named"),
            ("pipeline: {paths: none}", "vae, text_encoder, tokenizer, scheduler missing; name"),
            ("pipeline: [", "config.yaml is not YAML"),
            ("a: !!python/object/apply:os.getcwd []", "config.yaml is not YAML"),
            ("", "vae, text_encoder, tokenizer, scheduler missing; name"),
        ],
    )
    def test_without_other_parts_one_line_names_the_setting(self, text: str, problem: str, out: Path) -> None:
        record(out, text)
        with pytest.raises(PrerequisiteError, match=re.escape(problem)) as caught:
            locate(out / "checkpoints" / "checkpoint-900")
        assert "sampler.base" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("place", [".", "checkpoints", "ema_checkpoints"])
    def test_a_whole_training_is_refused_with_the_list(self, place: str, out: Path, image_checkpoint: Path) -> None:
        with pytest.raises(UsageError, match=r"checkpoint-900, .*checkpoint-1000; choose one, as .*checkpoint-1000"):
            locate(out / place, base=image_checkpoint)

    def test_a_base_for_a_whole_checkpoint_is_refused(self, image_checkpoint: Path) -> None:
        with pytest.raises(UsageError, match="would be unused"):
            locate(image_checkpoint, base="nova-mini")

    def test_a_base_that_is_no_checkpoint_is_refused(self, out: Path, tmp_path: Path) -> None:
        for base in (tmp_path, tmp_path / "nowhere", out / "checkpoints" / "checkpoint-900"):
            with pytest.raises((PrerequisiteError, UsageError)):
                locate(out / "checkpoints" / "checkpoint-900", base=base)

    def test_a_base_of_another_width_is_refused(self, out: Path) -> None:
        with pytest.raises(UsageError, match="text encoder width"):
            NovaPipeline.from_pretrained(out / "checkpoints" / "checkpoint-900", base="nova-mini", device="cpu")

    def test_parts_that_are_there_are_its_own(self, out: Path, image_checkpoint: Path, tmp_path: Path) -> None:
        step = out / "checkpoints" / "checkpoint-900"
        shutil.copytree(image_checkpoint / "scheduler", step / "scheduler")
        found = locate(step, base=image_checkpoint)
        assert (found.scheduler, found.vae) == (step / "scheduler", image_checkpoint / "vae")

    def test_its_digest_is_of_all_that_is_loaded(self, out: Path, image_checkpoint: Path, tmp_path: Path) -> None:
        other = shutil.copytree(image_checkpoint, tmp_path / "other")
        (other / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "FlowMatchEulerDiscreteScheduler"}')
        step = out / "checkpoints" / "checkpoint-900"
        made = [checkpoint_digest(locate(step, base=base)) for base in (image_checkpoint, other)]
        averaged = checkpoint_digest(locate(out / "ema_checkpoints" / "checkpoint-900", base=image_checkpoint))
        assert len({*made, averaged}) == 3
        assert made[0] == checkpoint_digest(locate(step / "transformer", base=image_checkpoint))

    def test_weights_that_change_before_they_are_loaded_are_seen(self, out: Path, image_checkpoint: Path) -> None:
        step = out / "checkpoints" / "checkpoint-900"
        sampler = NovaSampler(step, base=image_checkpoint, **QUICK)
        shutil.copy(out / "ema_checkpoints" / "checkpoint-900" / "transformer" / f"{STEM}.bin", step / "transformer")
        with pytest.raises(PrerequisiteError, match="was overwritten after this run had begun"):
            sampler.sample([Prompt("t/1", "a fox")], [1])

    def test_a_training_starts_from_it(self, out: Path) -> None:
        from nova_eval.nova.training.loop import initial_model

        step = out / "checkpoints" / "checkpoint-900"
        known = load_transformer(step / "transformer", dtype=torch.float32, device="cpu")
        config: Any = SimpleNamespace(seed=3, initial=step)
        started = initial_model(known.config, config).state_dict()
        assert all(torch.equal(started[name], tensor) for name, tensor in known.state_dict().items())


class TestTheHub:
    COMMITS = ("a" * 40, "b" * 40)

    @pytest.fixture(autouse=True)
    def hub(self, image_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was downloaded of two revisions of owner/model."""
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        model = tmp_path / "hub" / "models--owner--model"
        for commit, name in zip(self.COMMITS, ("main", "v2"), strict=True):
            shutil.copytree(image_checkpoint, model / "snapshots" / commit)
            (model / "refs").mkdir(exist_ok=True)
            (model / "refs" / name).write_text(commit)

    @pytest.mark.parametrize(("revision", "commit"), [("", 0), ("v2", 1), ("b" * 40, 1)])
    def test_the_commit_that_was_used_is_in_the_record(self, revision: str, commit: int) -> None:
        info = NovaSampler("owner/model", revision=revision, offline=True, **QUICK).info
        assert (info.name, info.settings["revision"]) == ("model", self.COMMITS[commit])

    def test_a_base_s_commit_too(self, out: Path) -> None:
        info = NovaSampler(out / "checkpoints" / "checkpoint-900", base="owner/model", offline=True, **QUICK).info
        assert info.settings["base_revision"] == self.COMMITS[0]
        assert "revision" not in info.settings

    def test_a_revision_that_is_not_here_is_named(self) -> None:
        with pytest.raises(PrerequisiteError, match="at 'v3' is not in the local hub cache"):
            locate("owner/model", revision="v3", offline=True)

    def test_a_folder_has_no_revision(self, image_checkpoint: Path) -> None:
        with pytest.raises(UsageError, match="a local folder, which has no revision"):
            locate(image_checkpoint, revision="main")


class TestItsName:
    @pytest.mark.parametrize(
        ("folder", "name"),
        [
            ("out/checkpoints/checkpoint-100", "out-checkpoint-100"),
            ("out/ema_checkpoints/checkpoint-100", "out-ema-checkpoint-100"),
            ("some/folder", "folder"),
            ("some/folder/", "folder"),
        ],
    )
    def test_a_model_is_called_after_its_training_and_step(self, folder: str, name: str) -> None:
        assert model_name(Path(folder)) == name

    def test_the_transformer_s_folder_is_no_name(self, out: Path, image_checkpoint: Path) -> None:
        step = out / "ema_checkpoints" / "checkpoint-900"
        names = {NovaSampler(place, base=image_checkpoint, **QUICK).info.name for place in (step, step / "transformer")}
        assert names == {"run7-ema-checkpoint-900"}


def sharded(folder: Path, weights: dict[str, torch.Tensor], suffix: str = "bin", index: str = "") -> None:
    names, table = sorted(weights), {}
    for number, own in enumerate((names[::2], names[1::2]), 1):
        shard = f"{STEM}-{number:05d}-of-00002.{suffix}"
        save = torch.save if suffix == "bin" else save_file
        save({name: weights[name].clone() for name in own}, folder / shard)
        table |= dict.fromkeys(own, shard)
    (folder / (index or f"{STEM}.{suffix}.index.json")).write_text(json.dumps({"weight_map": table}))


def wrapped(*prefixes: str, **beside: Any) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda weights: {"".join(prefixes) + name: tensor for name, tensor in weights.items()} | beside


def compiled_inside(weights: dict[str, torch.Tensor]) -> Any:
    return {name.replace("blocks.", "blocks._orig_mod.", 1): tensor for name, tensor in weights.items()}


FORMS = {
    "plain": wrapped(),
    "parallel": wrapped("module."),
    "compiled": wrapped("_orig_mod."),
    "both": wrapped("module._orig_mod."),
    "both, the other way round": wrapped("_orig_mod.module."),
    "parallel twice": wrapped("module.module."),
    "blocks compiled": compiled_inside,
    "averaged by torch": wrapped("module.", n_averaged=torch.tensor(3)),
    "averaged": wrapped("ema_model."),
    "in a state": lambda weights: {"model": weights, "step": 3, "optimizer": {"lr": 0.1}},
    "in a state, averaged": lambda weights: {"ema": {f"module.{name}": t for name, t in weights.items()}, "step": 3},
    "state_dict": lambda weights: {"state_dict": weights},
}


class TestForms:
    @pytest.fixture
    def part(self, image_checkpoint: Path, tmp_path: Path) -> Path:
        part = shutil.copytree(image_checkpoint / "transformer", tmp_path / "transformer")
        (part / f"{STEM}.safetensors").unlink()
        return part

    @pytest.fixture
    def weights(self, image_checkpoint: Path) -> dict[str, torch.Tensor]:
        return load_file(image_checkpoint / "transformer" / f"{STEM}.safetensors")

    def same(self, part: Path, weights: dict[str, torch.Tensor]) -> bool:
        found = load_transformer(part, dtype=torch.float32, device="cpu").state_dict()
        return all(torch.equal(found[name], tensor) for name, tensor in weights.items())

    @pytest.mark.parametrize("form", FORMS)
    def test_what_wraps_a_model_is_taken_off(self, form: str, part: Path, weights: dict[str, torch.Tensor]) -> None:
        torch.save(FORMS[form](weights), part / f"{STEM}.bin")
        assert self.same(part, weights)

    @pytest.mark.parametrize("variant", ["fp16", "bf16", "ema"])
    @pytest.mark.parametrize("suffix", ["safetensors", "bin"])
    def test_one_variant_is_the_weights(
        self, variant: str, suffix: str, part: Path, weights: dict[str, torch.Tensor]
    ) -> None:
        (torch.save if suffix == "bin" else save_file)(weights, part / f"{STEM}.{variant}.{suffix}")
        assert self.same(part, weights)

    @pytest.mark.parametrize("index", ["", f"{STEM}.bin.index.fp16.json", f"{STEM}.fp16.bin.index.json"])
    def test_shards_are_joined_by_their_index(self, index: str, part: Path, weights: dict[str, torch.Tensor]) -> None:
        sharded(part, weights, index=index)
        assert self.same(part, weights)

    def test_several_variants_are_refused(self, part: Path, weights: dict[str, torch.Tensor]) -> None:
        for variant in ("fp16", "ema"):
            save_file(weights, part / f"{STEM}.{variant}.safetensors")
        with pytest.raises(PrerequisiteError, match=r"several variants of .*: ema, fp16"):
            read_weights(part)

    def test_several_sets_in_one_file_are_refused(self, part: Path, weights: dict[str, torch.Tensor]) -> None:
        torch.save({"model": weights, "ema": weights}, part / f"{STEM}.bin")
        with pytest.raises(PrerequisiteError, match="several sets of weights: model, ema"):
            read_weights(part)

    def test_shards_without_their_index_are_named(self, part: Path, weights: dict[str, torch.Tensor]) -> None:
        sharded(part, weights)
        (part / f"{STEM}.bin.index.json").unlink()
        with pytest.raises(PrerequisiteError, match=r"no weights, but .*-00001-of-00002"):
            read_weights(part)

    def test_one_name_in_two_shards_is_refused(self, part: Path, weights: dict[str, torch.Tensor]) -> None:
        sharded(part, weights)
        torch.save(weights, part / f"{STEM}-00001-of-00002.bin")
        with pytest.raises(PrerequisiteError, match="is in two shards"):
            read_weights(part)

    @pytest.mark.parametrize("shard", ["../other.safetensors", "/etc/hostname", "..", "a/b.bin", "", 3])
    def test_an_index_never_leaves_its_folder(self, shard: Any, part: Path, weights: dict[str, torch.Tensor]) -> None:
        save_file(weights, part.parent / "other.safetensors")
        (part / f"{STEM}.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": shard}}))
        with pytest.raises(PrerequisiteError, match=r"index\.json"):
            read_weights(part)

    @pytest.mark.parametrize("content", [[1, 2], {"a": 3}, {}, {"model": {"a": "b"}}, "text"])
    def test_what_holds_no_weights_is_one_line(self, content: Any, part: Path) -> None:
        torch.save(content, part / f"{STEM}.bin")
        with pytest.raises(PrerequisiteError, match=rf"{STEM}\.bin: .*not a mapping") as caught:
            read_weights(part)
        assert "\n" not in str(caught.value)

    def test_objects_in_an_archive_are_not_made(self, part: Path) -> None:
        torch.save({"a": torch.ones(1), "b": TestForms}, part / f"{STEM}.bin")
        with pytest.raises(PrerequisiteError, match="unreadable weights"):
            read_weights(part)


class TestWeightsThatAreNoNumbers:
    @pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
    @pytest.mark.parametrize(("value", "said"), [(float("nan"), "NaN"), (float("inf"), "infinity")])
    def test_the_part_and_the_tensor_are_named(
        self, part: str, value: float, said: str, image_checkpoint: Path, tmp_path: Path
    ) -> None:
        folder = shutil.copytree(image_checkpoint, tmp_path / "whole")
        [path] = weight_files.weight_files(folder / part)
        weights = load_file(path)
        name = sorted(name for name in weights if name.endswith("weight"))[1]
        weights[name].view(-1)[0] = value
        save_file(weights, path)
        with pytest.raises(PrerequisiteError, match=rf"{part}: {re.escape(name.removeprefix('model.'))} holds {said};"):
            clip(folder)

    def test_weights_beyond_half_precision_say_so(self, image_checkpoint: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(image_checkpoint, tmp_path / "whole")
        path = folder / "transformer" / f"{STEM}.safetensors"
        weights = load_file(path)
        weights["mask_embed.mask_token"].view(-1)[0] = 1e6
        save_file(weights, path)
        with pytest.raises(PrerequisiteError, match=r"mask_embed\.mask_token is too large for float16"):
            load_transformer(folder / "transformer", dtype=torch.float16, device="cpu")
        assert load_transformer(folder / "transformer", dtype=torch.bfloat16, device="cpu")
        assert Parts.within(folder).transformer == folder / "transformer"
