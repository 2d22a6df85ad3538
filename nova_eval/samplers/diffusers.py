"""Any text-to-image or text-to-video pipeline of diffusers, from a local folder or the Hugging Face hub."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval import reading
from nova_eval.errors import MediaError, NotHere, PrerequisiteError, UsageError, unknown
from nova_eval.files import given
from nova_eval.identity import digest, file_digest
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt
from nova_eval.samplers.settings import Setting, settings_of

DTYPES = ("float32", "float16", "bfloat16")
_FPS = 8.0

# Our settings and what pipelines call them, the first accepted name counts.
_NAMES = {
    "height": ("height",),
    "width": ("width",),
    "frames": ("num_frames", "video_length"),
    "steps": ("num_inference_steps",),
    "guidance_scale": ("guidance_scale",),
    "negative_prompt": ("negative_prompt",),
}
# What the sampler itself gives; a setting of this name would contradict it.
_OURS = frozenset({"self", "prompt", "generator", "output_type", "return_dict", "num_images_per_prompt"}) | {
    "num_videos_per_prompt",
    "latents",
}
_SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".txt", ".model"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DiffusersSampler:
    """Any text-to-image or text-to-video pipeline of diffusers; further settings are arguments of its call, by name.

    What is not set is the pipeline's own, and its defaults are part of what the sampler is. Every sample has its own
    CPU generator, so its draws do not depend on the batch.

    Files are located, or downloaded unless ``offline``, at once; the pipeline is loaded with the first sample. No code
    that comes with a model is run. Raises UsageError for settings the pipeline does not know, PrerequisiteError for
    files that are missing.

    Parameters
    ----------
    model
        A folder in diffusers' layout, or a hub id such as stabilityai/sdxl-turbo.
    height
        Pixels.
    width
        Pixels.
    frames
        Frames of a clip; 1 makes a video pipeline a sampler of images.
    steps
        Steps of denoising.
    guidance_scale
        How strongly the prompt leads.
    negative_prompt
        What guidance leads away from.
    fps
        The rate at which clips are shown, told to pipelines that ask for a frame_rate (none: theirs, else 8).
    dtype
        Precision of the weights: float32, float16 or bfloat16.
    device
        cpu, cuda, cuda:1 ….
    batch_size
        Prompts at once. Kernels may round differently in batches of another size; video pipelines that fold frames into
        the batch refuse larger ones under schedulers that draw at every step.
    variant
        Of the weight files, such as fp16.
    revision
        Branch, tag or commit of the hub.
    offline
        Open no socket.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        height: int | None = None,
        width: int | None = None,
        frames: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | None = None,
        fps: float | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        batch_size: int = 1,
        variant: str | None = None,
        revision: str | None = None,
        offline: bool = False,
        **arguments: Any,
    ) -> None:
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size} makes no sample", remedy="give 1 or more")
        self.folder = _locate(str(model), variant=variant, revision=revision, offline=offline)
        self._class = _pipeline_class(self.folder)
        self._dtype, self._device, self._variant, self._batch_size = dtype, device, variant, batch_size
        own = _arguments(self._class)
        settings = {
            "height": height,
            "width": width,
            "frames": frames,
            "steps": steps,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
        }
        self._call = _call_arguments(self._class.__name__, own, settings, arguments)
        video = any(name in own for name in _NAMES["frames"]) and frames != 1
        if video and fps is not None and "frame_rate" in own:
            self._call.setdefault("frame_rate", _passed(own["frame_rate"], fps))
        shown = {"model": self.folder.name if Path(model).is_dir() else str(model), "dtype": dtype}
        defaults = {setting.name: _passed(setting, setting.default) for setting in own.values() if _is_told(setting)}
        call = defaults | self._call
        if self.folder.parent.name == "snapshots":  # of the hub, by commit
            shown["revision"] = self.folder.name
        self.info = SamplerInfo(
            name=_name(self.folder),
            modality="video" if video else "image",
            checkpoint=_checkpoint_digest(self.folder, variant),
            fps=float(call.get("frame_rate", fps or _FPS)) if video else 0.0,
            settings={**shown, **call, "pipeline": self._class.__name__} | ({"variant": variant} if variant else {}),
        )

    @staticmethod
    def settings_of(model: str, *, offline: bool) -> list[Setting]:
        """Those of the pipeline's call, under our names where it has ours."""
        own = _arguments(_pipeline_class(_locate(model, variant=None, revision=None, offline=offline)))
        ours = {theirs: name for name, names in _NAMES.items() for theirs in names}
        told = [setting for setting in own.values() if _is_told(setting) or setting.name in ours]
        return [replace(setting, name=ours.get(setting.name, setting.name), meaning="") for setting in told]

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames]:
        """One uint8 (T, H, W, 3) array per prompt. MediaError for output that is no picture, or was blanked."""
        made: list[Frames] = []
        for start in range(0, len(prompts), self._batch_size):
            stop = start + self._batch_size
            made += self._batch([prompt.sampling_text for prompt in prompts[start:stop]], seeds[start:stop])
        return made

    def to(self, device: str) -> DiffusersSampler:
        self._device = device
        if "pipeline" in self.__dict__:
            self.pipeline.to(device)
        return self

    @cached_property
    def pipeline(self) -> Any:
        """The loaded pipeline, on the device. PrerequisiteError when diffusers cannot load it."""
        import torch

        dtype = getattr(torch, self._dtype)
        try:
            with warnings.catch_warnings():
                # The name that all releases since 0.31 understand; the newest prefer "dtype".
                warnings.filterwarnings("ignore", message="`torch_dtype` is deprecated")
                pipeline = self._class.from_pretrained(
                    self.folder, torch_dtype=dtype, variant=self._variant, local_files_only=True
                )
        except Exception as error:
            raise PrerequisiteError(
                f"{self.folder.name}: diffusers cannot load it ({type(error).__name__}: {str(error)[:200]})",
                remedy="check that the folder is whole and that its packages are installed",
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(self._device)

    def _batch(self, texts: list[str], seeds: Sequence[int]) -> list[Frames]:
        import torch

        call = dict(self._call)
        if "negative_prompt" in call:
            call["negative_prompt"] = [call["negative_prompt"]] * len(texts)
        if "output_type" in _arguments(self._class):
            call["output_type"] = "np"
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        with torch.no_grad():
            output = self.pipeline(prompt=texts, generator=generators, **call)
        flagged = list(getattr(output, "nsfw_content_detected", None) or [])
        if any(flagged):
            raise MediaError(f"the pipeline's safety checker blanked {texts[flagged.index(True)]!r}")
        clips = as_clips(output)
        if len(clips) != len(texts):
            raise MediaError(f"{self._class.__name__} gave {len(clips)} outputs for {len(texts)} prompts")
        for clip in clips:
            if self.info.modality == "image" and len(clip) != 1:
                raise UsageError(f"{self._class.__name__} made {len(clip)} frames of an image", remedy="set frames=1")
        return clips


def _name(folder: Path) -> str:
    """What the model is called: its folder, or its repository of the hub."""
    return folder.parents[1].name.rpartition("--")[2] if folder.parent.name == "snapshots" else folder.name


def _arguments(pipeline: Any) -> dict[str, Setting]:
    """Those of a pipeline's call; a catch-all, which diffusers keeps for retired names, is not one."""
    return settings_of(pipeline.__call__)


def _is_told(setting: Setting) -> bool:
    """Whether a default says what is sampled: a plain value of an argument that the sampler does not give itself."""
    return setting.name not in _OURS and isinstance(setting.default, bool | int | float | str)


def _passed(setting: Setting, value: Any) -> Any:
    """A value as the pipeline is given it: of the declared type, but where that is a whole number and a number came."""
    try:
        return setting.accepted(value)
    except UsageError:
        if isinstance(value, float) and isinstance(setting.default, int):
            return value
        raise


def as_clips(output: Any) -> list[Frames]:
    """What a pipeline answered (``frames`` or ``images``) → one uint8 (T, H, W, 3) array a sample.

    A sample may be a PIL picture or a list of them, an array (…, H, W, C) or a tensor (…, C, H, W); floats lie in
    [0, 1]. MediaError for anything else, and for NaN.
    """
    for name in ("frames", "images"):
        samples = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if samples is not None:
            return [_as_clip(sample) for sample in samples]
    raise MediaError(f"{type(output).__name__} holds neither frames nor images")


def _as_clip(sample: Any) -> Frames:
    if isinstance(sample, (list, tuple)):
        return np.concatenate([_as_clip(frame) for frame in sample])
    if hasattr(sample, "convert"):  # a PIL picture
        return np.asarray(sample.convert("RGB"))[None]
    if hasattr(sample, "detach"):  # a tensor
        values = np.moveaxis(sample.detach().float().cpu().numpy(), -3, -1)
    else:
        values = np.asarray(sample)
    if values.ndim not in (3, 4) or values.shape[-1] not in (1, 3, 4) or not values.size:
        raise MediaError(f"the pipeline gave an array of shape {values.shape}, which is no picture and no clip")
    if values.dtype != np.uint8:
        if not np.isfinite(values).all():
            raise MediaError("the pipeline gave NaN or infinite pixels, as half precision does when it overflows")
        values = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    rgb = np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values[..., :3]
    return rgb if rgb.ndim == 4 else rgb[None]


def _call_arguments(
    pipeline: str,
    accepted: Mapping[str, Setting],
    settings: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """Settings under the pipeline's own names. UsageError for what it does not accept."""
    if "prompt" not in accepted:
        raise UsageError(f"{pipeline} takes no prompt", remedy="choose a text-to-image or text-to-video pipeline")
    call: dict[str, Any] = {}
    for name, value in settings.items():
        if value is None:
            continue
        theirs = next((candidate for candidate in _NAMES[name] if candidate in accepted), None)
        if theirs is not None:
            call[theirs] = _passed(accepted[theirs], value)
        elif not (name == "frames" and value == 1):  # an image pipeline makes one frame anyhow
            raise unknown(f"argument of {pipeline}", _NAMES[name][0], accepted.keys() - _OURS)
    for name, value in arguments.items():
        if name in _OURS:
            raise UsageError(f"{name!r} is given to {pipeline} by the sampler itself", remedy="leave it out")
        if name not in accepted:
            raise unknown(f"argument of {pipeline}", name, {*accepted, *_NAMES} - _OURS)
        if name in call:
            raise UsageError(f"{name} is given twice to {pipeline}", remedy="leave one of its names out")
        call[name] = _passed(accepted[name], value)
    return call


def _locate(model: str, *, variant: str | None, revision: str | None, offline: bool) -> Path:
    folder = given(model)
    if (folder / "model_index.json").is_file():
        return folder.resolve()
    if folder.exists() or model.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise UsageError(
            f"{model} is no pipeline: it has no model_index.json",
            remedy="give a diffusers folder or a hub id owner/name",
        )
    if offline:
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(model, revision=revision, local_files_only=True))
        except Exception as error:
            what = f"{model} is not in the local hub cache"
            raise NotHere(what, remedy="download it first, or allow the network") from error
    from diffusers import DiffusionPipeline

    try:
        return Path(DiffusionPipeline.download(model, variant=variant, revision=revision))
    except Exception as error:
        what = f"{model}: not available ({type(error).__name__})"
        raise PrerequisiteError(what, remedy="check the name, the network and the login") from error


def _pipeline_class(folder: Path) -> Any:
    import diffusers

    name = reading.json_file(folder / "model_index.json", dict[str, Any]).get("_class_name")
    found = getattr(diffusers, name, None) if isinstance(name, str) else None
    if not isinstance(found, type) or not issubclass(found, diffusers.DiffusionPipeline):
        remedy = "use the sampler 'nova'" if name == "NOVAPipeline" else "code that comes with a model is not run"
        raise UsageError(f"{folder.name}: diffusers {diffusers.__version__} has no pipeline {name!r}", remedy=remedy)
    return found


def _checkpoint_digest(folder: Path, variant: str | None) -> str:
    """Of weights, configurations and vocabularies by their place in the folder; names of hub blobs are believed."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    digests = {}
    for path in files:
        blob = path.resolve()
        known = blob.name if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name) else ""
        digests[path.relative_to(folder).as_posix()] = known or file_digest(path)
    return digest({"files": digests, "variant": variant})
