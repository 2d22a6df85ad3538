"""BERT's uncased WordPiece: text to ids and back, as ``BertTokenizer`` of transformers 4.33 does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece as Pieces
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from nova_eval import reading
from nova_eval.errors import PrerequisiteError

PAD, UNKNOWN, CLS, SEP, MASK = 0, 100, 101, 102, 103
SPECIAL = frozenset({PAD, UNKNOWN, CLS, SEP, MASK})
LONGEST_WORD = 100
_CLEAN = BertNormalizer(strip_accents=False, lowercase=False)


class WordPiece:
    """A vocabulary, one piece an id; pieces inside a word start with ``##``. Special tokens written out are text."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = list(pieces)
        numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self._tokenizer = Tokenizer(
            Pieces(numbers, unk_token=self.pieces[UNKNOWN], max_input_chars_per_word=LONGEST_WORD)
        )
        self._tokenizer.normalizer = BertNormalizer(
            clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
        )
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    @classmethod
    def read(cls, path: Path) -> WordPiece:
        """``vocab.txt``: one piece a line. PrerequisiteError for a file that is not bert-base-uncased's."""
        pieces = reading.text(path, error=PrerequisiteError).split("\n")
        if pieces[-1] == "":
            pieces.pop()
        if len(pieces) <= MASK or [pieces[SEP], pieces[CLS]] != ["[SEP]", "[CLS]"]:
            raise PrerequisiteError(f"{path} is not the vocabulary of bert-base-uncased", remedy="fetch it again")
        return cls(pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without [CLS] and [SEP]."""
        lowered = _CLEAN.normalize_str(text).lower()  # Python's, which knows the sigma at the end of a word
        ids: list[int] = self._tokenizer.encode(lowered, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; special tokens and ids beyond the vocabulary are left out."""
        kept = [self.pieces[number] for number in ids if number not in SPECIAL and number < len(self.pieces)]
        text = " ".join(kept).replace(" ##", "").strip()
        text = text.replace(" .", ".").replace(" ?", "?").replace(" !", "!").replace(" ,", ",").replace(" ' ", "'")
        for ending in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(f" {ending}", ending)
        return text
