"""Every module is named by the import contracts, and every room is either free of networks or said not to be."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nova_eval"
WITH_NETWORKS = {"checks", "environment", "judges", "nova", "samplers", "weights"}


def contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [found] = [each for each in settings["contracts"] if each["name"].startswith(name)]
    return found


def layers() -> list[set[str]]:
    """From the top."""
    return [{room.strip(" ()") for room in line.split("|")} for line in contract("Imports point down")["layers"]]


def rooms() -> set[str]:
    """What lies directly under the package and holds Python."""
    files = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    return files - {"__init__"}


def test_every_module_lies_in_a_layer() -> None:
    assert rooms() - set().union(*layers()) == set()
    assert contract("Imports point down")["exhaustive"] is True
    assert contract("Imports point down")["containers"] == ["nova_eval"]


def test_contributing_shows_the_layers() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| room | holds |")[2].partition("\n\n")[0]
    shown = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()[2:]]
    assert shown == [known for layer in layers() if (known := layer & rooms() - {"__main__"})]


def test_every_room_without_networks_is_held_to_it() -> None:
    held = {module.removeprefix("nova_eval.") for module in contract("Networks stay in their rooms")["source_modules"]}
    assert rooms() - WITH_NETWORKS - held == set()
    assert held & WITH_NETWORKS == set()


def test_a_benchmark_is_known_by_name_to_its_adapter_and_its_checks_alone() -> None:
    """And to the registry, to the commands of those checks, and to the folder sampler, whose names are VBench's."""
    names = [path.parent.name for path in (ROOT / "benchmarks").glob("*/benchmark.toml")]
    quoted = re.compile(f'"({"|".join(names)})"')
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if quoted.search(path.read_text("utf-8"))]
    others = {str(path) for path in paths if path.parts[0] != "checks" and not set(path.parts) & set(names)}
    assert others == {"adapters/__init__.py", "cli/benches.py", "cli/checks.py", "samplers/folder.py"}


def test_unit_tests_lie_where_their_subject_lies() -> None:
    unit = ROOT / "tests" / "unit"
    astray = {
        str(folder.relative_to(unit))
        for folder in {path.parent for path in unit.rglob("test_*.py")}
        if not (PACKAGE / folder.relative_to(unit)).is_dir()
    }
    assert astray == set()


def test_no_two_test_modules_have_one_name() -> None:
    """pytest imports them by their names alone: the second would end the whole collection."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
