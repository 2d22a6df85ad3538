"""What a training run is, as one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.nova.embedded import EMBEDDED, embedded_checkpoint


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilterConfig(_Frozen):
    """What material must be to be used; None asks for nothing. Sizes in pixels, lengths in frames and text tokens."""

    min_height: int | None = None
    min_width: int | None = None
    min_frames: int | None = None
    max_text_tokens: int | None = 256
    min_aesthetic: float | None = None  # 5 in the paper; needs `aesthetic_model`
    aesthetic_model: str | None = None  # "module:attribute" or "file.py:Class" of an AestheticModel


class DataConfig(_Frozen):
    """``source``: folder, webdataset, sprites, or ``path/to/file.py:factory``; ``settings`` are its arguments.

    ``items`` is how many of the source are looked at (all where it has an end). ``frames`` is the length of a clip in
    pixel frames (1: images), ``fps`` the rate it is thinned out to (None: as it is). ``flow_scale`` multiplies motion
    scores, which are measured in pixels of the training size. ``latents`` "sample" draws them from the autoencoder's
    posterior; "mode" takes its mean, which leaves out noise that no model could foresee.
    """

    source: str
    settings: dict[str, Any] = Field(default_factory=dict)
    items: int | None = Field(default=None, ge=1)
    frames: int = Field(default=1, ge=1)
    fps: float | None = None
    flow_scale: float = 1.0
    latents: Literal["sample", "mode"] = "sample"
    seed: int = 0
    filters: FilterConfig = FilterConfig()
    shard: int = Field(default=256, ge=1)


class StageConfig(_Frozen):
    """One stretch of training. ``latent_frames`` may be less than the cached clips have: the first ones are used.

    The learning rate is ``base_learning_rate × batch / 256`` after ``warmup`` steps; Muon's, for matrices, is
    ``matrix_learning_rate`` whatever the batch. ``loss_repeat`` replaces the run's. ``microbatch`` splits a batch
    to save memory. ``stop`` ends the stage before its schedule of ``steps`` does. Weights carry over from
    stage to stage; the optimizer starts afresh.
    """

    name: str = Field(pattern=r"[a-z0-9_]+")
    data: str
    steps: int = Field(ge=1)
    stop: int | None = Field(default=None, ge=1)
    batch: int = Field(ge=1)
    latent_frames: int = Field(default=1, ge=1)
    loss_repeat: int | None = Field(default=None, ge=1)
    microbatch: int | None = Field(default=None, ge=1)
    base_learning_rate: float = 1e-4
    matrix_learning_rate: float = 0.02
    warmup: int = 0
    decay: Literal["constant", "cosine"] = "constant"


class ValidationConfig(_Frozen):
    """A benchmark that averaged weights are tested on every so many steps, counted over all stages.

    ``against`` is a run or a reference file; ``sample`` are settings of ``sheets.sample_clips``, ``options`` further
    ones of ``nova_eval.callback.Validation``: limit, metrics, samples_per_prompt, variant, results, track …
    """

    benchmark: str
    every: int = Field(ge=1)
    against: Path | None = None
    sample: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)


class TrainConfig(_Frozen):
    """A whole run: parts that stay as they are, the transformer that is trained, data, stages, bookkeeping.

    ``parts`` is a folder with ``vae/``, ``text_encoder/`` and ``tokenizer/``, or ``nova-mini``. ``transformer`` holds
    the keys of its ``config.json``; ``initial`` is a checkpoint whose weights are taken where names and shapes agree.

    A clip of those that ``flow_dropout`` picks is told the default motion score in place of its own
    (``TrainingItem.usual``). With ``flow_needs_text`` a clip that loses its text is told another clip's: a model that
    learns motion from the score alone when there is no text has it subtracted by classifier-free guidance.
    """

    output: Path
    parts: Path
    transformer: dict[str, Any]
    scheduler: dict[str, Any] = Field(
        default_factory=lambda: {
            "_class_name": "DDPMScheduler",
            "num_train_timesteps": 1000,
            "beta_schedule": "squaredcos_cap_v2",
        }
    )
    initial: Path | None = None
    data: dict[str, DataConfig]
    stages: tuple[StageConfig, ...]
    seed: int = Field(default=0, ge=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.02
    max_norm: float | None = 1.0
    ema: float = Field(default=0.9999, ge=0, lt=1)
    text_dropout: float = Field(default=0.1, ge=0, le=1)
    flow_dropout: float = Field(default=0.0, ge=0, le=1)
    flow_needs_text: bool = False
    loss_repeat: int = Field(default=4, ge=1)
    mask_ratio_deviation: float = Field(default=0.25, gt=0)
    mask_ratio_least: float = Field(default=0.7, ge=0, lt=1)
    gradient_checkpointing: bool = False
    accelerate: bool = False
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    device: str = "auto"
    threads: int | None = None
    cache: Path | None = None
    save_every: int = Field(default=500, ge=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    sample_every: int | None = Field(default=None, ge=1)
    sample_prompts: tuple[str, ...] = ()
    sample: dict[str, Any] = Field(default_factory=dict)
    tensorboard: bool = False
    validation: ValidationConfig | None = None

    @property
    def parts_folder(self) -> Path:
        return embedded_checkpoint(str(self.parts)) if str(self.parts) in EMBEDDED else self.parts

    def model_post_init(self, _context: Any) -> None:
        for stage in self.stages:
            if stage.data not in self.data:
                raise UsageError(
                    f"stage {stage.name!r} wants data {stage.data!r}", remedy=f"known: {', '.join(self.data)}"
                )
        if len({stage.name for stage in self.stages}) != len(self.stages) or not self.stages:
            raise UsageError("stages need a name each, and there must be one")


def load_config(path: Path, **overrides: Any) -> TrainConfig:
    """Reads ``path``; relative paths in it start at the current folder. UsageError names what is wrong and where.

    ``extends`` in the file names another one beside it, whose top-level keys hold where the file has none.
    """
    told = {**_with_extended(path), **overrides}
    return reading.typed(told, str(path), TrainConfig, remedy="compare the file that `train --example` prints")


def _with_extended(path: Path, *readers: Path) -> dict[str, Any]:
    if path in readers:
        raise UsageError(f"{path} extends itself")
    keys = reading.toml_file(path, dict[str, Any])
    extended = keys.pop("extends", None)
    if extended is None:
        return keys
    if not isinstance(extended, str):
        raise UsageError(f"{path}: extends is not the name of a file")
    return {**_with_extended(path.parent / extended, path, *readers), **keys}
