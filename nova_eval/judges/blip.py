"""BLIP: is this in the image, yes or no?

Network: BLIP VQA with ViT-B/16 and CapFilt-L (salesforce/BLIP, BSD-3-Clause), as T2I-CompBench asks it about every noun
phrase of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from nova_eval.judges.blip_network import ENC, NO, SIZE, YES, build
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.pixels import CLIP_MEAN, CLIP_STD, normalised
from nova_eval.judges.resizing import in_batches, resized
from nova_eval.judges.wordpiece import PAD, SEP, WordPiece
from nova_eval.protocols import Floats, Frames

LONGEST = 35  # ids of a question, its two ends included


class BLIPVQA:
    """A ``YesNoAnswerer``: the probability of "yes" against "no" as the first word of the answer.

    ``weights`` is the official ``model_base_vqa_capfilt_large.pth``, ``vocabulary`` bert-base-uncased's ``vocab.txt``
    (defaults: where the pinned files lie). ``batch`` images are looked at together, each encoded once for all its
    questions, and ``questions`` at most are asked about them at once.
    """

    name = "blip_vqa"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 8,
        questions: int = 32,
        vocabulary: Path | None = None,
    ) -> None:
        self.hosted = Hosted(
            self.name,
            self.VERSION,
            weights="blip_vqa_capfilt_large",
            path=weights,
            dtype=dtype,
            build=build,
            also={"bert_base_uncased_vocab": vocabulary},
        )
        self._batch, self._questions = batch, questions
        self.digest = self.hosted.digest

    def to(self, device: str) -> BLIPVQA:
        self.hosted.to(device)
        return self

    def probability_of_yes(self, frames: Frames, questions: Sequence[str]) -> Floats:
        """uint8 (N, H, W, 3) and Q questions → (N, Q)."""
        return self.probabilities(frames, [self.question_ids(question) for question in questions])

    def probabilities(self, frames: Frames, questions: Sequence[Sequence[int]]) -> Floats:
        """The same for questions given as ids. MediaError without a frame."""

        def answer(some: Frames) -> Tensor:
            network = self.hosted.network
            image = network.image_tokens(self.hosted.place(preprocess(some)))
            parts = [questions[start : start + self._questions] for start in range(0, len(questions), self._questions)]
            asked = [network.first_word(padded(part).to(image.device), image) for part in parts]
            return torch.cat([yes_against_no(logits) for logits in asked] or [torch.empty(len(some), 0)], dim=1)

        return in_batches(frames, self._batch, answer)

    def question_ids(self, question: str) -> list[int]:
        """[ENC], the pieces of the question (the end of a long one is lost), [SEP]."""
        return [ENC, *self._pieces.encode(question)[: LONGEST - 2], SEP]

    @cached_property
    def _pieces(self) -> WordPiece:
        return WordPiece.read(self.hosted.files["bert_base_uncased_vocab"])


def preprocess(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, 480, 480): Pillow's bicubic, the aspect ratio not kept, normalised."""
    return normalised(resized(frames, SIZE, SIZE, "bicubic"), CLIP_MEAN, CLIP_STD)


def padded(questions: Sequence[Sequence[int]]) -> Tensor:
    """(Q, longest) ids."""
    longest = max(map(len, questions))
    return torch.tensor([[*ids, *[PAD] * (longest - len(ids))] for ids in questions])


def yes_against_no(logits: Tensor) -> Tensor:
    """(…, words) → (…): what of the two words' probability is "yes"'s."""
    return logits[..., [YES, NO]].float().softmax(-1)[..., 0]
