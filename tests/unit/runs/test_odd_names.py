"""Whatever files, folders and models are called: it works, or is refused in one line, and nothing is lost by it."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from nova_eval.__main__ import _reported
from nova_eval.cli import app
from nova_eval.media import encode_image

NO_TEXT = "caf\udce9"  # Latin-1 on a disk whose names are UTF-8
NAMES = (
    "a:b", "x\ny", "\x1b[2J", "-rf", "=cmd|'", "  blank ", "u\u0308", "\u00fc", "😀", "\u202egnp", "a\tb", "n" * 180,
    "#1", "%41", "a'b\"c", "https:..x", "..x", "data:image", "[dim]x", "$HOME", "*", "Ü", "CON", NO_TEXT,
)  # fmt: skip


def harmless(text: str) -> bool:
    text.encode()
    return all(letter in "\n\t" or (letter.isprintable() and letter not in "\u202e\u2066") for letter in text)


def call(*words: object) -> int:
    """The exit code, as the command line gives it."""
    try:
        given = [str(word) for word in words]
        return int(app(given, result_action="return_value", exit_on_error=False, print_error=False))
    except BaseException as error:
        return _reported(error)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "pictures: é"
    folder.mkdir()
    for shade, name in enumerate(NAMES):
        (folder / f"{name}.png").write_bytes(encode_image(np.full((16, 16, 3), shade, np.uint8)))
    return folder


def test_files_of_any_name_are_samples_under_it(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, out = tmp_path / "results: é", tmp_path / "out: é"
    asked = ("--variant", "custom", "--judges", "sprites", "--workers", 1, "--results", results)
    assert call("run", "geneval", "--sampler", f"folder:{pictures}", *asked) == 3
    told = capsys.readouterr().err
    assert f"found {len(NAMES) - 1} of {len(NAMES)} samples" in told
    assert "its name, or its folder's, is no text" in told
    (manifest,) = results.glob("runs/*/*/manifest.json")
    run = manifest.parent
    assert call("verify", run) == call("table", run) == call("table", run, "--samples") == 0
    assert call("export", run, out) == 0
    assert call("import", "geneval", pictures, "--model", "m:é/..", *asked) == 3
    assert call("runs", "list", "--results", results) == 0
    said = capsys.readouterr()
    assert harmless(told + said.err)
    assert harmless(said.out)
    rows = list(csv.DictReader((run / "tables" / "samples.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == len(NAMES)
    assert not [row["file"] for row in rows if row["file"][0] in "=-+@"]
    kept = {name: (out / "media" / f"{name}.png").read_bytes() for name in NAMES if name != NO_TEXT}
    assert kept == {name: (pictures / f"{name}.png").read_bytes() for name in kept}
    assert sorted(os.listdir(tmp_path)) == sorted([results.name, out.name])


@pytest.mark.parametrize("model", ["a\x1b[2J", "a\nb", NO_TEXT, "\u202ea", "/", ".."])
def test_a_model_is_called_in_one_line_of_text(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    assert call("import", "geneval", pictures, "--model", model, "--variant", "custom", "--results", tmp_path) == 2
    said = capsys.readouterr().err
    assert harmless(said)
    assert "cannot name a model" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("run", "geneval\x1b[2J"),
        ("\x1b[2J",),
        ("table", f"{NO_TEXT}\x1b[2J"),
        ("run", "geneval", "--set", "sampler.x\x1b[2J=1"),
        ("run", "geneval", "--sampler", "folder:/\x1b[2J"),
        ("run", "geneval", "--prompts", "\x1b[2J.txt"),
        ("run", "geneval", "--limit", "\x1b[2J"),
        ("runs", "rm", "\x1b[2J"),
    ],
)
def test_what_is_wrong_is_said_without_its_control_characters(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 2
    said = capsys.readouterr().err
    assert harmless(said)
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_run_in_the_folder_of_media_is_no_media(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its copies would be further prompts of one's own, at every call others."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.png").write_bytes((pictures / "#1.png").read_bytes())
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "three.png").write_bytes((pictures / "#1.png").read_bytes())
    (folder / "further").symlink_to(tmp_path / "linked")
    asked = ("geneval", folder, "--variant", "custom", "--results", folder / "results")
    for model in ("first", "second"):
        assert call("import", *asked, "--model", model) == 0
        told = capsys.readouterr()
        assert "found 3 of 3 samples" in told.err
        assert "not of this suite" not in told.err
