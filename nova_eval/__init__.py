"""nova_eval: sample a generator, score every sample, compare the result with published baselines."""

__version__ = "0.1.0"
