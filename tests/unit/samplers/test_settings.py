"""What a sampler can be told: types, defaults and meanings of its class, and values brought to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from nova_eval.errors import UsageError
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, settings_of, takes_others, typed


class Told:
    """A sampler.

    Parameters
    ----------
    steps
        How many.
    """

    def __init__(
        self,
        model: str | Path,
        scale=1.5,  # type: ignore[no-untyped-def]
        count=4,
        anything=None,
        *,
        steps: int = 8,
        kind: Literal["fast", "none"] = "fast",
        ratio: float | None = 0.5,
        parts: Mapping[str, int] | None = None,
        strange: NotThere = 3,  # type: ignore[name-defined]  # noqa: F821
        **more: Any,
    ) -> None: ...


def test_a_class_says_what_it_can_be_told() -> None:
    found = settings_of(Told)
    assert list(found) == ["model", "scale", "count", "anything", "steps", "kind", "ratio", "parts", "strange"]
    assert takes_others(Told)
    assert (found["model"].default, found["steps"].default) == (REQUIRED, 8)
    assert found["steps"].meaning == "How many."
    forms = {name: setting.form for name, setting in found.items()}
    assert forms["model"] == "text or a path"
    assert forms["scale"] == "a number"
    assert forms["kind"] == "'fast' or 'none'"
    assert forms["ratio"] == "a number or none"
    assert forms["parts"] == "a mapping or none"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("steps", 8.0, 8),
        ("steps", "8", 8),
        ("scale", 2, 2.0),
        ("count", 3.0, 3),
        ("count", 2.5, 2.5),
        ("ratio", 1, 1.0),
        ("ratio", "none", None),
        ("kind", "none", "none"),
        ("model", 7, "7"),
        ("model", "none", "none"),
        ("anything", 2, 2),
        ("anything", "none", None),
        ("strange", [1], [1]),
        ("unnamed", 2, 2),
    ],
)
def test_values_get_the_declared_type(name: str, given: Any, value: Any) -> None:
    found = typed(Told, {name: given})
    assert (found, type(found[name])) == ({name: value}, type(value))


@pytest.mark.parametrize("name", ["steps", "scale", "count", "strange"])
def test_none_leaves_the_samplers_own_default(name: str) -> None:
    assert typed(Told, {name: "none"}) == {}


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("steps", 1.5, r"sampler.steps: 1.5 is not a whole number \(default 8\); for example --set sampler.steps=8"),
        ("steps", True, "true is not a whole number"),
        ("scale", "high", r"'high' is not a number \(default 1.5\)"),
        ("ratio", float("nan"), "nan is not a number or none"),
        ("kind", "slow", "'slow' is not 'fast' or 'none'"),
        ("anything", float("inf"), "inf is not something that JSON can hold"),
    ],
)
def test_what_cannot_be_says_what_can(name: str, given: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        typed(Told, {name: given})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["oracle", "noise", "folder", "imported", "nova", "diffusers"])
def test_every_setting_of_the_products_own_samplers_has_a_type_and_a_meaning(name: str) -> None:
    for setting in settings_of(SAMPLERS.get(name)).values():
        assert setting.meaning, setting.name
        assert setting.form or setting.name == "dtype"
