"""The NOVA sampler's fast path beside the plain one, measured in turns in one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nova_eval.adapters import load_benchmark
from nova_eval.errors import PrerequisiteError


def measure(
    *, model: str, diffusion_steps: Sequence[int], batches: Sequence[int], repeats: int, device: str, dtype: str
) -> list[dict[str, Any]]:
    """One row a (diffusion steps, batch): seconds of each path, ``speedup``, shares of time, memory, utilisation.

    ``model`` is ``"mid"`` (16 × 16 tokens, 32 steps, 3 latent frames) or ``"paper"`` (0.6 B T2V, 33 frames of 480×768,
    128 steps: wants a GPU). Random weights; autoencoder and text encoder are left out.
    """
    try:
        from nova_eval.checks.bench import sampler as bench
        from nova_eval.nova.config import RELEASED
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            f"bench sampler needs the package {error.name!r}", remedy="pip install 'nova_eval[nova]'"
        ) from error

    settings: dict[str, Any] = {"config": bench.MID, "ar_steps": 32, "latent_frames": 3}
    if model == "paper":
        paper = load_benchmark("vbench").config.profiles["paper"].sampler
        settings = {
            "config": RELEASED["nova-d48w1024-osp480"],
            "ar_steps": paper["ar_steps"],
            "latent_frames": paper["latent_frames"],
            "guidance_scale": paper["guidance_scale"],
        }
    rows = bench.measure(
        **settings,
        diffusion_steps=diffusion_steps,
        batches=batches,
        repeats=repeats,
        device=device,
        dtype=dtype,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    return [{**asdict(row), "seconds_per_sample": row.seconds_fast / row.batch} for row in rows]


def lines(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people."""
    text = []
    for row in rows:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in row["shares"].items())
        seconds = f"plain {row['seconds_plain']:.2f} s, official-like {row['seconds_official']:.2f} s"
        text += [
            f"{row['diffusion_steps']} diffusion steps, batch {row['batch']}:",
            f"  speed-up {row['speedup']:.2f}× over the plain path, "
            f"{row['speedup_official']:.2f}× over one as wasteful as the official code",
            f"  {row['seconds_per_sample']:.2f} s a sample ({row['seconds_fast']:.2f} s a batch; {seconds})",
            f"  {row['ar_steps_per_second']:.1f} AR steps/s, peak memory {row['peak_bytes'] / 2**30:.2f} GiB, "
            f"{row['flops'] / 1e9:.1f} GFLOP, {100 * row['utilisation']:.0f} % of the fastest matrix product",
            f"  time: {shares}; largest difference {row['difference']:.1e} standard deviations",
        ]
    return "\n".join(text)
