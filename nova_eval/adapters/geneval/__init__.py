"""GenEval: are the objects of the prompt there, as many as asked, in their colours and places?"""

from nova_eval.adapters.geneval.benchmark import CORRECTED, OFFICIAL, GenEval

__all__ = ["CORRECTED", "OFFICIAL", "GenEval"]
