"""Media that somebody else made, as a run sees them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from nova_eval.protocols import Listing, MediaSource
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.samplers.looks import Looks
from nova_eval.store import RunStore


class ExternalMedia:
    """Files that somebody else made, looked at once for as long as they stay as they are."""

    def __init__(self, source: MediaSource, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> None:
        self._source, self._prompts, self._wanted = source, prompts, wanted
        self.looks: Looks = getattr(source, "looks", None) or Looks()
        self._read: tuple[list[tuple[Path, int]], tuple[dict[SampleKey, list[Sample]], dict[SampleKey, str]]] | None = (
            None
        )

    @cached_property
    def listing(self) -> Listing:
        return self._source.locate(self._prompts, self._wanted)

    @cached_property
    def digests(self) -> dict[SampleKey, str]:
        """sha256 of each file that was found: a file that changed since the last run is another sample."""
        by_path = {path: self.looks.digest(path) for path in dict.fromkeys(self.listing.found.values())}
        self.looks.keep()
        return {key: by_path[path] for key, path in self.listing.found.items()}

    @cached_property
    def lines(self) -> list[str]:
        """What was found and what was not, one line a kind."""
        return self._source.describe(self.listing, self._prompts)

    def samples(self, store: RunStore) -> tuple[dict[SampleKey, Sample], dict[SampleKey, str]]:
        """The recorded samples whose files are as they were, and why others that are wanted do not stand."""
        rows, failures = self._rows(store)
        listing = self.listing
        standing = {
            key: row
            for key, found in self.digests.items()
            for row in rows.get(key, ())
            if row.digest == found and row.path == str(listing.found[key]) and row.part == listing.parts.get(key)
        }
        return standing, {**failures, **listing.absent()}

    def _rows(self, store: RunStore) -> tuple[dict[SampleKey, list[Sample]], dict[SampleKey, str]]:
        """``store.sample_rows``, read again only when a shard has grown: what is written there stays."""
        shards = [(path, path.stat().st_size) for path in sorted((store.folder / "samples").glob("*.jsonl"))]
        if self._read is None or self._read[0] != shards:
            self._read = shards, store.sample_rows()
        return self._read[1]
