"""Official file layouts: from samples to the names that a benchmark's own scripts read, and from names to samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nova_eval.adapters.names import Assignment
from nova_eval.adapters.vbench.names import (
    NAME_BYTES,
    assign,
    case_collisions,
    export_names,
    official_name,
    parse_name,
)
from nova_eval.records import Prompt, SampleKey
from nova_eval.registry import Registry

__all__ = [
    "LAYOUTS",
    "NAME_BYTES",
    "Assignment",
    "Layout",
    "assign",
    "case_collisions",
    "export_names",
    "official_name",
    "parse_name",
]


class Layout(Protocol):
    """How a benchmark's own scripts name media. ``prompts`` is always the whole suite, in its order."""

    pattern: ClassVar[str]
    """What a name looks like, for messages."""

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """Matches files, given relative to ``folder``, with samples of the suite. Media are not opened."""
        ...

    def names(self, prompts: Sequence[Prompt], suffixes: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        """The official relative path of each sample, given its file's ending. Samples in one grid share a name."""
        ...

    def refusal(self, prompt: Prompt, index: int) -> str:
        """Why no file can have the sample's name, "" where one can."""
        ...

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        """Files that the official scripts expect beside the media of these samples."""
        ...

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        """What a message calls a sample."""
        ...

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        """Where none of the media ``paths`` is of the suite: what was found, and what was expected."""
        ...


LAYOUTS: Registry[Callable[..., Any]] = Registry(
    "layout",
    {
        "vbench": "nova_eval.adapters.vbench.names:VBenchLayout",
        "geneval": "nova_eval.adapters.geneval.names:GenEvalLayout",
        "t2i_compbench": "nova_eval.adapters.t2i_compbench.names:T2ICompBenchLayout",
        "dpg_bench": "nova_eval.adapters.dpg_bench.names:DPGBenchLayout",
    },
)
"""By the name of their benchmark."""
