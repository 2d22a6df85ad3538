"""GenEval: are the objects of the prompt there, as many as asked, in their colors and places?"""

from nova_eval.adapters.geneval.benchmark import OFFICIAL, GenEval

__all__ = ["OFFICIAL", "GenEval"]
