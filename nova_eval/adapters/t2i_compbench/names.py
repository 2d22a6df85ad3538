"""T2I-CompBench's file names: ``{prompt}_{running number, 6 digits}.png``, one folder a category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar

from nova_eval.adapters.names import Assignment, Claim, Texts, settled
from nova_eval.errors import UsageError
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

OFFICIAL_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class T2ICompBenchNames:
    """``Names`` of one folder a category: ``color/samples/a red cup_000012.png``."""

    endings: Collection[str] = IMAGE_SUFFIXES
    pattern: ClassVar[str] = "'{category}/samples/{prompt}_{number, 6 digits}.png'"
    side: ClassVar[int] = 1
    folder: ClassVar[str] = ""  # a category's result files lie beside its samples
    read_officially: ClassVar[Collection[str]] = frozenset({".png"})

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """The text states the prompt, whatever the folder; the running number states which of its samples.

        The number is the prompt's place in its category times the number of samples, which is ten or as many as most
        prompts have here, plus the sample's index. Where a category's numbers are not made so, they only order samples.
        """
        texts, places = Texts(prompts), _places(prompts)
        found: dict[str, list[tuple[str, int, int, str]]] = {}  # category → (prompt id, distance, number, path)
        extra: list[str] = []
        for path in paths:
            prompt, number = texts.find(prompt_of(path)), _number(path)
            if prompt is None or number is None or PurePosixPath(path).suffix.lower() not in self.endings:
                extra.append(path)
            else:
                found.setdefault(places[prompt[0]][0], []).append((*prompt, number, path))
        claims: list[Claim] = []
        notes: list[str] = []
        for category, files in found.items():
            indices, only_order = _indices([(places[prompt_id][1], number) for prompt_id, _, number, _ in files])
            claims += [
                Claim(SampleKey(prompt_id, index), path, distance)
                for (prompt_id, distance, _, path), index in zip(files, indices, strict=True)
            ]
            if only_order:
                notes.append(f"{category}: running numbers are not place × samples + index and only order samples")
        return replace(settled(claims, extra), notes=tuple(notes))

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        """UsageError for a prompt that no file can be named after."""
        texts, places = {prompt.id: prompt.text for prompt in prompts}, _places(prompts)
        samples = max([OFFICIAL_SAMPLES, *(key.index + 1 for key in endings)])
        names = {}
        for key, ending in endings.items():
            category, place = places[key.prompt_id]
            name = official_name(texts[key.prompt_id], place, key.index, samples)
            names[key] = f"{category}/samples/{name.removesuffix('.png')}{ending}"
        return names

    def refusal(self, prompt: Prompt, index: int) -> str:
        return "an underscore or a slash" if "_" in prompt.text or "/" in prompt.text else ""

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        return {}

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        texts, places = {prompt.id: prompt.text for prompt in prompts}, _places(prompts)

        def label(key: SampleKey) -> str:
            if key.prompt_id not in places:
                return str(key)
            category, place = places[key.prompt_id]
            return f"{category}/{texts[key.prompt_id]}_{place * OFFICIAL_SAMPLES + key.index:06d}"

        return label

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        expected = self.label(prompts)(SampleKey(prompts[0].id, 0)) if prompts else self.pattern
        return f"found {paths[0]!r}, expected names such as {expected + PurePosixPath(paths[0]).suffix!r}"


def official_name(text: str, place: int, index: int, samples: int = OFFICIAL_SAMPLES) -> str:
    """The name of sample ``index`` of the prompt on line ``place`` (both from 0): ``a red cup_000012.png``.

    UsageError for a text that the official scripts would cut: they take what stands before the first underscore.
    """
    if "_" in text or "/" in text:
        raise UsageError(f"the prompt {text!r} cannot be an official file name: it holds an underscore or a slash")
    return f"{text}_{place * samples + index:06d}.png"


def prompt_of(path: str | PurePath) -> str:
    """The prompt that a name states: what stands before the first underscore."""
    return PurePath(path).name.split("_")[0]


def running_number(path: str | PurePath) -> int:
    """The number after the last underscore, up to a full stop. ValueError where that is none."""
    return int(PurePath(path).name.split("_")[-1].split(".")[0])


def numeracy_number(path: str | PurePath) -> int:
    """The number as the numeracy script alone reads it, between the first underscore and the next.

    ValueError or IndexError where that is none.
    """
    return int(PurePath(path).name.split(".png")[0].split("_")[1])


def category_of(prompt: Prompt) -> str:
    """The category whose folder holds a prompt's images."""
    return prompt.tags[0] if prompt.tags else prompt.id.partition("/")[0]


def _places(prompts: Sequence[Prompt]) -> dict[str, tuple[str, int]]:
    """Each prompt's category and its place there."""
    places: dict[str, tuple[str, int]] = {}
    counts: Counter[str] = Counter()
    for prompt in prompts:
        category = category_of(prompt)
        places[prompt.id] = category, counts[category]
        counts[category] += 1
    return places


def _number(path: str) -> int | None:
    try:
        return running_number(path)
    except ValueError:
        return None


def _indices(files: Sequence[tuple[int, int]]) -> tuple[list[int], bool]:
    """The index of each (place, number) of one category, and whether numbers do no more than order them."""
    per_prompt = Counter(place for place, _ in files)
    for samples in (OFFICIAL_SAMPLES, max(per_prompt.values(), default=1)):
        if all(number // samples == place for place, number in files):
            return [number % samples for _, number in files], False
    numbers: dict[int, list[int]] = {}
    for place, number in files:
        numbers.setdefault(place, []).append(number)
    order = {place: sorted(set(found)) for place, found in numbers.items()}
    return [order[place].index(number) for place, number in files], True
