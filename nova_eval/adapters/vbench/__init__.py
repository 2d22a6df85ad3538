"""VBench: the rules of its sixteen dimensions and its final score."""

from nova_eval.adapters.vbench.benchmark import CORRECTED, OFFICIAL, VBench

__all__ = ["CORRECTED", "OFFICIAL", "VBench"]
