"""Reads prompts with spaCy and says what it read, in whichever Python has spaCy: needs nothing else.

``python spacy_reader.py MODEL``: a JSON list of texts on stdin, ``{"parser", "prompts"}`` on stdout. The official spaCy
wants other versions of common packages than nova_eval does, so it usually lives in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any


def read(texts: Iterable[str], model: str) -> dict[str, Any]:
    """Words with parts of speech and noun phrases of each text. ImportError or OSError without spaCy or its model."""
    spacy: Any = import_module("spacy")
    nlp = spacy.load(model)
    prompts: dict[str, Any] = {}
    for document in nlp.pipe(dict.fromkeys(texts)):
        tokens = [[token.text, token.pos_] for token in document]
        prompts[document.text] = {"tokens": tokens, "noun_phrases": [chunk.text for chunk in document.noun_chunks]}
    meta = nlp.meta
    return {"parser": f"spaCy {spacy.__version__}, {meta['lang']}_{meta['name']} {meta['version']}", "prompts": prompts}


def main() -> None:
    """One line on stderr and exit code 3 where spaCy or its model is missing."""
    try:
        answer = read(json.load(sys.stdin), sys.argv[1])
    except (ImportError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(3)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
