"""T2I-CompBench(++): attributes bound to objects, places, counts, and complex prompts that mix them."""

from nova_eval.adapters.t2i_compbench.benchmark import T2ICompBench

__all__ = ["T2ICompBench"]
