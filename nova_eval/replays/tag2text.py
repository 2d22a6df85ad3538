"""Recorded answers of the official Tag2Text code against this package's judge and the rule of ``scene``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval import weights as pinned
from nova_eval.benchmarks.vbench.scene import OFFICIAL_CAPTION_ROWS_PER_FRAME as ROWS
from nova_eval.media import encode_video, read
from nova_eval.protocols import Frames
from nova_eval.records import ParityResult
from nova_eval.replays.measures import decide, exact, largest, remembering, result, summary, watching
from nova_eval.replays.stand_ins import listening
from nova_eval.replays.text_kit import frames, vocabulary, write_weights

if TYPE_CHECKING:
    from torch import Tensor

LOGITS, LAYERS, PIXELS = 1e-3, 1e-3, 1e-6
FRAMES_AT_ONCE = 4


def tag2text(recorded: Mapping[str, Any], folder: Path, files: Path, device: str) -> Iterator[ParityResult]:
    """Clips, then decoding at 384 × 384. Without the pinned list of tags, names are taken from the recording."""
    from nova_eval.judges.tag2text import TAGS, Tag2Text

    words, names = files / "vocab.txt", pinned.find("tag2text_tags") or files / "tags.txt"
    words.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    invented = [f"tag {number}" for number in range(TAGS)]
    if names.parent == files:
        names.write_text("\n".join(invented), encoding="utf-8")
    path = write_weights(folder, recorded["weights_seed"], files)
    judge = Tag2Text(path, vocabulary=words, tags=names).to(device)
    for number, video in enumerate(recorded["videos"]):
        yield from _video(f"tag2text/video {number}", video, judge, invented if names.parent == files else None)
    for number, case in enumerate(recorded.get("mp4_frames_through_decord_384", ())):
        yield from _decoded(f"tag2text/mp4 {number}", case)


def _video(case: str, video: Mapping[str, Any], judge: Any, invented: list[str] | None) -> Iterator[ParityResult]:
    import torch

    from nova_eval.judges.tag2text import preprocess

    clip, network = frames(video["input"]), judge.hosted.network
    if "frames_check" in video["input"]:
        yield result(case, "frames", summary(video["input"]["frames_check"], clip), PIXELS)
    images = preprocess(clip)
    yield result(case, "preprocessed", summary(video["preprocessed"], images), PIXELS)
    encoder = network.visual_encoder
    modules = {"patch_embed": encoder.patch_embed}
    modules |= {f"swin_layer{place}": encoder.layers[place + 1].downsample for place in range(3)}
    parts = judge.hosted.place(images).split(FRAMES_AT_ONCE)
    with (
        torch.inference_mode(),
        watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen,
    ):
        tokens = torch.cat([network.image_tokens(part) for part in parts])
    for name, layers in seen.items():
        whole = torch.cat(layers).flatten(1, -2)
        yield result(case, f"layer {name}", summary(video["layers"][name], whole), LAYERS)
    yield result(case, "image tokens", summary(video["image_embeds"], tokens), LAYERS)
    means = tokens.double().mean((1, 2)).tolist()
    yield result(case, "image tokens of each frame", largest(video["image_embeds_frame_mean"], means), LAYERS)
    with torch.inference_mode(), listening(network.tag_encoder, "look") as looked:
        logits = torch.cat([network.tag_logits(part) for part in tokens.split(FRAMES_AT_ONCE)])
    yield result(case, "tag states", summary(video["mlr_tag_embedding"], torch.cat(looked)), LAYERS)
    del looked
    yield result(case, "tag logits", summary(video["tag_logits"], logits), LOGITS)
    if invented is not None:
        judge.use_tag_names(_learned(invented, logits, video["frames"]))
    yield from _tags(case, video, judge, tokens, logits)
    yield from _captions(case, video, judge, clip)


def _learned(invented: list[str], logits: Tensor, recorded: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names for the tags that are on, from frames of which as many were recorded; the others keep invented ones."""
    from nova_eval.judges.tag2text import tags_on

    for row, on in enumerate(tags_on(logits)):
        place = row * ROWS
        if place < len(recorded) and recorded[place]["tags"]:
            known = recorded[place]["tags"].split(" | ")
            for number, name in zip(on, known, strict=False) if len(on) == len(known) else ():
                invented[number] = name
    return invented


def _tags(case: str, video: Mapping[str, Any], judge: Any, tokens: Tensor, logits: Tensor) -> Iterator[ParityResult]:
    """The recorded names of row i are frame i // 3's; the ids are each frame's own."""
    import torch

    recorded, network = video["frames"], judge.hosted.network
    probabilities = torch.sigmoid(logits.float()).cpu()
    wrong = 0.0
    for row, frame in enumerate(recorded):
        places = [place for place, _ in frame["tag_logits_top12"]]
        found = probabilities[row, places].tolist() if _is_probability(frame) else logits[row, places].tolist()
        wrong = max(wrong, largest([value for _, value in frame["tag_logits_top12"]], found))
    yield result(case, "strongest tags", wrong, LOGITS)
    over = (probabilities > video.get("threshold", 0.7)).sum(1).tolist()
    yield exact(case, "tags over the threshold", [frame["n_over_threshold"] for frame in recorded], over)
    texts = judge.tag_text(logits)
    rows = [texts[place // ROWS] for place in range(len(recorded))]
    yield exact(case, "tag names", [frame["tags"] for frame in recorded], rows)
    ids = [judge.tag_ids(text) for text in texts]
    if all(len(frame["tags"].split(" | ")) for frame in recorded):
        yield exact(case, "tag ids", [frame["encoder_ids"] for frame in recorded], ids)
    with torch.inference_mode():
        states = network.tag_encoder(torch.tensor(ids, device=tokens.device), tokens)
        rows_of_states = states.repeat_interleave(3, dim=0)
        yield result(case, "read tags", summary(video["tag_encoder_output"], rows_of_states), LAYERS)
        yield exact(case, "prompt ids", video["decoder_prompt_ids"], judge.prompt_ids)
        sources = [layer.crossattention.keys_values(states[:1]) for layer in network.text_decoder.layer]
        prompt = torch.tensor([judge.prompt_ids], device=tokens.device)
        first = network.text_decoder.next_words(prompt, 0, [], sources)[0]
    best = first.topk(len(video["first_step_top5"]))
    yield exact(case, "first words", [word for word, _ in video["first_step_top5"]], best.indices.tolist())
    expected = [value for _, value in video["first_step_top5"]]
    yield result(case, "first log-probabilities", largest(expected, best.values.tolist()), LOGITS)


def _is_probability(frame: Mapping[str, Any]) -> bool:
    return all(0 <= value <= 1 for _, value in frame["tag_logits_top12"])


def _captions(case: str, video: Mapping[str, Any], judge: Any, clip: Frames) -> Iterator[ParityResult]:
    """The captions of the rows that the official code answers, then the scenes that they decide."""
    recorded = video["frames"]
    hypotheses = judge.hypotheses(clip[np.arange(len(clip)) // ROWS])
    ids = [list(hypothesis.ids) for hypothesis in hypotheses]
    yield exact(case, "caption ids", [_trimmed(frame["output_ids"]) for frame in recorded], ids)
    scores = [hypothesis.score for hypothesis in hypotheses]
    wrong = largest([frame["sequence_score"] for frame in recorded], scores)
    yield result(case, "caption scores", wrong, LOGITS)
    known = dict(zip((row.tobytes() for row in clip[np.arange(len(clip)) // ROWS]), hypotheses, strict=True))
    judge.hypotheses = remembering(lambda rows: [known[row.tobytes()] for row in rows])
    judge.input_size = None  # the recorded frames were scaled after decoding
    captions = judge.caption(clip[np.arange(len(clip)) // ROWS])
    yield exact(case, "captions", [frame["caption"] for frame in recorded], captions)
    for scene in video["decisions"]:
        _, (record,) = decide("scene", judge, [clip], "", {"scene": scene["scene"]})
        found = [record["success_frame_count"], record["frame_count"]]
        yield exact(f"{case}/{scene['scene']}", "frames", [scene["count"], scene["frames"]], found)
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
    wrong = summary(recorded["resized_uint8"], scaled)
    yield result(case, "scaled while decoding", wrong)
    yield result(case, "preprocessed", summary(recorded["preprocessed"], preprocess(scaled)), PIXELS)
