"""Prompts are parsed in whichever Python has spaCy, once, into a table that fixes what rules and judges are asked."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from nova_eval.adapters.t2i_compbench.parses import (
    INSTALLATION,
    OFFICIAL_PARSER,
    PYTHON_VARIABLE,
    bring_parses,
    load_parses,
    table_path,
    write_parses,
)
from nova_eval.errors import PrerequisiteError

WORDS = {"a": "DET", "an": "DET", "on": "ADP", "and": "CCONJ", "red": "ADJ", "cup": "NOUN", "apple": "NOUN"}

STUB = '''
"""The part of spaCy that reading needs, on a list of words."""
from types import SimpleNamespace
__version__ = "3.5.3"
TAGS = {tags!r}

def load(model):
    if model != "en_core_web_sm":
        raise OSError(f"[E050] Can't find model '{{model}}'.\\nIt doesn't seem to be installed.")
    return Pipeline()

class Pipeline:
    meta = {{"lang": "en", "name": "core_web_sm", "version": "3.5.0"}}
    def pipe(self, texts):
        return map(Document, texts)

class Document(list):
    def __init__(self, text):
        super().__init__(SimpleNamespace(text=word, pos_=TAGS.get(word, "X")) for word in text.split())
        self.text = text
    @property
    def noun_chunks(self):
        words = []
        for token in self:
            words = words + [token.text] if token.pos_ in ("DET", "ADJ", "NOUN") else []
            if token.pos_ == "NOUN":
                yield SimpleNamespace(text=" ".join(words))
                words = []
'''


@pytest.fixture
def with_spacy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters that are started find a ``spacy``."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "spacy.py").write_text(STUB.format(tags=WORDS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


@pytest.mark.usefixtures("with_spacy")
class TestWriting:
    def test_words_tags_and_phrases_are_kept_once_a_text(self) -> None:
        path = write_parses(["a red cup and an apple", "a cup", "a cup"])
        assert path == table_path()
        found = load_parses()
        assert found.parser == OFFICIAL_PARSER
        assert list(found.by_text) == ["a red cup and an apple", "a cup"]
        assert found.of("a red cup and an apple").noun_phrases == ("a red cup", "an apple")
        assert [token.pos for token in found.of("a cup").tokens] == ["DET", "NOUN"]

    def test_the_same_readings_have_the_same_digest(self, tmp_path: Path) -> None:
        one, other = (load_parses(write_parses(["a cup"], tmp_path / name)) for name in ("one.json", "other.json"))
        assert one.digest == other.digest
        assert load_parses(write_parses(["an apple"], tmp_path / "third.json")).digest != one.digest

    def test_text_beyond_ascii_comes_back_whole(self) -> None:
        write_parses(["a red café ☕"])
        assert load_parses().of("a red café ☕").tokens[-1].text == "☕"

    def test_an_unknown_model_is_one_line(self) -> None:
        with pytest.raises(PrerequisiteError, match="model en_core_web_lg is not installed") as error:
            write_parses(["a cup"], model="en_core_web_lg")
        assert "E050" in str(error.value)
        assert "\n" not in str(error.value)
        assert not table_path().exists()

    def test_fetching_prompts_parses_them_once(self, monkeypatch: pytest.MonkeyPatch, mirror: Path) -> None:
        said = bring_parses(mirror)
        assert said.startswith("2400 prompts parsed by " + OFFICIAL_PARSER)
        assert "official scores are by" not in said
        monkeypatch.setenv(PYTHON_VARIABLE, "/no/such/python")  # not needed again
        assert bring_parses(mirror) == said


class TestWithoutSpaCy:
    @pytest.mark.parametrize("python", [sys.executable, "/no/such/python"])
    def test_it_is_said_how_to_get_it(
        self, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Path
    ) -> None:
        (tmp_path / "spacy.py").write_text("raise ImportError('no spaCy here')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv(PYTHON_VARIABLE, python)
        with pytest.raises(PrerequisiteError) as error:
            write_parses(["a cup"])
        assert f"is not installed for {python}" in str(error.value)
        assert INSTALLATION in str(error.value)
        said = bring_parses(mirror)
        assert said.startswith("the prompts are not parsed: ")
        assert "\n" not in said

    def test_another_parser_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
        table_path().parent.mkdir(parents=True)
        entry = {"tokens": [["cup", "NOUN"]], "noun_phrases": ["cup"]}
        table_path().write_text(json.dumps({"parser": "spaCy 4, en_core_web_xl 4", "prompts": {"cup": entry}}))
        assert bring_parses().endswith(f"; official scores are by {OFFICIAL_PARSER}")


@pytest.mark.skipif(PYTHON_VARIABLE not in os.environ, reason=f"{PYTHON_VARIABLE} names no Python with spaCy")
def test_a_pipeline_of_rules_is_read_through_spacy_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags and heads by rules, in the installed spaCy: its own tokens and noun chunks come out."""
    import subprocess

    python = os.environ[PYTHON_VARIABLE]
    (tmp_path / "rules.py").write_text(_PIPELINE)
    save = f"nlp = spacy.blank('en'); nlp.add_pipe('by_rule'); nlp.to_disk({str(tmp_path / 'model')!r})"
    (tmp_path / "save.py").write_text(f"import spacy, rules; {save}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subprocess.run([python, str(tmp_path / "save.py")], check=True, capture_output=True)
    (tmp_path / "sitecustomize.py").write_text("import rules")  # knows the rules when the model is loaded
    path = write_parses(["a red cup on an apple."], tmp_path / "table.json", model=str(tmp_path / "model"))
    found = load_parses(path)
    assert found.parser.startswith("spaCy ")
    parse = found.of("a red cup on an apple.")
    assert [token.text for token in parse.tokens] == ["a", "red", "cup", "on", "an", "apple", "."]
    assert [token.pos for token in parse.tokens][:3] == ["DET", "ADJ", "NOUN"]
    assert parse.noun_phrases == ("a red cup", "an apple")


_PIPELINE = f"""
from spacy.language import Language
TAGS = {WORDS!r}

@Language.component("by_rule")
def by_rule(doc):
    root = next(token for token in doc if TAGS.get(token.text) == "NOUN")
    head = root
    for token in reversed(doc):
        token.pos_ = TAGS.get(token.text, "PUNCT")
        head = token if token.pos_ == "NOUN" else head
        token.head = head if token.pos_ in ("DET", "ADJ") else root
        token.dep_ = {{"DET": "det", "ADJ": "amod", "NOUN": "pobj", "ADP": "prep"}}.get(token.pos_, "punct")
    root.dep_ = "ROOT"
    return doc
"""
