"""A small Phi text encoder and its tokenizer, made from sentences of a closed language.

The encoder learns to say what a sentence asks for: at every token, which of the words read so far go together. It
predicts the next token, and at the last token the whole sentence's labels (thing by thing, attribute by attribute).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval.nova.checkpoint import write_json
from nova_eval.nova.training.warmup import warmup_then_cosine

END = "<|endoftext|>"
Labelled = Callable[[int], tuple[str, frozenset[str]]]
"""The i-th sentence and its labels."""


def make_tokenizer(sentences: Sequence[str], folder: Path, vocabulary: int = 640) -> Any:
    """A byte-level BPE in the files of a checkpoint's ``tokenizer/``; it can write every prompt."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*sentences, *(f" {text}" for text in sentences)], trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    special = {"bos_token": END, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False, "model_max_length": 2048, **special},
    )
    return tokenizer


def train_text_encoder(
    tokenizer: Any,
    labelled: Labelled,
    folder: Path,
    *,
    width: int = 64,
    layers: int = 2,
    steps: int = 600,
    batch: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> float:
    """Writes ``text_encoder/`` files into ``folder``; the share of labels right on sentences not trained on."""
    labels = sorted({label for i in range(4000) for label in labelled(i)[1]})
    vocabulary = tokenizer.get_vocab_size()
    network = _phi(vocabulary, width, layers, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = nn.ModuleDict({"next": nn.Linear(width, vocabulary), "labels": nn.Linear(width, len(labels))})
    learnt = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learnt, learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup_then_cosine(step, 30, steps)
        loss, _ = _losses(network, heads, tokenizer, [labelled(step * batch + i) for i in range(batch)], labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        if step % 100 == 0:
            say(f"text step {step}: loss {loss.item():.3f}")
    network.eval()
    with torch.no_grad():
        _, right = _losses(network, heads, tokenizer, [labelled(steps * batch + i) for i in range(512)], labels)
    say(f"text: {right:.2%} of sentences labelled without a mistake")
    _save(network, folder)
    return right


def save_text_encoder(folder: Path, *, vocabulary: int, width: int, layers: int, seed: int) -> None:
    """Writes an encoder with random weights."""
    _save(_phi(vocabulary, width, layers, seed), folder)


def _phi(vocabulary: int, width: int, layers: int, seed: int) -> Any:
    from transformers import PhiConfig, PhiModel

    config = PhiConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=width // 32, max_position_embeddings=128, partial_rotary_factor=0.5,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PhiModel(config)


def _losses(
    network: Any, heads: nn.ModuleDict, tokenizer: Any, examples: list[tuple[str, frozenset[str]]], labels: list[str]
) -> tuple[Tensor, float]:
    """The loss, and the share of sentences whose labels are all right."""
    ids = [tokenizer.encode(text).ids for text, _ in examples]
    lengths = torch.tensor([len(row) for row in ids])
    padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long)
    for row, tokens in zip(padded, ids, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    hidden = network(padded, use_cache=False).last_hidden_state  # causal: padding behind a sentence changes nothing
    real = torch.arange(padded.shape[1] - 1)[None] < lengths[:, None] - 1
    following = F.cross_entropy(heads["next"](hidden[:, :-1])[real], padded[:, 1:][real])
    target = torch.tensor([[float(label in own) for label in labels] for _, own in examples])
    logits = heads["labels"](hidden[torch.arange(len(ids)), lengths - 1])
    right = ((logits > 0) == (target > 0.5)).all(1).float().mean().item()
    return following + 20 * F.binary_cross_entropy_with_logits(logits, target), right


def _save(network: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"model.{name}": tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    kept = json.loads(network.config.to_json_string(use_diff=False))
    names = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "vocab_size", "max_position_embeddings", "partial_rotary_factor", "rope_theta", "layer_norm_eps", "hidden_act",
        "qk_layernorm", "bos_token_id", "eos_token_id", "tie_word_embeddings",
    )  # fmt: skip
    values = {name: kept[name] for name in names if name in kept}
    rope = kept.get("rope_parameters") or {}
    values.setdefault("partial_rotary_factor", rope.get("partial_rotary_factor", 0.5))
    values.setdefault("rope_theta", rope.get("rope_theta", 10000.0))
    write_json(folder / "config.json", {"architectures": ["PhiEncoderModel"], "model_type": "phi", **values})
