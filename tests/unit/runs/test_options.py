"""Interface: what the options of a run mean, which wins, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nova_eval.errors import UsageError
from nova_eval.nova.embedded import PACKAGED
from nova_eval.runs.options import resolve


def test_the_mini_profile_is_the_default() -> None:
    spec, options, config = resolve("vbench", {})
    assert (options.profile, spec.variant, options.samples_per_prompt) == ("mini", "sprites", 5)
    assert options.scoring == config.variants["sprites"].scoring


def test_flags_win_over_sets_and_sets_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\nlimit = 3\n[sampler]\nheight = 32\nwidth = 32\n")
    spec, options, _ = resolve("vbench", {"seed": 3, "limit": None}, ["seed=2", "sampler.height=48"], file)
    assert spec.seed == 3
    assert options.limit == 3
    assert (spec.sampler.settings["height"], spec.sampler.settings["width"]) == (48, 32)


def test_a_folder_is_held_against_the_official_suite_unless_told_otherwise(tmp_path: Path) -> None:
    spec, options, _ = resolve("vbench", {"sampler": f"folder:{tmp_path}"})
    assert spec.sampler.settings == {"folder": str(tmp_path), "names": "vbench", "modality": "video"}
    assert (spec.variant, options.scoring) == ("official", "official")
    spec, _, _ = resolve("vbench", {"sampler": f"folder:{tmp_path}", "variant": "sprites"})
    assert spec.variant == "sprites"


MINE = (
    "class Mine:\n    def __init__(self, height: int = 8, depth: int = 2, guidance_scale: float = 5.0) -> None: ...\n"
)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path / 'mine.py'}:Mine"


@pytest.mark.parametrize("profile", ["mini", "paper"])
def test_settings_of_a_profile_are_of_the_sampler_that_it_names(profile: str, mine: str) -> None:
    spec, _, _ = resolve("vbench", {"sampler": mine, "profile": profile}, ["sampler.depth=5"])
    assert spec.sampler.settings == {"depth": 5}
    spec, _, _ = resolve("vbench", {"sampler": "diffusers:owner/model", "profile": profile})
    assert spec.sampler.settings == {"model": "owner/model"}
    spec, _, _ = resolve("vbench", {"sampler": "nova:folder", "profile": profile})
    assert spec.sampler.settings["guidance_scale"] == {"mini": 3.0, "paper": 7.0}[profile]


@pytest.mark.parametrize("benchmark", ["vbench", "geneval"])
def test_other_generators_get_official_prompts_as_they_are_published(benchmark: str, mine: str) -> None:
    for sampler in (mine, "diffusers:owner/model"):
        spec, options, config = resolve(benchmark, {"sampler": sampler})
        assert (spec.variant, spec.codec, options.scoring) == ("official", "h264", "official")
        assert options.samples_per_prompt == config.protocol.samples_per_prompt
        spec, options, config = resolve(benchmark, {"sampler": sampler, "variant": "sprites"})
        assert (spec.variant, spec.codec) == ("sprites", config.profiles["mini"].codec)


@pytest.mark.parametrize(("text", "value"), [("3", 3.0), ("3.0", 3.0), ("none", None)])
def test_a_setting_has_one_value_however_it_is_written(text: str, value: float | None, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f"[sampler]\nmotion_flow = {text if value else repr(text)}\n")
    for sets, config in (([f"sampler.motion_flow={text}"], None), ([], file)):
        spec, _, _ = resolve("vbench", {}, sets, config)
        found = spec.sampler.settings["motion_flow"]
        assert (found, type(found)) == (value, type(value))


def test_none_unsets() -> None:
    spec, options, _ = resolve("vbench", {}, ["sampler.temperature=none", "limit=none", "sampler.fps=none"])
    assert not {"temperature", "fps"} & spec.sampler.settings.keys()
    assert options.limit is None
    with pytest.raises(UsageError, match="unknown sampler 'none'"):
        resolve("vbench", {"sampler": "none"})


@pytest.mark.parametrize(
    ("flags", "sets", "line"),
    [
        ({"sampler": "orcale"}, [], r"unknown sampler 'orcale'; did you mean 'oracle'\?"),
        ({"variant": "offical"}, [], r"unknown variant of vbench 'offical'; did you mean 'official'\?"),
        ({"profile": "maxi"}, [], r"unknown profile of vbench 'maxi'; did you mean 'mini'\?"),
        ({"metrics": ("colour",)}, [], r"unknown dimension of vbench 'colour'; did you mean 'color'\?"),
        ({}, ["sampler.heigth=3"], r"unknown setting of sampler 'nova' 'heigth'; did you mean 'height'\?"),
        ({}, ["sede=3"], r"unknown setting 'sede'; did you mean 'seed'\?"),
        ({}, ["codec=h265"], r"unknown codec 'h265'; did you mean 'h264'\?"),
        ({}, ["seed"], "--set 'seed' is not of the form key=value"),
        ({}, ["sampler.ar_steps=1.5"], r"sampler.ar_steps: 1.5 is not a whole number \(default 64\); for example"),
        ({}, ["sampler.guidance_scale=high"], "sampler.guidance_scale: 'high' is not a number"),
        ({}, ["sampler.guidance_scale=nan"], "sampler.guidance_scale: nan is not a finite number"),
        ({}, ["sampler.ar_steps=true"], "true is not a whole number"),
        ({"sampler": "noise"}, ["sampler.height=abc"], "sampler.height: 'abc' is not a whole number"),
        ({}, ["sampler.batch_size=many"], "'many' is not a whole number or 'auto'"),
        ({}, ["sampler.fps=-inf"], r"sampler\.fps: -inf is not a finite number"),
        ({"sampler": "oracle"}, ["sampler.strength=[{a = [inf]}]"], r"strength: \[0\].a\[0\]: inf is not a finite"),
        ({}, ["unit_timeout=nan"], "unit_timeout: nan is not a finite number"),
        ({"seed": -1}, [], r"seed: .*greater than or equal to 0"),
        ({"limit": 0}, [], r"limit: .*greater than or equal to 1"),
        ({"samples_per_prompt": "many"}, [], r"samples-per-prompt"),
        ({"samples_per_prompt": "0"}, [], r"samples-per-prompt: .*1 to 100000"),
        ({"samples_per_prompt": 10**12}, [], r"samples-per-prompt: .*1 to 100000"),
        ({"shard": "3"}, [], r"shard '3' is not of the form i/n"),
        ({"shard": "5/4"}, [], r"shard '5/4' is not of the form i/n"),
        ({"sampler": "folder"}, [], "sampler 'folder' needs folder; use --sampler folder:<folder>"),
        ({"sampler": "nowhere.py:Class"}, [], r"sampler file 'nowhere.py' does not exist"),
        ({"scoring": "both"}, [], "scoring: Input should be 'official' or 'corrected'"),
        ({}, ["order=random"], "order: .*shuffled:<seed>"),
    ],
)
def test_bad_values_get_one_clear_line(flags: dict[str, object], sets: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        resolve("vbench", flags, sets)
    assert "\n" not in str(caught.value)


def test_unknown_benchmarks_get_a_hint() -> None:
    with pytest.raises(UsageError, match=r"unknown benchmark 'vbnch'; did you mean 'vbench'\?"):
        resolve("vbnch", {})


@pytest.mark.parametrize(("text", "line"), [("seed = ", "is not TOML"), (None, "no such file")])
def test_bad_files_get_one_clear_line(tmp_path: Path, text: str | None, line: str) -> None:
    file = tmp_path / "run.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=line):
        resolve("vbench", {}, [], file)


@pytest.mark.parametrize("benchmark", ["vbench", "geneval", "t2i_compbench", "dpg_bench"])
@pytest.mark.parametrize(("profile", "variant"), [(None, "sprites"), ("paper", "official")])
def test_every_benchmark_starts_in_the_embedded_world_with_five_samples(
    benchmark: str, profile: str | None, variant: str
) -> None:
    spec, options, _ = resolve(benchmark, {"profile": profile})
    assert (options.profile, spec.variant, options.samples_per_prompt) == (profile or "mini", variant, 5)


@pytest.mark.parametrize(("benchmark", "count"), [("geneval", 4), ("t2i_compbench", 10), ("dpg_bench", 4)])
def test_the_official_count_is_the_benchmarks_own(benchmark: str, count: int) -> None:
    _, options, config = resolve(benchmark, {"samples_per_prompt": "official"})
    assert config.samples_of((), options.samples_per_prompt) == count


def test_an_image_benchmark_asks_any_sampler_for_one_frame() -> None:
    for name in ("oracle", "noise"):
        spec, _, _ = resolve("geneval", {"sampler": name})
        assert spec.sampler.settings["frames"] == 1
    spec, _, _ = resolve("vbench", {"sampler": "noise"})
    assert spec.sampler.settings.get("frames", 17) == 17


def checkpoint(folder: Path, **changes: object) -> Path:
    """A checkpoint's transformer with nova-mini's configuration, but for ``changes``."""
    config = json.loads((PACKAGED / "transformer" / "config.json").read_text())
    (folder / "transformer").mkdir(parents=True)
    (folder / "transformer" / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("benchmark", ["vbench", "geneval"])
def test_a_checkpoint_unlike_the_profile_s_starts_from_the_pipeline_s_own_settings(
    benchmark: str, tmp_path: Path
) -> None:
    usual = {"vbench": {"latent_frames": 9}, "geneval": {}}[benchmark]
    larger = checkpoint(
        tmp_path / "larger", arch=["vit_d16w1024", "vit_d32w1024", "mlp_d6w1024"], image_size=[480, 768]
    )
    unreadable = checkpoint(tmp_path / "unreadable", colour="red")
    for name in (str(larger), str(unreadable), str(tmp_path / "nowhere"), "owner/model"):
        spec, options, config = resolve(benchmark, {"sampler": f"nova:{name}"})
        assert spec.sampler.settings == {"checkpoint": name, **usual}
        assert (spec.variant, spec.codec, options.profile) == ("official", "h264", "")
        assert options.samples_per_prompt == config.protocol.samples_per_prompt
        named, _, _ = resolve(benchmark, {}, [f"sampler.checkpoint={json.dumps(name)}"])
        assert named == spec
    asked, options, config = resolve(benchmark, {"sampler": f"nova:{larger}", "profile": "paper"})
    own = {key: value for key, value in config.profiles["paper"].sampler.items() if key != "name"}
    assert asked.sampler.settings == {**own, "checkpoint": str(larger)}
    assert options.profile == "paper"


def test_what_training_makes_of_nova_mini_keeps_the_profile_s_settings(tmp_path: Path) -> None:
    mini, options, _ = resolve("vbench", {})
    trained = checkpoint(tmp_path / "out" / "checkpoints" / "checkpoint-20")
    for name in ("nova-mini", "nova-mini-early", str(trained), str(trained / "transformer")):
        spec, found, _ = resolve("vbench", {"sampler": f"nova:{name}"})
        assert spec.sampler.settings == {**mini.sampler.settings, "checkpoint": name}
        assert (spec.variant, spec.codec, found) == (mini.variant, mini.codec, options)
