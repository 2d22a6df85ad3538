"""Recorded answers of the official Tag2Text code against this package's judge and the rule of ``scene``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval import weights as pinned
from nova_eval.adapters.vbench.scene import OFFICIAL_CAPTION_ROWS_PER_FRAME as ROWS
from nova_eval.checks.parity.compare import Ranked, compared, compared_ranks, listening, result, watching
from nova_eval.checks.parity.items import frames, item
from nova_eval.checks.parity.rules.sections import remembering
from nova_eval.checks.parity.rules.vbench import RULES_OF, decide
from nova_eval.checks.parity.weight_files import write_vocabulary
from nova_eval.media import encode_video, read
from nova_eval.protocols import Frames
from nova_eval.records import ParityResult, Prompt

if TYPE_CHECKING:
    from torch import Tensor

LOGITS, LAYERS, PIXELS = 1e-3, 1e-3, 1e-6
CHUNKS = 4
UNNAMED = "?"


def tag2text(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Clips, then decoding at 384 × 384.

    Without the pinned list of tags, their names come from the recording; what is then compared of them is that the
    tags found are as many as the names recorded.
    """
    from nova_eval.judges.tag2text import TAGS, Tag2Text

    files = weights.parent
    words, pinned_names = write_vocabulary(files), pinned.find("tag2text_tags")
    names = pinned_names or files / "tags.txt"
    if pinned_names is None:
        names.write_text("\n".join([UNNAMED] * TAGS), encoding="utf-8")
    judge = Tag2Text(weights, vocabulary=words, tags=names).to(device)
    for number, video in enumerate(recorded["videos"]):
        yield from _video(f"vbench tag2text/video {number}", video, judge, None if pinned_names else names)
    for number, case in enumerate(recorded.get("mp4_frames_through_decord_384", ())):
        yield from _decoded(f"vbench tag2text/mp4 {number}", case)


def _video(case: str, video: Mapping[str, Any], judge: Any, names: Path | None) -> Iterator[ParityResult]:
    import torch

    from nova_eval.judges.tag2text import preprocess

    clip, network = frames(video["input"]), judge.hosted.network
    if "frames_check" in video["input"]:
        yield compared(case, "frames", video["input"]["frames_check"], clip, PIXELS)
    images = preprocess(clip)
    yield compared(case, "preprocessed", video["preprocessed"], images, PIXELS)
    encoder = network.visual_encoder
    modules = {"patch_embed": encoder.patch_embed}
    modules |= {f"swin_layer{place}": encoder.layers[place + 1].downsample for place in range(3)}
    parts = judge.hosted.place(images).chunk(CHUNKS)
    with (
        torch.inference_mode(),
        watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen,
    ):
        tokens = torch.cat([network.image_tokens(part) for part in parts])
    for name, layers in seen.items():
        whole = torch.cat(layers).flatten(1, -2)
        yield compared(case, f"layer {name}", video["layers"][name], whole, LAYERS)
    yield compared(case, "image tokens", video["image_embeds"], tokens, LAYERS)
    means = tokens.double().mean((1, 2)).tolist()
    yield compared(case, "image tokens of each frame", video["image_embeds_frame_mean"], means, LAYERS)
    with torch.inference_mode(), listening(network.tag_encoder, "look") as looked:
        logits = torch.cat([network.tag_logits(part) for part in tokens.chunk(CHUNKS)])
    yield compared(case, "tag states", video["mlr_tag_embedding"], torch.cat(looked), LAYERS)
    del looked
    yield compared(case, "tag logits", video["tag_logits"], logits, LOGITS)
    if names is not None:
        judge = _named(judge, names, logits, video["frames"])
    yield from _tags(case, video, judge, tokens, logits)
    yield from _captions(case, video, judge, clip)


def _named(judge: Any, path: Path, logits: Tensor, recorded: Sequence[Mapping[str, Any]]) -> Any:
    """The judge with names for the tags that are on in frames of which as many names were recorded."""
    from nova_eval.judges.tag2text import Tag2Text, tags_on

    names = path.read_text(encoding="utf-8").split("\n")
    for row, on in enumerate(tags_on(logits)):
        known = recorded[row * ROWS]["tags"].split(" | ") if row * ROWS < len(recorded) else []
        for number, name in zip(on, known, strict=False) if len(on) == len(known) else ():
            names[number] = name
    path.write_text("\n".join(names), encoding="utf-8")
    named = Tag2Text(judge.hosted.path, vocabulary=judge.hosted.files["bert_base_uncased_vocab"], tags=path)
    named.hosted = judge.hosted
    return named


def _tags(case: str, video: Mapping[str, Any], judge: Any, tokens: Tensor, logits: Tensor) -> Iterator[ParityResult]:
    """The recorded names of row i are frame i // 3's; the ids are each frame's own."""
    import torch

    from nova_eval.judges.tag2text import BEAMS, OFFICIAL_TAG_THRESHOLD

    recorded, network = video["frames"], judge.hosted.network
    strongest = [frame["tag_logits_top12"] for frame in recorded]
    found = [[float(row[place]) for place, _ in top] for row, top in zip(logits, strongest, strict=True)]
    yield compared(case, "strongest tags", [[value for _, value in top] for top in strongest], found, LOGITS)
    over = (torch.sigmoid(logits.float()) > OFFICIAL_TAG_THRESHOLD).sum(1).tolist()
    yield compared(case, "tags over the threshold", [frame["n_over_threshold"] for frame in recorded], over)
    texts = judge.tag_text(logits)
    rows = [texts[place // ROWS] for place in range(len(recorded))]
    yield compared(case, "tag names", [frame["tags"] for frame in recorded], rows)
    ids = [
        frame["encoder_ids"] if UNNAMED in text else judge.tag_ids(text)
        for frame, text in zip(recorded, texts, strict=True)
    ]
    yield compared(case, "tag ids", [frame["encoder_ids"] for frame in recorded], ids)
    with torch.inference_mode():
        states = network.tag_encoder(torch.tensor(ids, device=tokens.device), tokens)
        yield compared(case, "read tags", video["tag_encoder_output"], states.repeat_interleave(BEAMS, dim=0), LAYERS)
        yield compared(case, "prompt ids", video["decoder_prompt_ids"], judge.prompt_ids)
        sources = [layer.crossattention.keys_values(states[:1]) for layer in network.text_decoder.layer]
        prompt = torch.tensor([judge.prompt_ids], device=tokens.device)
        first = network.text_decoder.next_words(prompt, 0, [], sources)[0]
    wanted = [Ranked(word, value) for word, value in video["first_step_top5"]]
    best = masked(first, len(judge.prompt_ids)).topk(len(wanted))
    top = [Ranked(*pair) for pair in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    yield from compared_ranks(case, ("first words", "first log-probabilities"), wanted, top, LOGITS)[:2]


def masked(log_probabilities: Tensor, length: int) -> Tensor:
    """Next words as the official search ranks them: a caption shorter than its least length cannot end."""
    from nova_eval.judges.tag2text import MIN_LENGTH
    from nova_eval.judges.wordpiece import SEP

    allowed = log_probabilities.clone()
    if length < MIN_LENGTH:
        allowed[..., SEP] = -math.inf
    return allowed


def _captions(case: str, video: Mapping[str, Any], judge: Any, clip: Frames) -> Iterator[ParityResult]:
    """The captions of the rows that the official code answers, then the scenes that they decide."""
    recorded = video["frames"]
    hypotheses = judge.hypotheses(clip[np.arange(len(clip)) // ROWS])
    ids = [list(hypothesis.ids) for hypothesis in hypotheses]
    yield compared(case, "caption ids", [_trimmed(frame["output_ids"]) for frame in recorded], ids)
    wanted = [frame["sequence_score"] for frame in recorded]
    yield compared(case, "caption scores", wanted, [hypothesis.score for hypothesis in hypotheses], LOGITS)
    known = dict(zip((row.tobytes() for row in clip[np.arange(len(clip)) // ROWS]), hypotheses, strict=True))
    judge.hypotheses = remembering(lambda rows: [known[row.tobytes()] for row in rows])
    judge.input_size = None  # the recorded frames were scaled after decoding
    captions = judge.caption(clip[np.arange(len(clip)) // ROWS])
    yield compared(case, "captions", [frame["caption"] for frame in recorded], captions)
    for scene in video["decisions"]:
        prompt = Prompt("case/0000", "", ("scene",), {"scene": scene["scene"]})
        shown = item(prompt, clip, 0, 8.0)
        (record,) = decide(RULES_OF["scene"].with_settings(frames=None), [shown], judge)["videos"]
        found = [record["success_frame_count"], record["frame_count"]]
        yield compared(f"{case}/{scene['scene']}", "frames", [scene["count"], scene["frames"]], found)
    del judge.hypotheses, judge.input_size


def _trimmed(ids: list[int]) -> list[int]:
    """Without the end and the padding behind it."""
    from nova_eval.judges.wordpiece import SEP

    return ids[: ids.index(SEP)] if SEP in ids else ids


def _decoded(case: str, recorded: Mapping[str, Any]) -> Iterator[ParityResult]:
    """A lossless video decoded at the size of the network's input."""
    from nova_eval.judges.tag2text import SIZE, preprocess

    if recorded.get("mp4_loss_max", 0):
        yield result(case, "recorded from a lossy file", math.inf)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        path.write_bytes(encode_video(frames(recorded["input"]), 8.0, "h264-lossless"))
        scaled = read(path).at_size(SIZE, SIZE)
    yield compared(case, "scaled while decoding", recorded["resized_uint8"], scaled)
    yield compared(case, "preprocessed", recorded["preprocessed"], preprocess(scaled), PIXELS)
