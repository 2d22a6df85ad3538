"""Every module is named by the import contracts, and every room is either free of networks or said not to be."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nova_eval"
WITH_NETWORKS = {"checks", "environment", "judges", "nova", "samplers", "weights"}


def contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [found] = [each for each in settings["contracts"] if each["name"].startswith(name)]
    return found


def layers() -> set[str]:
    named = (room.strip(" ()") for line in contract("Imports point down")["layers"] for room in line.split("|"))
    return set(named)


def rooms() -> set[str]:
    """What lies directly under the package and holds Python."""
    files = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    return files - {"__init__"}


def test_every_module_lies_in_a_layer() -> None:
    assert rooms() - layers() == set()
    assert contract("Imports point down")["exhaustive"] is True
    assert contract("Imports point down")["containers"] == ["nova_eval"]


def test_every_room_without_networks_is_held_to_it() -> None:
    held = {module.removeprefix("nova_eval.") for module in contract("Networks stay in their rooms")["source_modules"]}
    assert rooms() - WITH_NETWORKS - held == set()
    assert held & WITH_NETWORKS == set()


def test_unit_tests_lie_where_their_subject_lies() -> None:
    unit = ROOT / "tests" / "unit"
    astray = {
        str(folder.relative_to(unit))
        for folder in {path.parent for path in unit.rglob("test_*.py")}
        if not (PACKAGE / folder.relative_to(unit)).is_dir()
    }
    assert astray == set()
