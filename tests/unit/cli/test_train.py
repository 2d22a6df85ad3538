"""`train`: the example runs as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval import errors
from nova_eval.cli import app
from nova_eval.nova.embedded import EXAMPLE


def test_the_example_is_printed_and_trains_a_checkpoint_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nova_eval.nova.pipeline import NovaPipeline

    monkeypatch.chdir(tmp_path)
    assert app(["train", "--example"], result_action="return_value") == errors.OK
    printed = capsys.readouterr().out
    assert printed == EXAMPLE.read_text(encoding="utf-8")
    Path("train.toml").write_text(printed, encoding="utf-8")
    assert app(["train", "train.toml"], result_action="return_value") == errors.OK
    folder = tmp_path / capsys.readouterr().out.strip()
    [picture] = NovaPipeline.from_pretrained(folder, device="cpu").generate(
        ["a red circle"], [1], ar_steps=2, diffusion_steps=2
    )
    assert picture.shape == (1, 64, 64, 3)


def test_without_a_file_it_says_how_to_get_one() -> None:
    with pytest.raises(errors.UsageError, match=r"train --example > train\.toml"):
        app(["train"], exit_on_error=False, result_action="return_value")
