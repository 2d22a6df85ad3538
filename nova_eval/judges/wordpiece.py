"""BERT's uncased WordPiece: text to ids and back, as ``BertTokenizer`` of transformers 4.33 does it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from nova_eval.errors import PrerequisiteError

PAD, UNKNOWN, CLS, SEP, MASK = 0, 100, 101, 102, 103
SPECIAL = frozenset({PAD, UNKNOWN, CLS, SEP, MASK})
LONGEST_WORD = 100


class WordPiece:
    """A vocabulary, one piece an id; pieces inside a word start with ``##``. Special tokens written out are text."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = list(pieces)
        self._ids = {piece: number for number, piece in enumerate(self.pieces)}

    @classmethod
    def read(cls, path: Path) -> WordPiece:
        """``vocab.txt``: one piece a line. PrerequisiteError for a file that is not bert-base-uncased's."""
        pieces = path.read_text(encoding="utf-8").split("\n")
        if pieces[-1] == "":
            pieces.pop()
        if len(pieces) <= MASK or [pieces[SEP], pieces[CLS]] != ["[SEP]", "[CLS]"]:
            raise PrerequisiteError(f"{path} is not the vocabulary of bert-base-uncased", remedy="fetch it again")
        return cls(pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without [CLS] and [SEP]."""
        return [number for word in _words(text) for number in self._pieces(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; special tokens and ids beyond the vocabulary are left out."""
        kept = [self.pieces[number] for number in ids if number not in SPECIAL and number < len(self.pieces)]
        text = " ".join(kept).replace(" ##", "").strip()
        text = text.replace(" .", ".").replace(" ?", "?").replace(" !", "!").replace(" ,", ",").replace(" ' ", "'")
        for ending in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(f" {ending}", ending)
        return text

    def _pieces(self, word: str) -> list[int]:
        """Longest piece first; a word that cannot be covered is unknown as a whole."""
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [UNKNOWN]
        return found


def _words(text: str) -> list[str]:
    """Lower case without accents; punctuation and CJK characters stand alone, control characters vanish."""
    spaced = "".join(_spaced(character) for character in text)
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFC", spaced).lower())
    plain = "".join(character for character in plain if unicodedata.category(character) != "Mn")
    return "".join(f" {character} " if _is_punctuation(character) else character for character in plain).split()


def _spaced(character: str) -> str:
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    if character == "\ufffd" or unicodedata.category(character).startswith("C"):
        return ""
    return f" {character} " if _is_cjk(ord(character)) else character


def _is_punctuation(character: str) -> bool:
    ascii_symbol = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return ascii_symbol or unicodedata.category(character).startswith("P")


def _is_cjk(point: int) -> bool:
    return any(first <= point <= last for first, last in _CJK)


_CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)),
    *((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
