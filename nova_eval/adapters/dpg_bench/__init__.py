"""DPG-Bench: long prompts, judged by yes-or-no questions that depend on each other."""

from nova_eval.adapters.dpg_bench.benchmark import DPGBench

__all__ = ["DPGBench"]
