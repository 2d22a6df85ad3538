"""The official environment is made once, whole or again, and never in the place of something else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nova_eval.checks.crosscheck import installation as module
from nova_eval.checks.crosscheck.installation import CONSTRAINTS, Environment, environment
from nova_eval.errors import PrerequisiteError, UsageError

Installs = list[str]


@pytest.fixture
def installs(official, monkeypatch: pytest.MonkeyPatch) -> Installs:  # type: ignore[no-untyped-def]
    """What was installed; the steps put the stand-in there instead of asking a registry."""
    done: Installs = []

    def step(place: Environment, command: Sequence[str], what: str) -> None:
        done.append(command[-1])
        official.make(place.folder)

    monkeypatch.setattr(module, "_step", step)
    monkeypatch.setattr(module, "interpreter", lambda: sys.executable)
    return done


class TestItIsMadeOnce:
    def test_the_second_call_finds_it(self, tmp_path: Path, installs: Installs) -> None:
        made = environment(tmp_path / "new")
        assert made.python.exists()
        assert any(name.startswith("torchvision") for name in installs)
        count = len(installs)
        assert environment(tmp_path / "new") == made
        assert len(installs) == count

    def test_by_default_it_lies_in_the_cache(
        self, tmp_path: Path, installs: Installs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        assert environment().folder == tmp_path / "environments" / "vbench-0.1.5"

    @pytest.mark.parametrize("harm", ["half-made", "another recipe", "torn mark", "lost interpreter"])
    def test_one_that_is_not_whole_is_made_again(self, harm: str, tmp_path: Path, installs: Installs) -> None:
        made = environment(tmp_path / "new")
        (made.folder / "left-over").write_text("")
        mark = made.folder / "nova_eval_environment.json"
        found = json.loads(mark.read_text())
        if harm == "half-made":
            mark.write_text(json.dumps({**found, "state": "making"}))
        elif harm == "another recipe":
            mark.write_text(json.dumps({**found, "recipe": {}}))
        elif harm == "torn mark":
            mark.write_text("{")
        else:
            made.python.unlink()
        count, said = len(installs), list[str]()
        assert environment(tmp_path / "new", said.append) == made
        assert len(installs) == 2 * count
        assert not (made.folder / "left-over").exists()
        assert "made again" in said[0]

    def test_a_step_that_fails_leaves_nothing_that_counts(
        self, tmp_path: Path, installs: Installs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(place: Environment, command: Sequence[str], what: str) -> None:
            raise PrerequisiteError("pip install failed")

        with monkeypatch.context() as patch:
            patch.setattr(module, "_step", fails)
            with pytest.raises(PrerequisiteError):
                environment(tmp_path / "new")
        assert environment(tmp_path / "new").python.exists()


class TestOthersFoldersAreLeftAlone:
    def test_an_environment_that_has_the_package_is_used(self, official, installs: Installs) -> None:  # type: ignore[no-untyped-def]
        assert environment(official.folder).folder == official.folder
        assert installs == []

    def test_another_version_is_refused(self, official, installs: Installs) -> None:  # type: ignore[no-untyped-def]
        (official.packages / "vbench-0.1.5.dist-info" / "METADATA").write_text("Name: vbench\nVersion: 0.1.2\n")
        with pytest.raises(UsageError, match=r"not an environment with vbench 0\.1\.5.*0\.1\.2"):
            environment(official.folder)
        assert official.folder.exists()

    def test_a_folder_of_something_else_is_refused_and_kept(self, tmp_path: Path, installs: Installs) -> None:
        (tmp_path / "thesis.tex").write_text("…")
        with pytest.raises(UsageError, match="no interpreter"):
            environment(tmp_path)
        assert (tmp_path / "thesis.tex").exists()
        assert installs == []


class TestWhatCannotBeDoneIsSaidInOneLine:
    def test_the_installers_error_and_its_log(self, tmp_path: Path) -> None:
        code = (
            "print('Collecting vbench'); print('ERROR: No matching distribution found for vbench'); raise SystemExit(1)"
        )
        with pytest.raises(PrerequisiteError, match=r"pip install failed: ERROR: No matching.*install\.log") as caught:
            module._step(Environment(tmp_path), [sys.executable, "-c", code], "pip install")
        assert "\n" not in str(caught.value)
        assert "Collecting" in (tmp_path / "install.log").read_text()

    def test_constraints_reach_the_builds_of_source_packages_too(self, tmp_path: Path) -> None:
        code = "import os; print(os.environ['PIP_CONSTRAINT'])"
        module._step(Environment(tmp_path), [sys.executable, "-c", code], "pip install")
        assert (tmp_path / "install.log").read_text().strip() == str(CONSTRAINTS)
        assert "setuptools<80" in CONSTRAINTS.read_text()

    def test_no_python_that_the_pins_allow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PYTHON", (3, 99))
        with pytest.raises(PrerequisiteError, match=r"needs python3\.99"):
            module.interpreter()

    def test_no_room(self, tmp_path: Path, installs: Installs, monkeypatch: pytest.MonkeyPatch) -> None:
        usage: Callable[[object], object] = lambda path: type("Usage", (), {"free": 1 << 20})  # noqa: E731
        monkeypatch.setattr(module.shutil, "disk_usage", usage)
        with pytest.raises(PrerequisiteError, match="MB are free"):
            environment(tmp_path / "new")
        assert not (tmp_path / "new").exists()

    def test_a_place_that_cannot_be_written(self, tmp_path: Path, installs: Installs) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(PrerequisiteError, match=f"cannot write {tmp_path / 'file'}"):
            environment(tmp_path / "file" / "new")
        assert os.listdir(tmp_path) == ["file", *sorted(set(os.listdir(tmp_path)) - {"file"})]
