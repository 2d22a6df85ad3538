"""VBench's prompts: 946 texts in one file, which says of each what it is judged on."""

from __future__ import annotations

from collections.abc import Mapping

from nova_eval.adapters.sources import Source
from nova_eval.adapters.suite import Find, Suite, read_entries


def official(sources: Mapping[str, Source], find: Find) -> Suite:
    """The pinned file."""
    source = sources["suite"]
    return Suite(source.benchmark, "official", read_entries(find(source), source.benchmark), str(source))
