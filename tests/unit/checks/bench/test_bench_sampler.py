"""NOVA's sampler measured beside a plain path."""

import pytest

from nova_eval.checks.bench.options import SamplerBench
from nova_eval.checks.bench.sampler import Subject, lines, measure
from nova_eval.errors import UsageError
from nova_eval.nova.config import TransformerConfig


def test_a_folder_that_is_not_the_official_code_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has no diffnext/"):
        measure(SamplerBench(model="mini", official=tmp_path))


def test_the_bench_compares_equal_latents():
    config = TransformerConfig(
        arch=("vit_d1w64", "vit_d2w64", "mlp_d1w64"), image_size=(64, 64), text_token_dim=16, text_token_len=4
    )
    [row] = measure(SamplerBench(diffusion_steps=(3,), repeats=1), Subject(config, ar_steps=3, latent_frames=1))
    assert row.difference < 1e-3
    assert row.speedup == row.seconds_plain / row.seconds_fast
    assert row.seconds_official is row.speedup_official is None
    assert set(row.shares) == {"temporal", "spatial", "denoise"}
    assert 0 < sum(row.shares.values()) <= 1
    assert row.flops > 0
    assert f"{row.speedup:.2f}×" in lines([row])
    assert row.seconds_per_sample == row.seconds_fast
