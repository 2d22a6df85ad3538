"""mPLUG: what is the answer to a question about an image?

Network: mPLUG-large for visual questions (X-PLUG/mPLUG, Apache-2.0; modelscope
``damo/mplug_visual-question-answering_coco_large_en``), as DPG-Bench asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from nova_eval.errors import MediaError
from nova_eval.judges.bert import KeysValues
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.mplug_network import MPlug, build
from nova_eval.judges.mplug_search import Decoded, search
from nova_eval.judges.mplug_settings import Settings, read_settings
from nova_eval.judges.pixels import CLIP_MEAN, CLIP_STD, normalised
from nova_eval.judges.resizing import resized
from nova_eval.judges.wordpiece import CLS, PAD, SEP, WordPiece
from nova_eval.protocols import Frames

QUESTION_LENGTH = 25  # ids of a question, its two ends and its padding included


class MPlugLarge:
    """A ``VisualQuestionAnswerer``: the best answer of a beam search, in lower case.

    ``weights``, ``config`` and ``bert_config`` are the official ``pytorch_model.bin``, ``config.yaml`` and
    ``config_bert.json``, ``vocabulary`` is bert-base-uncased's ``vocab.txt`` (defaults: where the pinned files lie).
    ``batch`` images are looked at together, each encoded once for all its questions, and about ``answers`` answers are
    written at once.
    """

    name = "mplug_large"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 4,
        answers: int = 16,
        *,
        vocabulary: Path | None = None,
        config: Path | None = None,
        bert_config: Path | None = None,
    ) -> None:
        self.hosted = Hosted(
            self.name,
            self.VERSION,
            weights="mplug_large_vqa",
            path=weights,
            dtype=dtype,
            build=lambda state, path: build(state, path, self.settings),
            also={
                "bert_base_uncased_vocab": vocabulary,
                "mplug_large_vqa_config": config,
                "mplug_large_vqa_bert_config": bert_config,
            },
        )
        self._batch, self._answers = batch, answers
        self.digest = self.hosted.digest

    def to(self, device: str) -> MPlugLarge:
        self.hosted.to(device)
        return self

    @cached_property
    def settings(self) -> Settings:
        files = self.hosted.files
        return read_settings(files["mplug_large_vqa_config"], files["mplug_large_vqa_bert_config"])

    def answer(self, frames: Frames, questions: Sequence[str]) -> list[list[str]]:
        """uint8 (N, H, W, 3) and Q questions → N lists of Q answers. MediaError without a frame."""
        ids = [self.question_ids(question) for question in questions]
        return [[self._pieces.decode(found[0].ids) for found in row] for row in self.answers(frames, ids)]

    def answers(self, frames: Frames, questions: Sequence[Sequence[int]]) -> list[list[list[Decoded]]]:
        """For questions given as ids: all that the search found of each, best first."""
        if not len(frames):
            raise MediaError("there is no frame to look at")
        network, found = self.hosted.network, []
        with torch.inference_mode():
            for start in range(0, len(frames), self._batch):
                images = preprocess(frames[start : start + self._batch], self.settings.image_size)
                tokens = network.image_tokens(self.hosted.place(images))
                found += answers_about(network, tokens, questions, self.settings, self._answers)
        return found

    def question_ids(self, question: str) -> list[int]:
        """[CLS], the pieces of the question (the end of a long one is lost), [SEP]."""
        return [CLS, *self._pieces.encode(question)[: QUESTION_LENGTH - 2], SEP]

    @cached_property
    def _pieces(self) -> WordPiece:
        return WordPiece.read(self.hosted.files["bert_base_uncased_vocab"])


def preprocess(frames: Frames, size: int) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, size, size): Pillow's bicubic, the aspect ratio not kept, normalised."""
    return normalised(resized(frames, size, size, "bicubic"), CLIP_MEAN, CLIP_STD)


def padded(questions: Sequence[Sequence[int]]) -> Tensor:
    """(Q, 25) ids."""
    return torch.tensor([[*ids, *[PAD] * (QUESTION_LENGTH - len(ids))] for ids in questions])


def answers_about(
    network: MPlug, tokens: Tensor, questions: Sequence[Sequence[int]], settings: Settings, at_once: int
) -> list[list[list[Decoded]]]:
    """Image tokens (N, …) and Q questions → N lists of Q searches, about ``at_once`` of them run together."""
    some = max(1, at_once // len(tokens))
    found: list[list[list[Decoded]]] = [[] for _ in tokens]
    for start in range(0, len(questions), some):
        part = padded(questions[start : start + some]).to(tokens.device)
        sources, seen = network.read(part, tokens)
        answers = written(network, sources, seen, settings)
        for number, about in enumerate(found):
            about.extend(answers[number * len(part) : (number + 1) * len(part)])
    return found


def written(network: MPlug, sources: list[KeysValues], seen: Tensor, settings: Settings) -> list[list[Decoded]]:
    """What the decoder looks at, and which of its places count → the answers to each item, best first."""
    past: list[KeysValues] = []
    length = 0

    def step(ids: Tensor, parents: Tensor) -> Tensor:
        nonlocal past, length, sources, seen
        items = parents[:: settings.beams] // settings.beams
        if len(items) < len(seen):
            sources, seen = [(keys[items], values[items]) for keys, values in sources], seen[items]
        past = [(keys[parents], values[parents]) for keys, values in past]
        length += 1
        return network.text_decoder.next_words(ids, length - 1, past, sources, seen)

    run = partial(search, beams=settings.beams, min_length=settings.min_length, max_length=settings.max_length)
    return run(step, len(seen), start=CLS, end=SEP, device=str(seen.device))
