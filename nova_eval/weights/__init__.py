"""Pinned weight files: which there are, where they lie, how they are fetched, checked and opened."""

from nova_eval.weights.catalogue import WeightFile, digest, entries, entry, find, locate, locate_first
from nova_eval.weights.fetching import ListedFile, WeightCheck, fetch, listing, verify
from nova_eval.weights.loading import apply, load_state_dict, require

__all__ = [
    "ListedFile",
    "WeightCheck",
    "WeightFile",
    "apply",
    "digest",
    "entries",
    "entry",
    "fetch",
    "find",
    "listing",
    "load_state_dict",
    "locate",
    "locate_first",
    "require",
    "verify",
]
