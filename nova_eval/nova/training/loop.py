"""The training loop: stages in order, every step a function of (seed, stage, step), so that a killed run continues.

A run writes under its output folder: ``losses.jsonl`` (one line a step; after an interruption steps are done and
written again, with the same values), ``state.pt`` (everything needed to continue), ``checkpoints/<stage>[-<step>]/`` in
the official form, ``samples/*.png``, and the cache of latents.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.identity import digest
from nova_eval.nova import checkpoint
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.parts import Parts, locate_transformer, read_json
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.schedule import from_json as schedule_from_json
from nova_eval.nova.text import TextEncoder, pad_with_table
from nova_eval.nova.training.cache import BASE_FLOW, Batch, CachedSet
from nova_eval.nova.training.config import StageConfig, TrainConfig, load_config
from nova_eval.nova.training.devices import Devices
from nova_eval.nova.training.ema import Average
from nova_eval.nova.training.masking import MaskRatio, draw
from nova_eval.nova.training.material import prepare
from nova_eval.nova.training.muon import Muon
from nova_eval.nova.training.objective import losses
from nova_eval.nova.training.sheets import Live, write_sheet
from nova_eval.nova.training.state import Reached, load_state, save_state
from nova_eval.nova.training.warmup import warmup_then_constant, warmup_then_cosine
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, load_vae

_log = logging.getLogger(__name__)


Validating = Callable[[Live], Callable[[int], object]]
"""From the model in training to what is called after every step, with the steps done in all stages."""


def run(
    config_path: str | Path, *, resume: bool = True, validating: Validating | None = None, **overrides: Any
) -> Path:
    """Trains as the TOML file says; ``overrides`` replace its top-level keys. The folder of the last checkpoint."""
    return train(load_config(Path(config_path), **overrides), resume=resume, validating=validating)


def train(
    config: TrainConfig,
    *,
    resume: bool = True,
    say: Callable[[str], None] = _log.info,
    validating: Validating | None = None,
) -> Path:
    """Runs what is left of the stages; the folder of the last checkpoint.

    ``resume`` False starts from the beginning. UsageError when the output folder belongs to another configuration, and
    where it asks for a validation and nobody is there who does it.
    """
    if config.validation and validating is None:
        raise UsageError(
            "[validation] needs somebody who tests",
            remedy="use `nova-eval train`, or pass validating=nova_eval.callback.of_training(config)",
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    devices = Devices(config)
    training = _Training(config, devices, resume=resume, say=say if devices.main else lambda _: None)
    if validating is not None and devices.main:
        training.validate = validating(training.live())
    return training.run()


class Objective(nn.Module):
    """Losses as a module's forward, which is what data-parallel wrappers and automatic precision act on."""

    def __init__(
        self, model: NovaTransformer, schedule: Schedule, config: TrainConfig, loss_repeat: int | None = None
    ) -> None:
        super().__init__()
        self.model, self.schedule, self.config = model, schedule, config
        self.loss_repeat = loss_repeat or config.loss_repeat

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """The losses of one batch; all chance comes from ``generator``."""
        model, config = self.model, self.config
        count = len(batch.texts)
        dropped = (torch.rand(count, generator=generator) < config.text_dropout).tolist()
        plain = (torch.rand(count, generator=generator) < config.flow_dropout).tolist()
        texts = [text[:0] if drop else text for text, drop in zip(batch.texts, dropped, strict=True)]
        hidden = [drop and usual for drop, usual in zip(plain, batch.usual, strict=True)]
        flow = [BASE_FLOW if hide else value for value, hide in zip(batch.flow, hidden, strict=True)]
        if config.flow_needs_text:
            flow = [flow[i - 1] if drop else value for i, (value, drop) in enumerate(zip(flow, dropped, strict=True))]
        embeds = pad_with_table(texts, model.text_embed.weight, model.config.text_token_len)
        masking = MaskRatio(config.mask_ratio_deviation, config.mask_ratio_least)
        latents = batch.latents.to(model.device)
        shape = tuple(latents.shape)
        draws = draw(model.config, self.schedule, shape, generator, self.loss_repeat, masking=masking)
        return losses(model, self.schedule, latents, embeds, draws.to(model.device), flow=flow).values


class _Training:
    def __init__(self, config: TrainConfig, devices: Devices, *, resume: bool, say: Callable[[str], None]) -> None:
        self.config, self.devices, self.say = config, devices, say
        self.output = config.output
        self.output.mkdir(parents=True, exist_ok=True)
        self.schedule = schedule_from_json(config.scheduler)
        self.vae: VideoVAE = load_vae(config.parts_folder / "vae", dtype=torch.float32, device=devices.device)
        shape = TransformerConfig.from_json(config.transformer)
        parts, length = Parts.within(config.parts_folder), shape.text_token_len
        self.text = TextEncoder.load(parts, dtype=torch.float32, device=devices.device, max_length=length)
        self.model = initial_model(shape, config).to(devices.device)
        if config.gradient_checkpointing:
            recompute_blocks(self.model)
        self.average = Average(self.model, config.ema)
        self.identity = digest(config.model_dump(mode="json", exclude=_NOT_IDENTITY))
        self.validate: Callable[[int], object] = lambda step: None
        self.progress = Reached()
        self.optimizer_state: dict[str, Any] | None = None
        state = self.output / "state.pt"
        if resume and state.is_file():
            saved = load_state(state, self.identity)
            self.progress, self.optimizer_state = saved.progress, saved.optimizer
            self.model.load_state_dict(saved.model)
            self.average.restore(saved.average, saved.average_updates)
            say(f"continuing after step {self.progress.step} of stage {self.progress.stage + 1}")
            if devices.main:
                _end_line(self.output / "losses.jsonl")
        elif devices.main:
            for old in (state, self.output / "losses.jsonl"):
                old.unlink(missing_ok=True)

    def run(self) -> Path:
        last = self.output
        for number, stage in enumerate(self.config.stages):
            if number >= self.progress.stage:
                self._stage(number, stage)
            last = self.output / "checkpoints" / stage.name
        return last

    def _stage(self, number: int, stage: StageConfig) -> None:
        config, devices = self.config, self.devices
        data = config.data[stage.data]
        size = TransformerConfig.from_json(config.transformer).image_size
        with devices.main_first():
            cached = prepare(config, data, size, vae=self.vae, text=self.text, say=self.say)
        if stage.latent_frames > cached.latent_frames:
            raise UsageError(
                f"stage {stage.name!r} wants {stage.latent_frames} latent frames, its data has {cached.latent_frames}",
                remedy=f"give data {stage.data!r} more frames",
            )
        if stage.batch % devices.count:
            raise UsageError(f"stage {stage.name!r}: batch {stage.batch} does not divide over {devices.count} devices")
        optimizer = build_optimizer(self.model, config, stage)
        peaks = [group["lr"] for group in optimizer.param_groups]
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
            self.optimizer_state = None
        objective, optimizer = devices.prepare(
            Objective(self.model, self.schedule, config, stage.loss_repeat).train(), optimizer
        )
        factor = warmup_then_cosine if stage.decay == "cosine" else warmup_then_constant
        for step in range(self.progress.step, min(stage.steps, stage.stop or stage.steps)):
            began = time.monotonic()
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor(step, stage.warmup, stage.steps)
            values, norm = self._step(objective, optimizer, cached, (number, stage, step))
            self.average.update(self.model)
            self.progress = Reached(number, step + 1)
            self._log_step(stage, step, {**values, "grad_norm": norm, "lr": optimizer.param_groups[-1]["lr"]}, began)
            self._keep(stage, step + 1, optimizer)
            self._validate(step + 1 + sum(before.stop or before.steps for before in config.stages[:number]))
        self._checkpoint(stage.name)
        self.progress = Reached(number + 1, 0)
        self._save(None)

    def _step(
        self,
        objective: nn.Module,
        optimizer: torch.optim.Optimizer,
        cached: CachedSet,
        at: tuple[int, StageConfig, int],
    ) -> tuple[dict[str, float], float]:
        """One update from one batch; the losses and the norm of the gradient before clipping."""
        number, stage, step = at
        devices, share = self.devices, stage.batch // self.devices.count
        ids = batch_ids(len(cached), stage.batch, step, seed=self.config.seed, stage=number)
        ids = ids[devices.rank * share : (devices.rank + 1) * share]
        generator = generator_for(self.config.seed, number, step, devices.rank)
        micro = min(stage.microbatch or share, share)
        sums: dict[str, float] = {}
        optimizer.zero_grad(set_to_none=True)
        for start in range(0, share, micro):
            part = ids[start : start + micro]
            with devices.precision():
                values = objective(cached.batch(part, stage.latent_frames), generator)
            total = torch.stack(list(values.values())).sum() * (len(part) / share)
            devices.backward(total)
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(part) / share
        norm = devices.clip(self.model, self.config.max_norm)
        optimizer.step()
        return sums, norm

    def _log_step(self, stage: StageConfig, step: int, values: dict[str, float], began: float) -> None:
        if not self.devices.main:
            return
        told = {name: value if math.isfinite(value) else None for name, value in values.items()}
        row = {"stage": stage.name, "step": step, **told, "seconds": round(time.monotonic() - began, 3)}
        with (self.output / "losses.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.devices.track(stage.name, step, values)
        if step % 20 == 0 or step + 1 == stage.steps:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            self.say(f"{stage.name} step {step}: {shown}")

    def _keep(self, stage: StageConfig, done: int, optimizer: torch.optim.Optimizer) -> None:
        """State, checkpoint and samples when their time has come."""
        config = self.config
        if config.checkpoint_every and done % config.checkpoint_every == 0 and done < stage.steps:
            self._checkpoint(f"{stage.name}-{done:06d}")
        if config.sample_every and done % config.sample_every == 0 and self.devices.main:
            self._sheet(stage, done)
        if done % config.save_every == 0 and done < stage.steps:
            self._save(optimizer)

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        if self.devices.main:
            save_state(
                self.output / "state.pt",
                self.identity,
                self.progress,
                model=self.model,
                average=self.average,
                optimizer=optimizer,
            )
        self.devices.wait()

    def _checkpoint(self, name: str) -> None:
        if self.devices.main:
            write_checkpoint(
                self.output / "checkpoints" / name, self.averaged(), self.schedule, self.config.parts_folder
            )
        self.devices.wait()

    def averaged(self) -> NovaTransformer:
        """A copy of the transformer with averaged weights."""
        copy = checkpoint.empty(self.model.config)
        copy.load_state_dict({name: tensor.cpu().clone() for name, tensor in self.average.weights.items()}, assign=True)
        return copy.requires_grad_(False).eval()

    def _validate(self, done: int) -> None:
        """Tests the model when its time has come; other processes wait."""
        told = self.config.validation
        if told and done % told.every == 0:
            self.validate(done)
            self.devices.wait()

    def live(self) -> Live:
        """The averaged weights at whatever step they are asked for."""
        told = self.config.validation
        parts = (self.schedule, self.vae, self.text)
        device, sample = self.devices.device, told.sample if told else {}
        return Live(lambda: self.averaged().to(device), lambda: self.average.weights, parts, sample)

    def _sheet(self, stage: StageConfig, done: int) -> None:
        path = self.output / "samples" / f"{stage.name}-{done:06d}.png"
        settings = {"latent_frames": stage.latent_frames, **self.config.sample}
        write_sheet(
            path,
            self.averaged().to(self.devices.device),
            self.schedule,
            self.vae,
            self.text,
            prompts=self.config.sample_prompts,
            settings=settings,
        )


_NOT_IDENTITY = {  # may change between an interruption and its continuation
    "output", "threads", "device", "tensorboard", "save_every", "checkpoint_every", "sample_every", "cache",
    "sample_prompts", "sample", "validation",
}  # fmt: skip


def initial_model(shape: TransformerConfig, config: TrainConfig) -> NovaTransformer:
    """Random weights by the run's seed, replaced by those of ``config.initial`` where names and shapes agree."""
    model = checkpoint.build(shape, config.seed)
    if config.initial is not None:
        folder = locate_transformer(config.initial)
        known = checkpoint.load_transformer(folder, dtype=torch.float32, device="cpu").state_dict()
        own = model.state_dict()
        taken = {name: tensor for name, tensor in known.items() if name in own and own[name].shape == tensor.shape}
        if not taken:
            raise UsageError(f"{folder}: no weight has the name and shape of one of this transformer")
        model.load_state_dict({**own, **taken})
    return model.requires_grad_(True).train()


def recompute_blocks(model: NovaTransformer) -> None:
    """Gradient checkpointing: activations inside a block are computed again in the backward pass, not kept."""
    from torch.utils.checkpoint import checkpoint as recomputed

    for stack in (model.video_encoder, model.image_encoder):
        for block in stack.blocks:
            for name in ("forward", "of"):
                inner = getattr(block, name)
                setattr(block, name, lambda *args, _inner=inner: recomputed(_inner, *args, use_reentrant=False))


def build_optimizer(model: NovaTransformer, config: TrainConfig, stage: StageConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay acts on matrices and not on biases, norms and single tokens.

    Muon takes the matrices inside the network from it: not the first layer, which reads latents, nor the last.
    """
    rate = stage.base_learning_rate * stage.batch / 256
    matrices: list[nn.Parameter] = []
    outer: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        if weight.ndim < 2 or min(weight.shape) == 1:
            rest.append(weight)
        else:
            (outer if "patch_embed" in name or "decoder.head" in name else matrices).append(weight)
    decay, plain = {"weight_decay": config.weight_decay}, {"weight_decay": 0.0}
    if config.optimizer == "adamw":
        groups: list[dict[str, Any]] = [{"params": [*matrices, *outer], **decay}, {"params": rest, **plain}]
        return torch.optim.AdamW(groups, rate, betas=config.betas)
    groups = [
        {"params": matrices, "lr": stage.matrix_learning_rate, **decay},
        {"params": outer, "orthogonal": False, **decay},
        {"params": rest, "orthogonal": False, **plain},
    ]
    precision = torch.bfloat16 if config.mixed_precision == "bf16" else torch.float32
    return Muon(groups, rate, betas=config.betas, dtype=precision)


def batch_ids(count: int, batch: int, step: int, *, seed: int, stage: int) -> list[int]:
    """Clip numbers of a batch: an endless row of shuffles of 0 … count − 1, of which step k takes its piece."""
    ids: list[int] = []
    position = step * batch
    while len(ids) < batch:
        epoch, offset = divmod(position + len(ids), count)
        order = torch.randperm(count, generator=generator_for(seed, stage, epoch, "order"))
        ids += order[offset : offset + batch - len(ids)].tolist()
    return ids


def generator_for(seed: int, *what: int | str) -> torch.Generator:
    """A generator of its own for every purpose: equal arguments give equal streams."""
    return torch.Generator().manual_seed(int(digest(["training", seed, *what])[:15], 16))


def write_checkpoint(folder: Path, model: NovaTransformer, schedule: Schedule, parts: Path) -> None:
    """A checkpoint in the official form; parts that are not trained are copied from ``parts``."""
    for part in ("vae", "text_encoder", "tokenizer"):
        checkpoint.copy_part(parts / part, folder / part)
    checkpoint.save_schedule(schedule, folder / "scheduler")
    checkpoint.save_transformer(model, folder / "transformer")
    vae_class = str(read_json(parts / "vae" / "config.json").get("_class_name", "AutoencoderKL"))
    checkpoint.save_index(folder, vae_class, schedule)


def _end_line(log: Path) -> None:
    """Closes a line that was torn by an interruption, so that the next one stands alone."""
    if log.is_file() and not log.read_bytes().endswith(b"\n"):
        with log.open("a", encoding="utf-8") as file:
            file.write("\n")


class _Done(TypedDict):
    stage: str
    step: int


def read_losses(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of ``losses.jsonl`` in order, each step once (the last time it was done); a torn line is left out."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for line in reading.text(file).splitlines():
        with suppress(NovaEvalError):
            row = reading.json_text(line, file.name, dict[str, Any])
            reading.typed(row, file.name, _Done)
            rows[row["stage"], row["step"]] = row
    yield from rows.values()
