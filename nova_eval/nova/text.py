"""Prompt embeddings: the last hidden state of the checkpoint's Phi encoder for a prompt's own tokens.

Every prompt is encoded alone and without padding (attention is causal, so padding behind a prompt changes nothing but
rounding): its rows are the same bits whatever else is in the batch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NotRequired

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.errors import PrerequisiteError, UsageError, brief, unknown
from nova_eval.identity import digest, file_digest
from nova_eval.nova.digests import weights_digest
from nova_eval.nova.parts import Parts
from nova_eval.nova.prompt_cache import PromptCache, PromptKey
from nova_eval.nova.weight_files import fill, read_weights

_log = logging.getLogger(__name__)


_Size = Annotated[int, Field(gt=0, le=1 << 20)]


class _Phi(TypedDict):
    """What must hold of the encoder's ``config.json`` before it is built."""

    hidden_size: _Size
    num_hidden_layers: NotRequired[Annotated[int, Field(gt=0, le=1000)]]
    num_attention_heads: NotRequired[_Size]
    intermediate_size: NotRequired[_Size]
    vocab_size: NotRequired[_Size]


class TextEncoder:
    """Tokenizer and text encoder of one checkpoint. Weights are read at the first prompt that is not in the cache.

    ``dim`` is the width of an embedding, ``max_length`` the most tokens that a prompt keeps.
    """

    def __init__(
        self,
        parts: Parts,
        config: dict[str, Any],
        tokenizer: Any,
        *,
        dtype: torch.dtype,
        device: str,
        max_length: int,
        cache: PromptCache | None = None,
    ) -> None:
        self.parts, self.config, self.dtype, self.device, self.max_length = parts, config, dtype, device, max_length
        self.dim = int(config["hidden_size"])
        self.cache = cache
        self._tokenizer = tokenizer
        self._network: Any = None
        self._warned: set[str] = set()

    @classmethod
    def load(
        cls, parts: Parts, *, dtype: torch.dtype, device: str, max_length: int, cache: Path | None = None
    ) -> TextEncoder:
        """From ``parts.text_encoder`` and ``parts.tokenizer``; ``cache`` is a folder for embeddings.

        PrerequisiteError when files are missing, UsageError when the encoder is not a Phi.
        """
        file = parts.text_encoder / "config.json"
        config = reading.json_file(file, dict[str, Any], error=PrerequisiteError)
        if config.get("model_type", "phi") != "phi":
            raise unknown("text encoder", str(config["model_type"]), ["phi"])
        reading.typed(config, str(file), _Phi)
        tokenizer = load_tokenizer(parts.tokenizer)
        store = None if cache is None else PromptCache(cache)
        return cls(parts, config, tokenizer, dtype=dtype, device=device, max_length=max_length, cache=store)

    def tokens(self, prompt: str) -> list[int]:
        """Token ids of a prompt, all of them: no special token is added, the empty prompt has none."""
        ids: list[int] = self._tokenizer.encode(prompt).ids
        return ids

    def encode(self, prompts: Sequence[str]) -> list[Tensor]:
        """One (tokens, dim) tensor a prompt, in ``dtype`` on ``device``; zero rows for the empty prompt.

        A prompt longer than ``max_length`` tokens is cut, with one warning that says how many were kept.
        """
        rows = {prompt: self._rows(prompt) for prompt in dict.fromkeys(prompts)}
        return [rows[prompt] for prompt in prompts]

    def release(self) -> None:
        """Frees the weights; the next prompt that is not in the cache reads them again."""
        self._network = None

    def to(self, device: str) -> TextEncoder:
        self.device = device
        if self._network is not None:
            self._network.to(device)
        return self

    def _rows(self, prompt: str) -> Tensor:
        ids = self.tokens(prompt)
        if len(ids) > self.max_length:
            self._warn_of_cut(prompt, len(ids))
            ids = ids[: self.max_length]
        if not ids:
            return torch.zeros(0, self.dim, dtype=self.dtype, device=self.device)
        if self.cache is None:
            return self._run(ids)
        key = self._key(prompt)
        rows = self.cache.get(key)
        if rows is None or rows.shape != (len(ids), self.dim) or rows.dtype != self.dtype:
            rows = self._run(ids)
            self.cache.put(key, rows)
        return rows.to(self.device)

    @torch.no_grad()
    def _run(self, ids: list[int]) -> Tensor:
        if self._network is None:
            self._network = _load_phi(self.parts.text_encoder, self.config, self.dtype, self.device)
        hidden: Tensor = self._network(torch.tensor([ids], device=self.device), use_cache=False).last_hidden_state
        return hidden[0]

    @cached_property
    def _digests(self) -> tuple[str, str]:
        encoder = digest([weights_digest(self.parts.text_encoder), self.config])
        return encoder, file_digest(self.parts.tokenizer / "tokenizer.json")

    def _key(self, prompt: str) -> PromptKey:
        return PromptKey(*self._digests, dtype=str(self.dtype), max_length=self.max_length, text=prompt)

    def _warn_of_cut(self, prompt: str, length: int) -> None:
        if prompt not in self._warned:
            self._warned.add(prompt)
            _log.warning("prompt cut: %d of %d tokens kept: %.60r", self.max_length, length, prompt)


def pad_with_table(embeds: Sequence[Tensor], table: Tensor, length: int) -> Tensor:
    """Prompts (n, dim) → (B, length, dim): rows past a prompt's own come from the stored ``table`` (rows, dim).

    The result has the table's dtype and device. This is what the transformer's projection is given.
    """
    if length > len(table):
        raise UsageError(f"{length} text tokens exceed the {len(table)} rows of text_embed.weight")
    padded = table[:length].expand(len(embeds), -1, -1).clone()
    for row, prompt in zip(padded, embeds, strict=True):
        row[: len(prompt)] = prompt[:length].to(row)
    return padded


def load_tokenizer(folder: Path) -> Any:
    """The byte-level BPE in ``tokenizer.json``; it never pads and never cuts."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise PrerequisiteError(f"{file}: unreadable tokenizer ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def phi_network(config: dict[str, Any], where: Path) -> Any:
    """The network that the encoder's ``config.json`` describes, its weights on the meta device. UsageError for none."""
    from transformers import PhiConfig, PhiModel

    reading.typed(config, str(where), _Phi)
    names = config.keys() - {"architectures", "torch_dtype", "dtype"}
    try:
        phi = PhiConfig(**{name: config[name] for name in names}, attn_implementation="sdpa")
        with torch.device("meta"):
            network = PhiModel(phi)
        network.rotary_emb = type(network.rotary_emb)(phi)  # its table is computed, not stored
    except Exception as error:  # the host takes what it is given as it comes
        raise UsageError(f"{where} describes no Phi: {brief(error)}") from error
    return network


def _load_phi(folder: Path, config: dict[str, Any], dtype: torch.dtype, device: str) -> Any:
    network = phi_network(config, folder / "config.json")
    weights = {name.removeprefix("model."): tensor for name, tensor in read_weights(folder).items()}
    fill(network, {name: tensor for name, tensor in weights.items() if not name.startswith("lm_head.")}, folder, dtype)
    return network.requires_grad_(False).eval().to(device)
