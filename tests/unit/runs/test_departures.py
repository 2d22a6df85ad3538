"""A run whose settings are not the protocol's says so beside published rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nova_eval.protocols import SamplerInfo
from nova_eval.runs.departures import departures
from nova_eval.runs.options import resolve

MINE = """
class Mine:
    def __init__(self, model: str = "", steps: int = 8, device: str = "cpu") -> None: ...
"""
NOTHING = SamplerInfo("mine", "video")


def found(benchmark: str, sets: list[str], info: SamplerInfo = NOTHING, **flags: Any) -> tuple[str, ...]:
    spec, _, config = resolve(benchmark, flags, sets)
    return departures(spec, info, config)


def test_the_papers_profile_is_the_protocol() -> None:
    assert found("vbench", [], profile="paper") == ()
    assert found("geneval", [], profile="paper") == ()
    changed = ["sampler.guidance_scale=3", "sampler.ar_steps=none", "sampler.negative_prompt=blur"]
    assert found("vbench", changed, profile="paper") == (
        "ar_steps 64, not 128",
        "guidance_scale 3.0, not 7.0",
        "negative_prompt 'blur', not ''",
    )


def test_settings_of_the_small_profile_are_not_the_protocols() -> None:
    told = found("vbench", [], sampler="nova:model", profile="mini", variant="official")
    assert "width 64, not 768" in told
    assert "codec h264-lossless, not h264" in told


def test_what_a_checkpoint_settles_counts_as_it_settled_it() -> None:
    own = SamplerInfo("nova", "video", settings={"height": 480, "width": 768})
    assert found("vbench", ["sampler.height=none", "sampler.width=none"], own, profile="paper") == ()


@pytest.mark.parametrize(
    ("benchmark", "sets", "told"),
    [
        ("vbench", [], ()),
        ("vbench", ["sampler.steps=8", "sampler.device=cuda", "sampler.model=x"], ()),
        ("geneval", ["sampler.steps=4"], ("steps 4, not 8",)),
        ("vbench", ["codec=h264-lossless"], ("codec h264-lossless, not h264",)),
    ],
)
def test_other_samplers_are_held_against_their_own_defaults(
    benchmark: str, sets: list[str], told: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    sampler = f"{tmp_path / 'mine.py'}:Mine"
    assert found(benchmark, sets, sampler=sampler) == told
    assert found(benchmark, sets, sampler=sampler, variant="sprites") == ()


def test_diffusers_makes_one_frame_for_images_and_media_have_no_settings(tmp_path: Path) -> None:
    assert found("geneval", [], sampler="diffusers:owner/model") == ()
    assert found("vbench", ["sampler.guess=2"], sampler="diffusers:owner/model") == ("guess 2, not set",)
    assert found("geneval", ["sampler.grid=1"], sampler=f"folder:{tmp_path}") == ()
