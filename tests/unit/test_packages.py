"""Remedies for packages that are absent name the extra that brings them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from nova_eval.errors import PrerequisiteError
from nova_eval.packages import BASE, EXTRAS, needed_by, remedy, require
from nova_eval.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTION = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "docstring_parser": "docstring-parser",
    "open_clip": "open_clip_torch",
    "mmcv": "mmcv-lite",
}
FOR_FEW = ("ray",)
RUN_ELSEWHERE = {"checks/crosscheck/official_vbench.py"}  # in the official package's environment


def asked(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[;]", requirement)[0] for requirement in requirements}


def named(modules: tuple[str, ...]) -> set[str]:
    return {DISTRIBUTION.get(module, module) for module in modules}


def test_the_table_is_what_the_project_asks_for() -> None:
    extras = PROJECT["optional-dependencies"]
    assert named(BASE) == asked(PROJECT["dependencies"])
    for extra, modules in EXTRAS.items():
        assert named(modules) == asked(extras[extra]) - named(BASE)
    assert extras["all"] == [f"nova_eval[{','.join(extra for extra in EXTRAS if extra not in FOR_FEW)}]"]


def test_every_package_that_is_imported_is_in_the_table() -> None:
    known = {"nova_eval", *BASE, *(module for modules in EXTRAS.values() for module in modules)}
    strange = {}
    for path in (ROOT / "nova_eval").rglob("*.py"):
        imported = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in _imported(node)
        }
        if unknown := imported - known - sys.stdlib_module_names:
            strange[path.relative_to(ROOT / "nova_eval").as_posix()] = unknown
    assert {file: names for file, names in strange.items() if file not in RUN_ELSEWHERE} == {}


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return []


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("torch", "pip install nova_eval"),
        ("transformers", "pip install nova_eval"),
        ("accelerate", "pip install 'nova_eval[train]'"),
        ("diffusers", "pip install 'nova_eval[nova]'"),
        ("timm", "pip install 'nova_eval[judges]'"),
        ("detectron2", "pip install detectron2"),
    ],
)
def test_a_remedy_brings_the_package(package: str, command: str) -> None:
    assert remedy(package) == command


def test_an_import_that_fails_names_who_wanted_what_and_the_remedy() -> None:
    error = ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.figure")
    with pytest.raises(PrerequisiteError, match=r"'matplotlib'.*nova_eval\[train\]"), needed_by("a figure"):
        raise error


def test_a_fault_of_the_package_itself_is_none_of_an_install() -> None:
    with pytest.raises(ModuleNotFoundError), needed_by("a figure"):
        raise ModuleNotFoundError("No module named 'nova_eval.nothing'", name="nova_eval.nothing")


def test_a_registered_name_whose_package_is_absent() -> None:
    registry: Registry[object] = Registry("judge", {"far": "no_such_package_of_anyone.part:Far"})
    with pytest.raises(PrerequisiteError, match="judge 'far' needs the package 'no_such_package_of_anyone'"):
        registry.get("far")


def test_what_work_will_need_is_asked_for_before_it() -> None:
    require("anything", "numpy", "PIL")
    with pytest.raises(PrerequisiteError, match=r"a figure needs the package 'no_such_package'"):
        require("a figure", "numpy", "no_such_package")
