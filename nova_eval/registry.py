"""Names of samplers, judges and benchmarks: imported only when used, open to other packages and to plain files."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Any, Generic, TypeVar, cast

from nova_eval import files
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError, brief, is_interrupt, unknown
from nova_eval.packages import needed_by

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to lazily imported objects.

    ``builtin`` maps a name to ``"module:attribute"``. Installed packages add names through the entry-point group
    ``nova_eval.<kind>s``; ``path/to/file.py:Attribute`` is accepted wherever a name is.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._targets = dict(builtin)

    def names(self) -> list[str]:
        """Every known name, built-in ones first."""
        return [*self._targets, *(name for name in self._plugins() if name not in self._targets)]

    def __contains__(self, name: str) -> bool:
        return name in self._targets or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def get(self, name: str) -> T:
        """The object behind ``name``. Raises UsageError (unknown name) or PrerequisiteError (missing package)."""
        if name in self._targets:
            return self._load(name, self._targets[name])
        if ".py:" in name:
            return self._from_file(name)
        plugins = self._plugins()
        if name in plugins:
            return self._load(name, plugins[name])
        if name.endswith(".py"):
            raise UsageError(f"{name} names a file, not a {self.kind}", remedy=_which_class(name))
        raise unknown(self.kind, name, self.names())

    def is_own(self, name: str) -> bool:
        """Whether ``name`` is of this package, and nobody else's code."""
        return name in self._targets

    def code(self, name: str) -> str:
        """sha256 (hex) of the file that holds what is behind ``name``; "" where that is of this package, or not here.

        Files that it imports are not looked at.
        """
        if self.is_own(name):
            return ""
        try:
            found: Any = sys.modules.get(getattr(self.get(name), "__module__", ""))
            if isinstance(loader := getattr(found, "__loader__", None), _AsItIs):
                return loader.digest
            return sha256(Path(found.__file__).read_bytes()).hexdigest()
        except (NovaEvalError, OSError, AttributeError, TypeError):
            return ""

    def make(self, name: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """What the class behind ``name`` makes of ``settings``; meanwhile standard output is standard error.

        PrerequisiteError, in one line, for whatever it raises that is not the product's own error.
        """
        what = f"{self.kind} {name!r}"
        with _at_work(f"{what} cannot be made"), needed_by(what) if self.is_own(name) else nullcontext():
            maker: Any = self.get(name)
            return maker(**settings)

    def _plugins(self) -> dict[str, str]:
        return {point.name: point.value for point in entry_points(group=f"nova_eval.{self.kind}s")}

    def _load(self, name: str, target: str) -> T:
        module, _, attribute = target.partition(":")
        with needed_by(f"{self.kind} {name!r}"):
            imported = importlib.import_module(module)
        return cast(T, getattr(imported, attribute))

    def _from_file(self, name: str) -> T:
        file, _, attribute = name.rpartition(":")
        path = files.given(file)
        if not path.is_file():
            raise UsageError(f"{self.kind} file {str(path)!r} does not exist", remedy="give path/to/file.py:Class")
        module_name = f"nova_eval_plugin_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        module: Any = sys.modules.get(module_name)
        if module is None:
            loader = _AsItIs(module_name, str(path.resolve()))
            spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
            if spec is None or spec.loader is None:
                raise UsageError(f"{str(path)!r} is not a Python file", remedy="give path/to/file.py:Class")
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            try:
                with redirect_stdout(sys.stderr):
                    spec.loader.exec_module(module)
            except BaseException as error:
                sys.modules.pop(module_name, None)
                if is_interrupt(error):
                    raise
                raise UsageError(f"{str(path)!r} failed to import: {brief(error)}") from error
        if not hasattr(module, attribute):
            public = [entry for entry in vars(module) if not entry.startswith("_")]
            raise unknown(f"name in {path.name}", attribute, public)
        return cast(T, getattr(module, attribute))


def _which_class(file: str) -> str:
    """How what is in a file is named. Reads it, and runs nothing."""
    try:
        body = ast.parse(Path(file).expanduser().read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        body = []
    classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    methods = {node.name: {one.name for one in node.body if isinstance(one, ast.FunctionDef)} for node in classes}
    samplers = [name for name, has in methods.items() if "sample" in has]
    if samplers:
        return f"a generator is named with its class: run BENCHMARK --sampler {file}:{samplers[0]}"
    return f"name the class in it: {file}:{next(iter(methods), 'Class')}"


class _AsItIs(SourceFileLoader):
    """Loads a file as it is now, never what was compiled of it before, and knows the sha256 (hex) of what it loaded."""

    digest = ""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path)
        self.digest = sha256(source).hexdigest()
        code: CodeType = self.source_to_code(source, self.path)
        return code


@contextmanager
def _at_work(failure: str) -> Iterator[None]:
    """Lets code work that is not ours: what it prints, where it goes and how it ends is kept from the command."""
    here = os.getcwd()
    try:
        with redirect_stdout(sys.stderr):
            yield
    except BaseException as error:
        if is_interrupt(error) or isinstance(error, NovaEvalError):
            raise
        raise PrerequisiteError(f"{failure}: {brief(error)}") from error
    finally:
        os.chdir(here)
