"""Recorded answers of the official ViCLIP and UMT code against this package's judges and scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_eval.adapters.vbench.action import THRESHOLD, TOP, top_indices
from nova_eval.checks.parity.compare import (
    decide,
    decision,
    exact,
    largest,
    remembering,
    result,
    summary,
    watching,
)
from nova_eval.checks.parity.text_kit import frames, write_weights
from nova_eval.protocols import Floats
from nova_eval.records import ParityResult

FEATURES, LOGITS, LAYERS, PIXELS = 2e-6, 1e-4, 1e-4, 1e-6


def viclip(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Texts, then clips; every clip with every text through the rule of ``overall_consistency``."""
    import torch

    from nova_eval.judges.viclip import ViCLIP, preprocess

    judge: Any = ViCLIP(weights).to(device)
    network = judge.hosted.network
    for text in recorded["texts"]:
        case = f"viclip/{text['prompt'][:40]}"
        yield exact(case, "token ids", text["token_ids"], judge.token_ids(text["prompt"]).tolist())
        feature = judge.text_feature(text["prompt"])
        yield result(case, "text feature", summary(text["text_feature"], feature[None]), FEATURES)
    for number, video in enumerate(recorded["videos"]):
        case, clip = f"viclip/video {number}", frames(video["input"])
        yield result(case, "frames", summary(video["input"]["frames_check"], clip), PIXELS)
        yield result(case, "preprocessed", summary(video["preprocessed"], preprocess(clip)), PIXELS)
        encoder = network.vision_encoder
        blocks = encoder.transformer.resblocks
        modules: dict[str, torch.nn.Module] = {"conv1": encoder.conv1, "ln_pre": encoder.ln_pre}
        modules |= {f"block{place} (NBD)": block for place, block in enumerate(blocks)}
        with watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen:
            feature = judge.video_feature(clip)
        for name, (layer,) in seen.items():
            answer = layer.transpose(0, 1) if name.endswith("(NBD)") else layer
            yield result(case, f"layer {name}", summary(video["layers"][name], answer), LAYERS)
        wrong = summary(video["vision_feature"], feature[None])
        values = video["vision_feature"]["values"]
        wrong = max(wrong, largest(values, feature[: len(values)].tolist()))
        yield result(case, "video feature", wrong, FEATURES)
        judge.video_feature = lambda clip, known=feature: known
        scores = [decide("overall_consistency", judge, [clip], text["prompt"], {})[0] for text in recorded["texts"]]
        del judge.video_feature
        yield result(case, "scores", largest(video["scores"], scores), FEATURES)
        mean = sum(score or 0.0 for score in scores) / len(scores)
        yield result(case, "mean score", abs(mean - video["mean_score"]), FEATURES)


def umt(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Clips on the file without a position table, then those on a file that has one."""
    from nova_eval.judges.umt import CROP, FRAMES, UMT, sinusoid_positions

    table = sinusoid_positions(FRAMES, CROP // 16, 1024)
    wrong = [summary(recorded["pos_table"], table)]
    wrong += [largest(row, table[0, int(place), : len(row)]) for place, row in _rows(recorded["pos_table"])]
    yield result("umt", "position table", max(wrong), PIXELS)
    own_table = [entry for entry in [recorded.get("pos_embed_entry_of_with_pos_embed_cases")] if entry]
    for stored in (False, True):
        given = [bool(video["input"].get("with_pos_embed")) for video in recorded["videos"]]
        videos = [pair for pair, own in zip(enumerate(recorded["videos"]), given, strict=True) if own == stored]
        if videos:
            if stored and own_table:
                weights = write_weights(folder, recorded["weights_seed"], weights.parent, own_table)
            judge = UMT(weights).to(device)
            for number, video in videos:
                yield from _umt_video(f"umt/video {number}", video, judge)


def _rows(table: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    return [pair for name, rows in table.items() if name.startswith("rows_first") for pair in rows.items()]


def _umt_video(case: str, video: Mapping[str, Any], judge: Any) -> Iterator[ParityResult]:
    import numpy as np

    from nova_eval.judges.umt import preprocess

    clip = frames(video["input"])
    yield result(case, "frames", summary(video["input"]["frames_check"], clip), PIXELS)
    yield result(case, "preprocessed", summary(video["preprocessed"], preprocess(clip)), PIXELS)
    network = judge.hosted.network
    modules = {"patch_embed": network.patch_embed, "fc_norm": network.fc_norm}
    modules |= {f"block{place}": block for place, block in enumerate(network.blocks)}
    with watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen:
        names, logits = judge.action_logits(clip)
    for name, (layer,) in seen.items():
        yield result(case, f"layer {name}", summary(video["layers"][name], layer), LAYERS)
    yield result(case, "logits", largest(video["logits"], logits), LOGITS)
    probabilities: Floats = 1 / (1 + np.exp(-logits))
    best = top_indices(probabilities, TOP)
    places = [[place, names[place].lower()] for place in best]
    yield exact(case, "top classes", [row[:2] for row in video["top5"]], places)
    yield result(case, "top probabilities", largest([row[2] for row in video["top5"]], probabilities[best]), LOGITS)
    accepted = [names[place].lower() for place in best if round(float(probabilities[place]), 4) >= THRESHOLD]
    yield exact(case, "accepted", video["accepted"], accepted)
    judge.action_logits = remembering(lambda clip: (names, logits))
    for recorded in video["decisions"]:
        path = recorded["path"]
        found = decide("human_action", judge, [clip], path, {}, file_name=lambda prompt, sample: prompt.text)
        wanted = {"score": recorded["score"], "videos": [{"video_results": recorded["video_results"]}]}
        yield decision(f"{case}/{path}", wanted, found, 0.0)
    del judge.action_logits
