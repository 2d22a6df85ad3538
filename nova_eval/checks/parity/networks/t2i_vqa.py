"""Recorded answers of the official BLIP, mPLUG and CLIPScore code against this package's judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.checks.parity.compare import compared, watching
from nova_eval.checks.parity.items import frames, within
from nova_eval.checks.parity.networks.mplug import mplug_large
from nova_eval.checks.parity.weight_files import write, write_vocabulary
from nova_eval.errors import unknown
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

PIXELS = 1e-6
STATES, LOGITS, PROBABILITY, LAST_DECIMAL = 2e-5, 2e-5, 2e-6, 1.5e-4
FEATURES, SIMILARITY = 1e-5, 1e-6


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording. Weights are written to a temporary file (at most 3 GB) and loaded as published."""
    if recording.judge not in JUDGES:
        raise unknown("recorded judge", recording.judge, JUDGES)
    yield from JUDGES[recording.judge](recording, files, device)


def blip_vqa(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """All questions about an image together; then the first alone, which must not change its answer."""
    from nova_eval.judges.blip import BLIPVQA, LONGEST, preprocess
    from nova_eval.judges.blip_network import ENC, NO, YES

    recorded, arrays = recording.content("cases"), recording.arrays()
    weights = write("blip_vqa", recorded["weights_seed"], files, recording.folder)
    judge = BLIPVQA(weights, vocabulary=write_vocabulary(files)).to(device)
    network = judge.hosted.network
    parts = {"image": network.visual_encoder.norm, "question": network.text_encoder, "answer": network.text_decoder}
    for number, case in enumerate(recorded["cases"]):
        title, shown = f"t2i blip_vqa/image {number}", frames(case["image"])
        questions = [[ENC, *within(ids, LONGEST)[1:]] for ids in case["question_ids"]]
        yield compared(title, "input", case["input"], preprocess(shown), PIXELS)
        with watching(parts) as seen:
            (answers,) = judge.probabilities(shown, questions)
        (tokens,), (states,), (logits,) = (values for values in seen.values())
        yield compared(title, "image tokens", case["image_embeds"], tokens, STATES)
        head = _corner(arrays, f"question_states_{number}", states)
        yield compared(title, "question states", [case["question_states"], *head[0]], [states, *head[1]], STATES)
        head = _corner(arrays, f"logits_head_{number}", logits)
        wanted = [case["logits"], case["logit_yes"], case["logit_no"], *head[0]]
        yield compared(title, "logits", wanted, [logits, logits[:, YES], logits[:, NO], *head[1]], LOGITS)
        yield compared(title, "likeliest first word", case["argmax_token"], logits.argmax(-1))
        yield compared(title, "P(yes)", case["probability_yes"], answers, PROBABILITY)
        printed = [float(f"{answer:.4f}") for answer in answers]
        yield compared(title, "answers in print", list(map(float, case["answer_text"])), printed, LAST_DECIMAL)
        alone = judge.probabilities(shown, questions[:1])[0]
        yield compared(title, "P(yes) of the first question alone", case["probability_yes"][:1], alone, PROBABILITY)


def clip_vit_b32(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every prompt with every image."""
    from nova_eval.judges.clip import CLIPScoreViTB32, preprocess, text_ids

    recorded, arrays = recording.content("cases"), recording.arrays()
    judge = CLIPScoreViTB32(write("clip_vit_b32", recorded["weights_seed"], files, recording.folder)).to(device)
    for number, (prompt, ids) in enumerate(zip(recorded["prompts"], recorded["token_ids_first_20"], strict=True)):
        title = f"t2i clip_vit_b32/{prompt[:40]}"
        yield compared(title, "ids", ids, text_ids(prompt)[0, : len(ids)])
        yield compared(title, "feature", arrays["text_features"][number], judge.encode_text(prompt), FEATURES)
    for number, case in enumerate(recorded["cases"]):
        title, shown = f"t2i clip_vit_b32/image {number}", frames(case["image"])
        yield compared(title, "input", case["input"], preprocess(shown, "pil"), PIXELS)
        yield compared(
            title, "feature", arrays[f"image_features_{number}"], judge.encode_images(shown, "pil"), FEATURES
        )
        cosines = [float(judge.image_text_similarity(shown, prompt)[0]) for prompt in recorded["prompts"]]
        yield compared(title, "similarity", case["similarity"], cosines, SIMILARITY)


def _corner(arrays: Mapping[str, Any], name: str, tensor: Any) -> tuple[list[Any], list[Any]]:
    """The first values of each dimension, as far as they were recorded, and those found there."""
    if name not in arrays:
        return [], []
    return [arrays[name]], [tensor[tuple(slice(length) for length in arrays[name].shape)].cpu()]


JUDGES: Mapping[str, Callable[[Recording, Path, str], Iterator[ParityResult]]] = {
    "blip_vqa": blip_vqa,
    "mplug_large": mplug_large,
    "clip_vit_b32": clip_vit_b32,
}
