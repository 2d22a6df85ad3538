"""What a sampler can be told: the parameters of its class with their types, defaults and meanings, and values of them.

A value is brought to its declared type before anything is named after it, so that ``3`` and ``3.0`` are one run.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, Protocol, Union, get_args, get_origin, runtime_checkable

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from nova_eval.errors import UsageError

REQUIRED = Parameter.empty
UNSET = "none"
"""As a value: none where the setting's type has that, else the sampler's own default."""

_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    types.NoneType: UNSET,
}
_STRICT = ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True)


@dataclass(frozen=True)
class Setting:
    """One thing that a sampler can be told. ``type`` is ``Any`` where nothing is declared, ``default`` REQUIRED where
    there is none.
    """

    name: str
    type: Any = Any
    default: Any = REQUIRED
    meaning: str = ""

    @property
    def form(self) -> str:
        """What it takes, in words; "" where anything may do."""
        return _form(self.type)

    @property
    def optional(self) -> bool:
        """Whether it can be without a value."""
        return self.type is types.NoneType or types.NoneType in get_args(self.type) or self.default is None

    def accepted(self, value: Any) -> Any:
        """``value`` as its type has it. UsageError, which says what it takes, for what cannot be."""
        try:
            found = _typed(self.type, value)
            whole = self.type is Any and type(self.default) is int and isinstance(found, float) and found.is_integer()
            return int(found) if whole else found
        except ValueError:
            default = "" if self.default is REQUIRED else f" (default {shown(self.default)})"
            raise UsageError(
                f"sampler.{self.name}: {shown(value)} is not {self.form}{default}",
                remedy=f"for example --set sampler.{self.name}={_example(self)}",
            ) from None


@runtime_checkable
class KnowsModels(Protocol):
    """A sampler class whose settings depend on the model that is its first argument."""

    @staticmethod
    def settings_of(model: str, *, offline: bool) -> Iterable[Setting]:
        """Those that the model takes beside, or with other defaults than, the class's own. Needs no weights."""
        ...


@runtime_checkable
class KnowsKin(Protocol):
    """A sampler class that can tell whether what is usual for one model, its first argument, is so for another."""

    @staticmethod
    def alike(one: str | Path, other: str | Path) -> bool:
        """Whether the two are of one kind. Opens no socket, and needs no weights."""
        ...


def settings_of(maker: Callable[..., Any]) -> dict[str, Setting]:
    """What the parameters of a sampler's class say, in their order; the meanings are its docstring's."""
    told = meanings(maker)
    return {
        name: Setting(name, _declared(parameter, maker), parameter.default, told.get(name, ""))
        for name, parameter in signature(maker).parameters.items()
        if parameter.kind in _NAMED
    }


def takes_others(maker: Callable[..., Any]) -> bool:
    """Whether a class takes settings that it does not name."""
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in signature(maker).parameters.values())


def typed(maker: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as the types of their settings have them. ``none`` is None, or leaves the sampler's own default."""
    known = settings_of(maker)
    found: dict[str, Any] = {}
    for name, value in values.items():
        setting = known.get(name, Setting(name, default=None))
        if value != UNSET or setting.default is REQUIRED or UNSET in get_args(setting.type):
            found[name] = setting.accepted(value)
        elif setting.optional:
            found[name] = None
    return found


def shown(value: Any) -> str:
    """A value as one writes it after ``--set``."""
    if value is None:
        return UNSET
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | Path) else repr(value)


def _typed(kind: Any, value: Any) -> Any:
    """ValueError for a value that is not of the kind; a truth value is no number."""
    if kind is Any:
        _refuse_not_finite(value)
        return value
    for strict in (True, False):
        try:
            found = _adapter(kind).validate_python(value, strict=strict)
        except ValidationError:
            continue
        if not (isinstance(value, bool) and not isinstance(found, bool)):
            return found
    raise ValueError


def _refuse_not_finite(value: Any) -> None:
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise ValueError


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind, config=ConfigDict(**_STRICT, coerce_numbers_to_str=True))
    except PydanticUserError:  # a model has a configuration of its own
        return TypeAdapter(kind)


def _declared(parameter: Parameter, maker: Callable[..., Any]) -> Any:
    """The type that a parameter states; else that of a default that is a number with a point, or text; else Any."""
    kind = parameter.annotation
    if isinstance(kind, str):
        kind = _named(kind, maker)
    if kind is Parameter.empty:
        return type(parameter.default) if isinstance(parameter.default, float | str) else Any
    return kind


def _named(annotation: str, maker: Callable[..., Any]) -> Any:
    """The type that an annotation names in the module of the class, or of a class before it; empty where none does."""
    for owner in getattr(maker, "__mro__", (maker,)):
        try:
            return eval(annotation, dict(vars(sys.modules[owner.__module__])))  # as Python itself reads it
        except Exception:
            continue
    return Parameter.empty


def _form(kind: Any) -> str:
    if kind is Any:
        return "something that JSON can hold"
    if get_origin(kind) is Literal:
        return " or ".join(map(shown, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_form(part) for part in get_args(kind)))
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and not issubclass(origin, str) and hasattr(origin, "__iter__"):
        return "a mapping" if issubclass(origin, Mapping) else "a list"
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))


def _example(setting: Setting) -> str:
    if setting.default not in (REQUIRED, None, ""):
        return shown(setting.default)
    for kind, example in ((int, "8"), (float, "1.5"), (bool, "true"), (str, "text")):
        if kind is setting.type or kind in get_args(setting.type):
            return example
    return UNSET if setting.optional else "…"


@cache
def meanings(maker: Callable[..., Any]) -> Mapping[str, str]:
    """What docstrings say of each setting: those of a class and of its fields, and of the classes before it."""
    from docstring_parser import parse, parse_from_object

    found: dict[str, str] = {}
    for owner in reversed(getattr(maker, "__mro__", (maker,))):
        if owner is object or not hasattr(owner, "__module__"):
            continue
        read = [parse(getattr(owner.__dict__.get("__init__"), "__doc__", None) or "")]
        try:
            read.append(parse_from_object(owner))
        except (OSError, TypeError, SyntaxError):  # its source is not here
            read.append(parse(owner.__doc__ or ""))
        for docstring in read:
            found |= {p.arg_name: " ".join((p.description or "").split()) for p in docstring.params}
    return found
