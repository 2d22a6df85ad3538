"""Recorded answers of the official ViCLIP and UMT code against this package's judges and scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_eval.adapters.vbench.action import THRESHOLD, TOP, top_indices
from nova_eval.checks.parity.compare import Ranked, compared, compared_ranks, watching
from nova_eval.checks.parity.items import frames, item
from nova_eval.checks.parity.rules.sections import remembering
from nova_eval.checks.parity.rules.vbench import RULES_OF, decide, decided
from nova_eval.checks.parity.weight_files import write
from nova_eval.protocols import Floats
from nova_eval.records import ParityResult, Prompt

FEATURES, LOGITS, LAYERS, PIXELS = 2e-6, 1e-4, 1e-4, 1e-6


def viclip(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Texts, then clips; every clip with every text through the rule of ``overall_consistency``."""
    import torch

    from nova_eval.judges.viclip import ViCLIP, preprocess

    judge: Any = ViCLIP(weights).to(device)
    network = judge.hosted.network
    for text in recorded["texts"]:
        case = f"vbench viclip/{text['prompt'][:40]}"
        yield compared(case, "token ids", text["token_ids"], judge.token_ids(text["prompt"]))
        feature = judge.text_feature(text["prompt"])
        yield compared(case, "text feature", text["text_feature"], feature[None], FEATURES)
    for number, video in enumerate(recorded["videos"]):
        case, clip = f"vbench viclip/video {number}", frames(video["input"])
        yield compared(case, "frames", video["input"]["frames_check"], clip, PIXELS)
        yield compared(case, "preprocessed", video["preprocessed"], preprocess(clip), PIXELS)
        encoder = network.vision_encoder
        blocks = encoder.transformer.resblocks
        modules: dict[str, torch.nn.Module] = {"conv1": encoder.conv1, "ln_pre": encoder.ln_pre}
        modules |= {f"block{place} (NBD)": block for place, block in enumerate(blocks)}
        with watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen:
            feature = judge.video_feature(clip)
        for name, (layer,) in seen.items():
            answer = layer.transpose(0, 1) if name.endswith("(NBD)") else layer
            yield compared(case, f"layer {name}", video["layers"][name], answer, LAYERS)
        yield compared(case, "video feature", video["vision_feature"], feature[None], FEATURES)
        judge.video_feature = lambda clip, known=feature: known
        rule = RULES_OF["overall_consistency"].with_settings(frames=None)
        asked = [Prompt("case/0000", text["prompt"], (rule.name,)) for text in recorded["texts"]]
        scores = [decide(rule, [item(prompt, clip, 0, 8.0)], judge)["score"] for prompt in asked]
        del judge.video_feature
        yield compared(case, "scores", video["scores"], scores, FEATURES)
        mean = sum(score or 0.0 for score in scores) / len(scores)
        yield compared(case, "mean score", video["mean_score"], mean, FEATURES)


def umt(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Clips on the file without a position table, then those on a file that has one."""
    from nova_eval.judges.umt import CROP, FRAMES, UMT, sinusoid_positions

    table = sinusoid_positions(FRAMES, CROP // 16, 1024)
    rows = [
        pair for name, rows in recorded["pos_table"].items() if name.startswith("rows_first") for pair in rows.items()
    ]
    wanted = [recorded["pos_table"], *(row for _, row in rows)]
    yield compared(
        "vbench umt", "position table", wanted, [table, *(table[0, int(p), : len(row)] for p, row in rows)], PIXELS
    )
    own_table = [entry for entry in [recorded.get("pos_embed_entry_of_with_pos_embed_cases")] if entry]
    for stored in (False, True):
        given = [bool(video["input"].get("with_pos_embed")) for video in recorded["videos"]]
        videos = [pair for pair, own in zip(enumerate(recorded["videos"]), given, strict=True) if own == stored]
        if videos:
            if stored and own_table:
                weights = write("umt", recorded["weights_seed"], weights.parent, folder, extra=own_table)
            judge = UMT(weights).to(device)
            for number, video in videos:
                yield from _umt_video(f"vbench umt/video {number}", video, judge)


def _umt_video(case: str, video: Mapping[str, Any], judge: Any) -> Iterator[ParityResult]:
    import numpy as np

    from nova_eval.judges.umt import preprocess

    clip = frames(video["input"])
    yield compared(case, "frames", video["input"]["frames_check"], clip, PIXELS)
    yield compared(case, "preprocessed", video["preprocessed"], preprocess(clip), PIXELS)
    network = judge.hosted.network
    modules = {"patch_embed": network.patch_embed, "fc_norm": network.fc_norm}
    modules |= {f"block{place}": block for place, block in enumerate(network.blocks)}
    with watching({name: module for name, module in modules.items() if name in video["layers"]}) as seen:
        names, logits = judge.action_logits(clip)
    for name, (layer,) in seen.items():
        yield compared(case, f"layer {name}", video["layers"][name], layer, LAYERS)
    yield compared(case, "logits", video["logits"], logits, LOGITS)
    probabilities: Floats = 1 / (1 + np.exp(-logits))
    best = top_indices(probabilities, TOP)
    wanted = [Ranked((place, name), value) for place, name, value in video["top5"]]
    found = [Ranked((int(place), names[place].lower()), float(probabilities[place])) for place in best]
    yield from compared_ranks(case, ("top classes", "top probabilities"), wanted, found, LOGITS)[:2]
    accepted = [names[place].lower() for place in best if round(float(probabilities[place]), 4) >= THRESHOLD]
    yield compared(case, "accepted", video["accepted"], accepted)
    judge.action_logits = remembering(lambda clip: (names, logits))
    for recorded in video["decisions"]:
        wanted_score = {"score": recorded["score"], "videos": [{"video_results": recorded["video_results"]}]}
        path = recorded["path"]
        yield decided(
            f"{case}/{path}",
            "human_action",
            judge,
            [clip],
            (path, {}),
            expected=wanted_score,
            file_name=lambda prompt, _: prompt.text,
        )
    del judge.action_logits
