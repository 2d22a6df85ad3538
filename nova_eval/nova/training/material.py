"""From a data section of the configuration to cached clips."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nova_eval.errors import UsageError
from nova_eval.identity import digest
from nova_eval.nova.digests import weights_digest
from nova_eval.nova.parts import read_json
from nova_eval.nova.text import TextEncoder
from nova_eval.nova.training.cache import CachedSet, fill_cache
from nova_eval.nova.training.config import DataConfig, FilterConfig, TrainConfig
from nova_eval.nova.training.data import SOURCES, Filter, TrainingSource, at_least, beautiful, text_within
from nova_eval.nova.vae import VideoVAE
from nova_eval.registry import Registry


def prepare(
    config: TrainConfig,
    data: DataConfig,
    size: tuple[int, int],
    *,
    vae: VideoVAE,
    text: TextEncoder,
    say: Callable[[str], None] = print,
) -> CachedSet:
    """The material of ``data`` at ``size`` (height, width), encoded by the parts of ``config`` unless it is cached."""
    facts = [
        [weights_digest(config.parts_folder / part), read_json(config.parts_folder / part / "config.json")]
        for part in ("vae", "text_encoder")
    ]
    parts = digest(facts)
    name = digest([data.model_dump(mode="json"), list(size), parts])[:12]
    source = open_source(data)
    folder = (config.cache or config.output / "cache") / name
    filters = build_filters(data.filters, text)
    return fill_cache(folder, data, source, vae=vae, text=text, size=size, filters=filters, parts_digest=parts, say=say)


def open_source(data: DataConfig) -> TrainingSource:
    """The source that ``data`` names. UsageError where it does not take the settings."""
    make = SOURCES.get(data.source)
    try:
        inspect.signature(make).bind(**data.settings)
    except TypeError as error:
        raise UsageError(f"source {data.source!r}: {error}", remedy="see data.<name>.settings in the file") from error
    return make(**data.settings)


def build_filters(wanted: FilterConfig, text: TextEncoder) -> list[Filter]:
    """Cheap ones first. UsageError where a least aesthetic rating is asked for without a judge."""
    filters = [at_least(wanted.min_height, wanted.min_width, wanted.min_frames)]
    if wanted.max_text_tokens is not None:
        filters.append(text_within(text.tokens, wanted.max_text_tokens))
    if wanted.min_aesthetic is not None:
        if wanted.aesthetic_model is None:
            raise UsageError("min_aesthetic needs a judge", remedy="name one: aesthetic_model = …")
        models: Registry[Callable[[], Any]] = Registry(
            "aesthetic model", {wanted.aesthetic_model: wanted.aesthetic_model}
        )
        if ".py:" in wanted.aesthetic_model:
            models = Registry("aesthetic model", {})
        filters.append(beautiful(models.get(wanted.aesthetic_model)(), wanted.min_aesthetic))
    return filters
