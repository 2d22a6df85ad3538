"""The reference as it follows from the code: every command with its options, every name of the Python API."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import nova_eval
from nova_eval.errors import NovaEvalError

FURTHER = ("callback.Validation",)
"""What has a module of its own."""
_WIDE = 90  # characters of a signature on one line
_STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}


def pages() -> Mapping[str, str]:
    """Markdown by the page's place in the documents."""
    return {"reference/commands.md": commands(), "reference/python.md": python()}


def commands() -> str:
    """Every verb: what it does, an example, its arguments and options."""
    from nova_eval.cli import GROUPS, app

    page = app.generate_docs(output_format="markdown", recursive=True, heading_level=1, usage_name="nova-eval")
    page = page[page.index("\n## nova-eval") + 1 :]
    page = re.sub(r"^(nova-eval[\w -]*?) -m [\w.]+ ", r"\1 ", page, flags=re.MULTILINE)  # who builds the site
    page = re.sub(r", --no-[\w-]+(?=[`, ])", "", page)
    parts = [
        "# Commands\n",
        "`nova-eval VERB`, or `python -m nova_eval VERB`; `--help` says the same on the terminal.\n",
    ]
    for title, verbs in GROUPS.items():
        lines = [f"- [`{verb}`](#nova-eval-{verb}): {(app[verb].help or '').partition(chr(10))[0]}" for verb in verbs]
        parts.append("\n".join([f"**{title}**\n", *lines, ""]))
    return "\n".join([*parts, page])


def python() -> str:
    """Every name of the API: its signature and its contract."""
    parts = ["# Python\n", "Names of `nova_eval`; none is imported, and no network loaded, before it is used.\n"]
    for name in nova_eval.__all__:
        parts += _entry(getattr(nova_eval, name), name, "##")
    for name in FURTHER:
        module, _, thing = name.rpartition(".")
        parts += _entry(getattr(importlib.import_module(f"nova_eval.{module}"), thing), name, "##")
    return "\n".join(parts)


def _entry(thing: Any, name: str, level: str) -> Iterator[str]:
    yield f"{level} {name}\n"
    if inspect.ismodule(thing):
        kinds = [kind for kind in vars(thing).values() if inspect.isclass(kind) and issubclass(kind, NovaEvalError)]
        yield (
            "\n".join(f"- `{name}.{kind.__name__}` (exit code {kind.exit_code}): {_told(kind)}" for kind in kinds)
            + "\n"
        )
    elif inspect.isclass(thing):
        yield f"{_told(thing)}\n"
        if issubclass(thing, Exception):
            return
        if fields := _fields(thing):
            yield f"Fields: {', '.join(fields)}.\n"
        for inner, member in vars(thing).items():
            shown = inspect.isfunction(member) or isinstance(member, property)
            if shown and not inner.startswith("_") and _told(member):
                yield from _entry(member, f"{name}.{inner}", level + "#")
    elif isinstance(thing, property):
        yield f"{_told(thing)}\n"
    else:
        yield f"```text\n{name}{_signature(thing)}\n```\n\n{_told(thing)}\n"


def _told(thing: Any) -> str:
    """Its docstring, with names in code as Markdown has them."""
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`")


def _fields(kind: type) -> list[str]:
    if not dataclasses.is_dataclass(kind):
        return []
    return [f"`{one.name}: {one.type}`" for one in dataclasses.fields(kind) if not one.name.startswith("_")]


def _signature(function: Callable[..., Any]) -> str:
    told = inspect.signature(function)
    parts: list[str] = []
    marked = False
    for one in told.parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not marked:
            parts.append("*")
            marked = True
        if one.name != "self":
            parts.append(_parameter(one))
        marked = marked or one.kind is inspect.Parameter.VAR_POSITIONAL
        if one.kind is inspect.Parameter.POSITIONAL_ONLY:
            parts.append("/")
    line = f"({', '.join(parts)}) -> {told.return_annotation}"
    if len(line) < _WIDE:
        return line
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f") -> {told.return_annotation}"


def _parameter(one: inspect.Parameter) -> str:
    stars = _STARS.get(one.kind.name, "")
    text = f"{stars}{one.name}: {one.annotation}"
    if one.default is inspect.Parameter.empty:
        return text
    if callable(one.default):
        return f"{text} = {one.default.__name__}"
    return f"{text} = {dict(one.default) if isinstance(one.default, Mapping) else one.default!r}"
