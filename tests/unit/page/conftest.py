"""Two runs of the embedded world, of images."""

from __future__ import annotations

from pathlib import Path

import pytest
from calling import called


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The renderer's own pictures of 12 prompts, and noise."""
    results = tmp_path_factory.mktemp("results")
    words = ("--limit", 12, "--samples-per-prompt", 1, "--workers", 1, "--results", results)
    for sampler in ("oracle", "noise"):
        name = ("--name", f"secret-{sampler}", "--label", f"Secret {sampler}")
        assert called("run", "geneval", "--sampler", sampler, *words, *name) == 0
    return [results / "runs" / "geneval" / f"secret-{sampler}" for sampler in ("oracle", "noise")]
