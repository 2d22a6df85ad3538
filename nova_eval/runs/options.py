"""From flags, ``--set``, ``--config`` and profiles to one RunSpec and one RunOptions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nova_eval import files, reading
from nova_eval.adapters import load_benchmark, own
from nova_eval.config import (
    CUSTOM,
    BenchmarkConfig,
    Profile,
    RunSpec,
    SamplerSpec,
)
from nova_eval.errors import UsageError, unknown
from nova_eval.nova.plan import VIDEO_FRAMES
from nova_eval.options import THERE, RunOptions
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, UNSET, KnowsKin, settings_of, takes_others, typed

_SPEC_KEYS = tuple(key for key in RunSpec.model_fields if key not in ("benchmark", "sampler"))
T = TypeVar("T")

_EMBEDDED = ("oracle", "noise")  # samplers of the embedded world, whose judges look at what they make
_FINISHED = ("folder", "imported")  # samplers of media that exist already
_AS_BEFORE = ("profile", "scoring", "samples_per_prompt", "limit", "prompts", "judges", "metrics")
_WEIGHTS_AND_PLACE = frozenset(
    {"checkpoint", "model", "base", "revision", "device", "offline", "prompt_cache", "address"}
)
_OPTION_KEYS = tuple(key for key in RunOptions.__dataclass_fields__ if key != "profile")


def resolve(
    benchmark: str,
    flags: Mapping[str, Any],
    sets: Sequence[str] = (),
    config_file: Path | None = None,
    usual: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[RunSpec, RunOptions, BenchmarkConfig]:
    """Merges, weakest first: the profile, ``usual``, ``--config FILE``, ``--set a.b=c``, explicit flags.

    ``flags`` and all other sources use the same keys: those of RunSpec and RunOptions, ``sampler`` (``name`` or
    ``name:argument``) and ``sampler.<setting>``; None, or ``none`` in a file or after ``--set``, is not asked for. The
    profile's settings are those of the sampler that it names, with its model or one alike, or with any where the
    profile is asked for; any other starts from its own defaults, and official prompts unless it is of the embedded
    world. Settings have the types that the sampler declares; one that it does not take is an error.
    """
    config = load_benchmark(benchmark).config
    chosen = {**usual, **_asked(flags, sets, config_file)}
    for key in chosen:
        if not key.startswith("sampler.") and key not in (*_SPEC_KEYS, *_OPTION_KEYS, "sampler", "profile"):
            raise unknown("setting", key, (*_SPEC_KEYS, *_OPTION_KEYS, "sampler", "profile", "sampler.<setting>"))

    profile_name = str(chosen.get("profile", "mini" if "mini" in config.profiles else next(iter(config.profiles))))
    if profile_name not in config.profiles:
        raise unknown(f"profile of {benchmark}", profile_name, config.profiles)
    profile = config.profiles[profile_name]

    prompts = _prompts(profile, chosen)
    variant_name = _variant(profile, chosen, config, prompts)
    sampler = _sampler_spec(profile, chosen, config, own_names=own_names(variant_name, config, prompts))

    finished = sampler.name in _FINISHED
    at_home = _of_profile(profile, chosen) or variant_name == profile.variant

    named = chosen.get("metrics") or ()
    metrics = reading.typed([named] if isinstance(named, str) else named, "metrics", tuple[str, ...])
    for metric in metrics:
        if metric not in config.dimensions:
            raise unknown(f"dimension of {benchmark}", metric, config.dimensions)

    spec = {
        "benchmark": benchmark,
        "variant": variant_name,
        "sampler": sampler,
        "codec": chosen.get("codec", profile.codec if finished or at_home else RunSpec.model_fields["codec"].default),
        "seed": chosen.get("seed", profile.seed),
    }
    options = {key: chosen[key] for key in _OPTION_KEYS if key in chosen}
    options["profile"] = profile_name if "profile" in chosen or _of_profile(profile, chosen) else ""
    options["metrics"] = metrics
    options["prompts"] = prompts
    if variant_name == CUSTOM and not chosen.get("judges"):
        options["judges"] = _judges_of_own(profile, chosen, config)
    config.judges_of(variant_name, options.get("judges", ""))
    options.setdefault("scoring", scoring_of(config, variant_name, options.get("judges", "")))
    if variant_name == CUSTOM and finished:
        options.setdefault("samples_per_prompt", THERE)
    of_profile = profile.samples_per_prompt if at_home and not finished else None
    options.setdefault("samples_per_prompt", of_profile or config.protocol.samples_per_prompt)
    resolved = validated(RunSpec, spec), validated(RunOptions, options), config
    _known_codec(resolved[0].codec)
    return resolved


def as_before(manifest: Mapping[str, Any], sampler: str = "") -> dict[str, Any]:
    """What a run was asked for, by key, as ``resolve`` takes it, but for its weights and where it worked.

    The settings of its sampler are left out where ``sampler`` is another one.
    """
    spec, record = manifest["spec"], manifest["options"]
    found = {key: spec[key] for key in ("variant", "seed", "codec")}
    found |= {key: record[key] for key in _AS_BEFORE if record.get(key)}
    if found.get("samples_per_prompt") == THERE:
        del found["samples_per_prompt"]
    told = spec["sampler"]
    if sampler in ("", told["name"]):
        found |= {f"sampler.{key}": value for key, value in told["settings"].items() if key not in _WEIGHTS_AND_PLACE}
    return found


def changed(
    options: RunOptions, flags: Mapping[str, Any], sets: Sequence[str] = (), config_file: Path | None = None
) -> RunOptions:
    """The options of a run that exists, with those that were asked for. UsageError for what names a run."""
    chosen = _asked(flags, sets, config_file)
    chosen.pop("results", None)  # a run lies where it lies
    for key in chosen:
        if key not in _OPTION_KEYS or key in ("prompts", "name"):
            raise UsageError(f"{key} is part of what the run is", remedy="start another run to change it")
    return validated(RunOptions, vars(options) | chosen)


def _prompts(profile: Profile, chosen: Mapping[str, Any]) -> Path | None:
    """The file or folder that says what the prompts are; for ``custom`` the folder of media itself does."""
    if chosen.get("prompts"):
        return files.given(str(chosen["prompts"]))
    if chosen.get("variant") != CUSTOM:
        return None
    name, argument = _sampler_name(profile, chosen)
    folder = argument or chosen.get("sampler.folder")
    if name != "folder" or not folder:
        raise UsageError(f"variant {CUSTOM!r} needs prompts", remedy="name a file of them with --prompts FILE")
    return files.given(str(folder))


def _variant(profile: Profile, chosen: Mapping[str, Any], config: BenchmarkConfig, prompts: Path | None) -> str:
    """The variant asked for; without one the suite that holds all prompts of a file, else one's own."""
    usual = profile.variant if _of_profile(profile, chosen) else "official"
    if "variant" in chosen or prompts is None:
        variant = str(chosen.get("variant", usual))
        if variant not in config.variants:
            raise unknown(f"variant of {config.name}", variant, config.variants)
        return variant
    load = partial(load_benchmark(config.name).suite, mirror=_mirror(chosen), offline=True)
    return own.which(config, prompts, [v for v in dict.fromkeys((usual, "official")) if v in config.variants], load)


def _mirror(chosen: Mapping[str, Any]) -> Path | None:
    return files.given(str(chosen["mirror"])) if chosen.get("mirror") else None


def own_names(variant: str, config: BenchmarkConfig, prompts: Path | None) -> bool:
    """Whether media have names of their user's, and not the benchmark's."""
    return variant == CUSTOM or (prompts is not None and own.names_files(config, prompts))


def _judges_of_own(profile: Profile, chosen: Mapping[str, Any], config: BenchmarkConfig) -> str:
    """The embedded world's judges look at what its own samplers, or the profile's, make of own prompts."""
    return config.variants[profile.variant].judges if _of_profile(profile, chosen) else ""


def _of_profile(profile: Profile, chosen: Mapping[str, Any]) -> bool:
    """Whether the sampler is the one that the profile names, or of the embedded world."""
    return _sampler_name(profile, chosen)[0] in _EMBEDDED or _its_sampler(profile, chosen)


def _its_sampler(profile: Profile, chosen: Mapping[str, Any]) -> bool:
    """Whether a profile's settings are meant for what is asked for: its sampler with its model, or one alike.

    With any model where the profile is asked for by its name.
    """
    name, argument = _sampler_name(profile, chosen)
    if name != profile.sampler["name"]:
        return False
    maker: Any = SAMPLERS.get(name)
    model = next(iter(settings_of(maker)), "")
    own, asked = profile.sampler.get(model), argument or chosen.get(f"sampler.{model}")
    if "profile" in chosen or asked in (None, UNSET, own):
        return True
    return isinstance(maker, KnowsKin) and isinstance(own, str) and maker.alike(own, str(asked))


def scoring_of(config: BenchmarkConfig, variant: str, judges: str) -> str:
    """The variant's scoring; under other judges that of the first variant they are meant for."""
    own_judges = config.variants[variant].judges
    meant = (v.scoring for v in config.variants.values() if v.judges == judges)
    return next(meant, "official") if judges not in ("", own_judges) else config.variants[variant].scoring


def _sampler_name(profile: Profile, chosen: Mapping[str, Any]) -> tuple[str, str]:
    return split_name(str(chosen.get("sampler") or chosen.get("sampler.name") or profile.sampler["name"]))


def _sampler_spec(
    profile: Profile, chosen: Mapping[str, Any], config: BenchmarkConfig, *, own_names: bool = False
) -> SamplerSpec:
    explicit = {key.removeprefix("sampler."): value for key, value in chosen.items() if key.startswith("sampler.")}
    explicit.pop("name", None)
    name, argument = _sampler_name(profile, chosen)
    known = settings_of(SAMPLERS.get(name))
    its = profile if _its_sampler(profile, chosen) else None
    usual = usual_settings(name, known, its, config, own_names=own_names)
    return spec_of(name, argument, explicit, usual)


def spec_of(name: str, argument: str, explicit: Mapping[str, Any], usual: Mapping[str, Any]) -> SamplerSpec:
    """A sampler with all that it is told, in the types that it declares. UsageError for what it does not take."""
    maker, explicit = SAMPLERS.get(name), dict(explicit)
    known = settings_of(maker)
    if argument:
        first = next(iter(known), None)
        if first is None or "text" not in known[first].form:
            raise UsageError(f"sampler {name!r} takes no argument", remedy=f"use --sampler {name}")
        explicit[first] = argument
    for key in explicit:
        if key not in known and not takes_others(maker):
            raise unknown(f"setting of sampler {name!r}", key, known)
    settings = typed(maker, {**usual, **explicit})
    needed = [key for key, setting in known.items() if setting.default is REQUIRED and key not in settings]
    if needed:
        raise UsageError(
            f"sampler {name!r} needs {', '.join(needed)}",
            remedy=f"use --sampler {name}:<{needed[0]}> or --set sampler.{needed[0]}=…",
        )
    return SamplerSpec(name=name, settings=settings)


def usual_settings(
    name: str, known: Collection[str], profile: Profile | None, config: BenchmarkConfig, *, own_names: bool = False
) -> dict[str, Any]:
    """What a sampler that knows these settings is told unless it is told otherwise. ``profile`` is one meant for it."""
    usual: dict[str, Any] = {}
    if profile is not None and name == profile.sampler["name"]:
        usual = {key: value for key, value in profile.sampler.items() if key != "name"}
    if config.modality == "image" and "frames" in known:
        usual.setdefault("frames", 1)
    if config.modality == "video" and "latent_frames" in known:
        usual.setdefault("latent_frames", VIDEO_FRAMES)
    if name in _FINISHED:
        finished = {"names": CUSTOM if own_names else config.name, "modality": config.modality}
        usual |= {key: value for key, value in finished.items() if key in known}
    return usual


def split_name(text: str) -> tuple[str, str]:
    """``folder:DIR`` → (folder, DIR); ``path/to/file.py:Class`` is one name."""
    if ".py:" in text:
        return text, ""
    name, _, argument = text.partition(":")
    return name, argument


def _asked(flags: Mapping[str, Any], sets: Sequence[str], config_file: Path | None) -> dict[str, Any]:
    """All that is asked for by key; a file and ``--set`` can say ``none`` of what is not."""
    written = _overrides(config_file, sets)
    given = {key: value for key, value in flags.items() if value is not None}
    return {key: value for key, value in written.items() if key.startswith("sampler.") or value != UNSET} | given


def _overrides(config_file: Path | None, sets: Sequence[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if config_file is not None:
        for key, value in reading.toml_file(config_file, dict[str, Any]).items():
            if key == "sampler" and isinstance(value, dict):
                chosen.update({"sampler" if k == "name" else f"sampler.{k}": v for k, v in value.items()})
            else:
                chosen[key] = value
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text!r} is not of the form key=value", remedy="such as --set sampler.height=128")
        chosen[key.strip()] = reading.toml_value(value.strip(), f"--set {key.strip()}")
    return chosen


def _known_codec(codec: str) -> None:
    from nova_eval.media import CODECS

    if codec not in CODECS:
        raise unknown("codec", codec, CODECS)


def validated(kind: type[T], values: Mapping[str, Any]) -> T:
    """A RunSpec or RunOptions of values as text or JSON have them. UsageError, in one line, for the first bad one."""
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else kind.__name__
        raise UsageError(f"{where.replace('_', '-')}: {first['msg']} (got {first.get('input')!r})") from error
