"""What a parser read in each prompt, words with parts of speech and noun phrases: in a table, since parsers drift.

The official scripts parse at scoring time with spaCy and en_core_web_sm, whose every version cuts some prompts
differently, and ask the judges about what it found. The table fixes those readings; its digest is part of the version
of each rule that uses it. ``prompts fetch t2i_compbench`` writes it into the cache where spaCy is at hand, and
``python -m nova_eval.adapters.t2i_compbench.parses`` writes it anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.adapters.sources import cache_folder
from nova_eval.config import CUSTOM, facts_of
from nova_eval.errors import PrerequisiteError
from nova_eval.identity import digest
from nova_eval.records import Prompt

FILE_NAME = "parses.json"
PYTHON_VARIABLE = "NOVA_EVAL_SPACY_PYTHON"  # an interpreter that has spaCy
OFFICIAL_PARSER = "spaCy 3.5.3, en_core_web_sm 3.5.0"
INSTALLATION = (
    "make an environment of its own: python3.11 -m venv spacy && spacy/bin/pip install spacy==3.5.3 'numpy<2' "
    "https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-3.5.0/"
    f"en_core_web_sm-3.5.0-py3-none-any.whl, set {PYTHON_VARIABLE}=spacy/bin/python, "
    "and run `python -m nova_eval prompts fetch t2i_compbench` again"
)
PARSE = "parse"
"""The key of a prompt's reference under which it may bring its own reading, as an entry of the table."""


class Token(NamedTuple):
    """A word and its universal part of speech, such as ``"NOUN"``."""

    text: str
    pos: str


@dataclass(frozen=True, slots=True)
class Parse:
    """One prompt as the parser read it."""

    tokens: tuple[Token, ...] = ()
    noun_phrases: tuple[str, ...] = ()


class _Entry(TypedDict):
    tokens: list[tuple[str, str]]
    noun_phrases: list[str]


class _Table(TypedDict):
    """``parses.json``."""

    parser: str
    prompts: dict[str, _Entry]


@dataclass(frozen=True)
class Parses:
    """Readings by prompt text, and which parser made them."""

    by_text: Mapping[str, Parse] = field(default_factory=dict)
    parser: str = ""

    def __bool__(self) -> bool:
        return bool(self.by_text)

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over all readings."""
        return digest({text: [parse.tokens, parse.noun_phrases] for text, parse in self.by_text.items()})

    def of_prompt(self, prompt: Prompt) -> Parse:
        """The reading that a prompt brings as ``reference["parse"]``, or else the table's."""
        own = prompt.reference.get(PARSE)
        if own is None and prompt.id.startswith(f"{CUSTOM}/") and prompt.text not in self.by_text:
            raise PrerequisiteError(
                f"the prompt brings no {PARSE!r}, and is no official one that was parsed",
                remedy="see the benchmark's README on prompts of one's own",
            )
        if own is None:
            return self.of(prompt.text)
        remedy = "it holds 'tokens', pairs of a word and its part of speech, and 'noun_phrases'"
        return _parse(reading.typed(own, f"the parse that the prompt {prompt.id} brings", _Entry, remedy=remedy))

    def of(self, text: str) -> Parse:
        """The reading of a prompt. PrerequisiteError when the table lacks it."""
        if text not in self.by_text:
            raise PrerequisiteError(
                "the prompt has not been parsed" if self else "there is no table of parsed prompts",
                remedy=f"point ${PYTHON_VARIABLE} to a Python with spaCy and run "
                "`python -m nova_eval.adapters.t2i_compbench.parses`",
            )
        return self.by_text[text]


def load_parses(path: Path | None = None) -> Parses:
    """The table at ``path``, by default the cache's or the one beside ``benchmark.toml``; empty where there is none."""
    places = [path] if path else [table_path(), facts_of("t2i_compbench").benchmark / FILE_NAME]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return Parses()
    content = reading.json_file(found, _Table, error=PrerequisiteError, remedy="write it anew")
    return Parses({text: _parse(entry) for text, entry in content["prompts"].items()}, content["parser"])


def table_path() -> Path:
    """Where the table is written."""
    return cache_folder() / "t2i_compbench" / FILE_NAME


def write_parses(
    texts: Iterable[str], path: Path | None = None, model: str = "en_core_web_sm", python: str = ""
) -> Path:
    """Parses ``texts`` with spaCy and writes the table, whole or not at all.

    ``python`` (default ``$NOVA_EVAL_SPACY_PYTHON``, else this one) is the interpreter that has spaCy. PrerequisiteError
    without spaCy or its model there.
    """
    table = _read_by(python or os.environ.get(PYTHON_VARIABLE, "") or sys.executable, list(texts), model)
    return files.write(path or table_path(), json.dumps(table, ensure_ascii=False))


def _read_by(python: str, texts: list[str], model: str) -> _Table:
    import subprocess

    missing = f"spaCy with the model {model} is not installed for {python}"
    try:
        answer = subprocess.run(
            [python, str(Path(__file__).with_name("spacy_reader.py")), model],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0:
            return reading.json_text(answer.stdout, f"what {python} read", _Table, error=PrerequisiteError)
    except (OSError, ValueError) as error:
        raise PrerequisiteError(f"{missing} ({error})", remedy=INSTALLATION) from error
    said = answer.stderr.strip().splitlines()
    raise PrerequisiteError(f"{missing} ({said[-1][:200] if said else answer.returncode})", remedy=INSTALLATION)


def bring_parses(mirror: Path | None = None) -> str:
    """Sees to it that there is a table of the official prompts, and says in one line which, or why there is none."""
    from nova_eval.adapters import load_benchmark

    try:
        found = load_parses()
        if not found:
            suite = load_benchmark("t2i_compbench").suite("official", mirror=mirror, offline=True)
            found = load_parses(write_parses(prompt.text for prompt in suite.prompts))
    except PrerequisiteError as error:
        return f"the prompts are not parsed: {error}"
    other = "" if found.parser == OFFICIAL_PARSER else f"; official scores are by {OFFICIAL_PARSER}"
    return f"{len(found.by_text)} prompts parsed by {found.parser}, sha256 {found.digest[:12]}…{other}"


def _parse(entry: _Entry) -> Parse:
    return Parse(tuple(Token(text, pos) for text, pos in entry["tokens"]), tuple(entry["noun_phrases"]))


if __name__ == "__main__":
    from nova_eval.adapters import load_benchmark
    from nova_eval.errors import NovaEvalError

    try:
        mirror = Path(sys.argv[1]) if sys.argv[1:] else None
        suite = load_benchmark("t2i_compbench").suite("official", mirror=mirror)
        print(write_parses(prompt.text for prompt in suite.prompts))
        print(bring_parses(), file=sys.stderr)
    except NovaEvalError as error:
        sys.exit(str(error))
