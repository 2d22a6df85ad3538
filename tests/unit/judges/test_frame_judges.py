"""What every judge of frames promises: named by its files, loaded when first asked, the same in batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nova_eval import weights
from nova_eval.adapters import load_benchmark
from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.judges import JUDGES
from nova_eval.judges.aesthetic import LaionAesthetic
from nova_eval.judges.amt import AmtS
from nova_eval.judges.clip import CLIPViTB32
from nova_eval.judges.dino import DinoViTB16
from nova_eval.judges.musiq import MusiqSPAQ
from nova_eval.judges.raft import RaftThings

from networks import clip_of, largest, write_torchscript  # isort: skip

FRAME_JUDGES = ("dino_vitb16", "clip_vit_b32", "laion_aesthetic", "musiq_spaq", "raft_things", "amt_s")
Make = Callable[..., Any]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    """``make(name, **settings)``: the judge on its stand-in file."""

    def made(name: str, **settings: Any) -> Any:
        if name == "laion_aesthetic":
            return LaionAesthetic(**request.getfixturevalue("aesthetic_files"), **settings)
        file = request.getfixturevalue(f"{name.partition('_')[0]}_file")
        return JUDGES.get(name)(weights=file, **settings)

    return made


@pytest.fixture
def name_only(tmp_path: Path) -> Make:
    """``name_only(name, content, **settings)``: the judge on files that hold no weights; nothing is asked of it."""

    def made(name: str, content: bytes = b"weights", **settings: Any) -> Any:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.pth"
        file.write_bytes(content)
        head = {"head": file} if name == "laion_aesthetic" else {}
        return JUDGES.get(name)(weights=file, **head, **settings)

    return made


def ask(judge: Any) -> np.ndarray:
    """The judge's question about a clip of three frames."""
    frames = clip_of(3)
    if isinstance(judge, RaftThings):
        return judge.flow(frames[:-1], frames[1:])
    if isinstance(judge, AmtS):
        return judge.predict(frames[:-1], frames[1:])
    if isinstance(judge, LaionAesthetic):
        return judge.aesthetic(frames)
    return judge.quality(frames) if isinstance(judge, MusiqSPAQ) else judge.encode_images(frames)


class TestTheRegistry:
    def test_every_role_of_the_official_set_has_a_judge(self) -> None:
        for name in load_benchmark("vbench").config.judges["official"].values():
            assert name in JUDGES

    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_a_judge_is_called_what_it_is_registered_as(self, name: str) -> None:
        assert JUDGES.get(name).name == name


class TestConstruction:
    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_absent_weights_are_a_prerequisite_with_a_remedy(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        monkeypatch.delenv("NOVA_EVAL_WEIGHTS", raising=False)
        with pytest.raises(PrerequisiteError, match=r"are missing; python -m nova_eval weights fetch \w+$"):
            JUDGES.get(name)()

    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_nothing_is_loaded_until_the_first_question(
        self, name: str, name_only: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(weights, "load_state_dict", lambda *arguments: pytest.fail("loaded"))
        assert name_only(name).to("cpu").digest

    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_the_digest_names_the_bytes_of_the_file_not_its_place(self, name: str, name_only: Make) -> None:
        digest = name_only(name).digest
        assert name_only(name).digest == digest
        assert name_only(name, b"other weights").digest != digest

    def test_the_digest_names_what_changes_an_answer(self, name_only: Make) -> None:
        digests = {
            name_only("dino_vitb16").digest,
            name_only("dino_vitb16", dtype="bfloat16").digest,
            name_only("dino_vitb16", resampling="pil").digest,
            name_only("musiq_spaq").digest,
            name_only("musiq_spaq", mode="shorter").digest,
        }
        assert len(digests) == 5
        assert name_only("dino_vitb16", batch=3).digest == name_only("dino_vitb16").digest

    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_an_unknown_number_format_is_refused(self, name: str, name_only: Make) -> None:
        with pytest.raises(UsageError, match="float31"):
            name_only(name, dtype="float31")

    def test_an_unknown_mode_is_refused(self, name_only: Make) -> None:
        with pytest.raises(UsageError, match="did you mean 'longer'"):
            name_only("musiq_spaq", mode="longest")

    @pytest.mark.parametrize("judge", [DinoViTB16, MusiqSPAQ, RaftThings, AmtS, CLIPViTB32])
    def test_another_networks_file_is_one_line(self, judge: Any, tmp_path: Path) -> None:
        state = {"head.weight": torch.ones(1, 4)}
        if judge is CLIPViTB32:
            write_torchscript(state, tmp_path / "x.pth")
        else:
            torch.save({"state_dict": state} if judge is AmtS else state, tmp_path / "x.pth")
        with pytest.raises(PrerequisiteError, match=r"x\.pth") as caught:
            ask(judge(weights=tmp_path / "x.pth"))
        assert "\n" not in str(caught.value)


class TestBatchesAreAMatterOfSpeed:
    @pytest.mark.parametrize("name", FRAME_JUDGES)
    def test_answers_do_not_depend_on_the_batch(self, name: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("raft", "amt"):
            monkeypatch.setattr(f"nova_eval.judges.{module}.PAIRS_ON_CPU", 8)
        together, alone = ask(make(name, batch=3)), ask(make(name, batch=1))
        assert together.shape == alone.shape
        assert np.isfinite(together).all()
        assert together.std() > 0
        assert largest(together, alone) < 2e-5 * max(1.0, float(np.abs(alone).max()))

    @pytest.mark.parametrize("name", ["dino_vitb16", "clip_vit_b32", "laion_aesthetic", "musiq_spaq"])
    def test_no_frame_is_one_line(self, name: str, make: Make) -> None:
        judge = make(name)
        with pytest.raises(MediaError, match="no frame"):
            (judge.quality if name == "musiq_spaq" else judge.encode_images)(clip_of()[:0])

    def test_reversed_and_strided_views_are_read_as_they_are(self, make: Make) -> None:
        judge, frames = make("clip_vit_b32"), clip_of()
        assert largest(judge.encode_images(frames[::-2]), judge.encode_images(frames[::-2].copy())) == 0

    def test_half_precision_is_near(self, make: Make) -> None:
        exact, near = ask(make("clip_vit_b32")), ask(make("clip_vit_b32", dtype="bfloat16"))
        assert 0 < largest(near, exact) < 0.1 * np.abs(exact).max()
