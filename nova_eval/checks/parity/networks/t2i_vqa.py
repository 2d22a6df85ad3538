"""Recorded answers of the official BLIP, mPLUG and CLIPScore code against this package's judges."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nova_eval.checks.parity.compare import exact, largest, result, watching
from nova_eval.checks.parity.networks.mplug import mplug_large, searches
from nova_eval.checks.parity.t2i_vqa_kit import (
    image,
    sampled,
    within,
    write_vocabulary,
    write_weights,
)
from nova_eval.errors import UsageError, unknown
from nova_eval.records import ParityResult

Replay = Callable[[Mapping[str, Any], Mapping[str, Any], Path, Path, str], Iterator[ParityResult]]

PIXELS = 1e-6
STATES, LOGITS, PROBABILITY, LAST_DECIMAL = 2e-5, 2e-5, 2e-6, 1.5e-4
FEATURES, SIMILARITY = 1e-5, 1e-6


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/golden.json``, one result a quantity; the note of a failed one says what differs.

    Weights are written to a temporary file (at most 3 GB) and loaded as published ones are.
    """
    if folder.name not in REPLAYS:
        raise unknown("recorded judge", folder.name, REPLAYS)
    try:
        recorded = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        arrays = dict(np.load(folder / "golden.npz")) if (folder / "golden.npz").is_file() else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} cannot be read: {error!r}", remedy="restore the recording") from error
    yield from searches(folder)
    with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
        try:
            for found in REPLAYS[folder.name](recorded, arrays, folder, Path(files), device):
                yield ParityResult(f"t2i {found.case}", found.difference, found.tolerance, found.unit, found.note)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            yield ParityResult(f"t2i {folder.name} is replayed to its end", math.inf, 0.0, "exact", note)


def blip_vqa(
    recorded: Mapping[str, Any], arrays: Mapping[str, Any], folder: Path, files: Path, device: str
) -> Iterator[ParityResult]:
    """All questions about an image together; then the first alone, which must not change its answer."""
    from nova_eval.judges.blip import BLIPVQA, LONGEST, preprocess
    from nova_eval.judges.blip_network import ENC, NO, YES

    weights = write_weights(folder, recorded["weights_seed"], files)
    judge = BLIPVQA(weights, vocabulary=write_vocabulary(files)).to(device)
    network = judge.hosted.network
    parts = {"image": network.visual_encoder.norm, "question": network.text_encoder, "answer": network.text_decoder}
    for number, case in enumerate(recorded["cases"]):
        title, frames = f"blip_vqa/image {number}", image(case["image"])
        questions = [[ENC, *within(ids, LONGEST)[1:]] for ids in case["question_ids"]]
        yield result(title, "input", sampled(case["input"], preprocess(frames)), PIXELS)
        with watching(parts) as seen:
            (answers,) = judge.probabilities(frames, questions)
        (tokens,), (states,), (logits,) = seen.values()
        yield result(title, "image tokens", sampled(case["image_embeds"], tokens), STATES)
        wrong = [sampled(case["question_states"], states), _corner(arrays, f"question_states_{number}", states)]
        yield result(title, "question states", max(wrong), STATES)
        wrong = [sampled(case["logits"], logits), _corner(arrays, f"logits_head_{number}", logits)]
        wrong += [largest(case[f"logit_{word}"], logits[:, place].cpu()) for word, place in (("yes", YES), ("no", NO))]
        yield result(title, "logits", max(wrong), LOGITS)
        yield exact(title, "likeliest first word", case["argmax_token"], logits.argmax(-1).tolist())
        yield result(title, "P(yes)", largest(case["probability_yes"], answers), PROBABILITY)
        printed = [float(f"{answer:.4f}") for answer in answers]
        yield result(title, "answers in print", largest(list(map(float, case["answer_text"])), printed), LAST_DECIMAL)
        alone = judge.probabilities(frames, questions[:1])[0]
        yield result(
            title, "P(yes) of the first question alone", largest(case["probability_yes"][:1], alone), PROBABILITY
        )


def clip_vit_b32(
    recorded: Mapping[str, Any], arrays: Mapping[str, Any], folder: Path, files: Path, device: str
) -> Iterator[ParityResult]:
    """Every prompt with every image."""
    from nova_eval.judges.clip import CLIPScoreViTB32, preprocess, text_ids

    judge = CLIPScoreViTB32(write_weights(folder, recorded["weights_seed"], files)).to(device)
    for number, (prompt, ids) in enumerate(zip(recorded["prompts"], recorded["token_ids_first_20"], strict=True)):
        title = f"clip_vit_b32/{prompt[:40]}"
        yield exact(title, "ids", ids, text_ids(prompt)[0, : len(ids)].tolist())
        yield result(title, "feature", largest(arrays["text_features"][number], judge.encode_text(prompt)), FEATURES)
    for number, case in enumerate(recorded["cases"]):
        title, frames = f"clip_vit_b32/image {number}", image(case["image"])
        yield result(title, "input", sampled(case["input"], preprocess(frames, "pil")), PIXELS)
        features = judge.encode_images(frames, "pil")
        yield result(title, "feature", largest(arrays[f"image_features_{number}"], features), FEATURES)
        cosines = [float(judge.image_text_similarity(frames, prompt)[0]) for prompt in recorded["prompts"]]
        yield result(title, "similarity", largest(case["similarity"], cosines), SIMILARITY)


def _corner(arrays: Mapping[str, Any], name: str, tensor: Any) -> float:
    """The first values of each dimension, as far as they were recorded."""
    if name not in arrays:
        return 0.0
    first = tuple(slice(length) for length in arrays[name].shape)
    return largest(arrays[name], tensor[first].cpu())


REPLAYS: Mapping[str, Replay] = {"blip_vqa": blip_vqa, "mplug_large": mplug_large, "clip_vit_b32": clip_vit_b32}
