"""No module imports itself by way of others, not even inside a function or for the type checker alone."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest

grimp = pytest.importorskip("grimp")


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, the first again at the end; empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def test_the_package_has_none() -> None:
    graph = grimp.build_graph("nova_eval", cache_dir=None)  # of every import statement, wherever it stands
    assert len(graph.modules) > 100
    assert circle({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}) == []
