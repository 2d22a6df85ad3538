"""Prompt suites: where their pinned files come from, what they say, and which part of one to take first."""

from nova_eval.prompts.selection import select
from nova_eval.prompts.sources import Check, Source, fetch, load_sources, locate, verify
from nova_eval.prompts.suite import Suite, load_labels, load_prompt_file, load_suite, suite_digest

__all__ = [
    "Check",
    "Source",
    "Suite",
    "fetch",
    "load_labels",
    "load_prompt_file",
    "load_sources",
    "load_suite",
    "locate",
    "select",
    "suite_digest",
    "verify",
]
