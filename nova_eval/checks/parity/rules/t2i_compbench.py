"""Recorded decisions of the official T2I-CompBench code, one section a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.rule import Rule
from nova_eval.adapters.t2i_compbench.attributes import OFFICIAL_QUESTIONS, model_text, questions
from nova_eval.adapters.t2i_compbench.benchmark import T2ICompBench, official
from nova_eval.adapters.t2i_compbench.names import numeracy_number, prompt_of, running_number
from nova_eval.adapters.t2i_compbench.parses import Parse, Parses, Token
from nova_eval.adapters.t2i_compbench.positions import position_2d, position_3d
from nova_eval.adapters.t2i_compbench.prompts import KIND, complex_kind
from nova_eval.checks.parity.items import depth_ramp, number_of, numbered
from nova_eval.checks.parity.rules.sections import Case, Rules, Section, figures, named, recorded_judge
from nova_eval.engines.questions import scores_of
from nova_eval.protocols import Detection, Floats, Frames, Item
from nova_eval.records import Prompt, SampleKey, Score

_COMPLEX_SAMPLES = 10


def _rule(name: str, parses: Parses) -> Rule:
    return next(rule for rule in official(parses) if rule.name == name)


def _parses(text: str, entry: Mapping[str, Any]) -> Parses:
    tokens = tuple(Token(*token) for token in entry.get("tokens", ()))
    return Parses({text: Parse(tokens, tuple(entry.get("noun_phrases", ())))}, "recorded")


# --- decisions about one image --------------------------------------------------------------------------------------


def _detected(name: str) -> Section:
    def cases(content: Any) -> Iterator[Case]:
        for title, entry in named(content):
            yield title, entry["expected"], partial(_answer, name, entry)

    return cases


def _answer(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    prompt = Prompt("case/0000", entry["prompt"], (name.partition("_")[0], name))
    found = [Detection(d["label"], tuple(d["box"]), d["score"]) for d in entry["detections"]]
    judge = recorded_judge(detect=lambda frames: [found], depth=lambda frames: depth_ramp(entry["depth"])[None])
    rule = _rule(name, _parses(prompt.text, entry)).with_settings(resized=False)
    (row,) = scores_of(rule, [numbered(prompt)], judge)
    return {"answer": row.value}


def _average(name: str, source: str) -> Section:
    """A recorded summary names cases of another section; here its answers are averaged by the reducer."""

    def cases(content: Any) -> Iterator[Case]:
        yield source, figures(content["text"]), partial(_summary, name, source, content["answers"])

    return cases


def _summary(name: str, text: str, answers: Sequence[float]) -> list[str | float]:
    mean = _mean(name, answers)
    return figures(text.format(total=sum(answers), number=len(answers), mean=mean))


def _mean(name: str, answers: Sequence[float]) -> float | None:
    prompts = [Prompt(f"case/{place:04d}", "", (name,)) for place in range(len(answers))]
    rows = [Score(SampleKey(p.id, 0), name, float(value)) for p, value in zip(prompts, answers, strict=True)]
    metrics = reduced(T2ICompBench(Parses()), prompts, [row.key for row in rows], rows)
    return next(metric.value for metric in metrics if metric.name == name)


def _position_2d(content: Any) -> Iterator[Case]:
    for entry in content:
        call = partial(position_2d, entry["relation"], entry["a"], entry["b"])
        yield str(entry["relation"]), _score(entry), call


def _position_3d(content: Any) -> Iterator[Case]:
    for entry in content:
        depth = depth_ramp(entry["depth"])
        call = partial(position_3d, entry["relation"], entry["a"], entry["b"], depth)
        yield str(entry["relation"]), _score(entry), call


def _score(entry: Mapping[str, Any]) -> Any:
    return {"error": entry["error"]} if "error" in entry else entry["score"]


# --- questions ------------------------------------------------------------------------------------------------------


def _questions(content: Any) -> Iterator[Case]:
    for entry in content:
        expected = {key: entry[key] for key in ("questions", "model_text")}
        yield entry["prompt"], expected, partial(_asked, entry["noun_phrases"])


def _asked(noun_phrases: Sequence[str]) -> dict[str, Any]:
    """Padded with the empty questions of the official files."""
    asked = questions(noun_phrases)
    padded = asked + [""] * (OFFICIAL_QUESTIONS - len(asked))
    return {"questions": padded, "model_text": [model_text(question) for question in padded]}


def _question_text(content: Any) -> Iterator[Case]:
    for entry in content:
        yield entry["text"], entry["model_text"], partial(model_text, entry["text"])


def _blip_scores(content: Any) -> Iterator[Case]:
    for title, entry in named(content):
        yield title, _with_figures(entry["expected"]), partial(_blip, entry)


def _blip(entry: Mapping[str, Any]) -> dict[str, Any]:
    items, parses = [], {}
    for place, (text, phrases) in enumerate(zip(entry["prompts"], entry["noun_phrases"], strict=True)):
        items.append(numbered(Prompt(f"case/{place:04d}", text, ("color",)), number=place))
        parses[text] = Parse(noun_phrases=tuple(phrases))
    rule = _rule("color", Parses(parses, "recorded")).with_settings(number=entry["np_num"])
    answers = entry["network_answers"]  # one list of all images a question

    def probability_of_yes(frames: Frames, asked: Sequence[str]) -> Floats:
        image = number_of(frames[0, 0, 0])
        return np.array([[float(answers[place][image]) for place in range(len(asked))]], np.float32)

    rows = scores_of(rule, items, recorded_judge(probability_of_yes=probability_of_yes))
    return {
        "answers": [None if row.value is None else f"{row.value:.4f}" for row in rows],
        "score_text": figures(f"BLIP-VQA score:{_reduced('color', items, rows)}"),
    }


def _clip(content: Any) -> Iterator[Case]:
    for entry in content:
        setting = dict(zip(entry["argv"][::2], entry["argv"][1::2], strict=True))
        complex_ = bool(setting.get("--complex"))  # any text turns it on, "False" too
        yield " ".join(entry["argv"]), _with_figures(entry["expected"]), partial(_similar, entry, complex_)


def _similar(entry: Mapping[str, Any], complex_: bool) -> dict[str, Any]:
    items, parses = [], {}
    for place, (text, tokens) in enumerate(zip(entry["prompts"], entry["tokens"], strict=True)):
        items.append(numbered(Prompt(f"case/{place:04d}", text, ("non_spatial",)), number=place))
        parses[text] = Parse(tuple(Token(*token) for token in tokens))
    rule = _rule("complex_action" if complex_ else "non_spatial", Parses(parses, "recorded"))

    def image_text_similarity(frames: Frames, text: str) -> Floats:
        """Features stand for images and texts by their place."""
        image = number_of(frames[0, 0, 0])
        if text != entry["text_given_to_clip"][image]:
            raise ValueError(f"asked about {text!r}, recorded is {entry['text_given_to_clip'][image]!r}")
        pair = [np.array(entry[f"{kind}_features"][image], np.float32) for kind in ("image", "text")]
        first, second = (feature / np.linalg.norm(feature) for feature in pair)
        return np.array([first @ second], np.float32)

    values = [row.value for row in scores_of(rule, items, recorded_judge(image_text_similarity=image_text_similarity))]
    rows = [Score(i.sample.key, "non_spatial", value) for i, value in zip(items, values, strict=True)]
    return {"answers": values, "score_text": figures(f"score avg:{_reduced('non_spatial', items, rows)}")}


def _with_figures(expected: Mapping[str, Any]) -> dict[str, Any]:
    return {**expected, "score_text": figures(expected["score_text"])}


def _reduced(metric: str, items: Sequence[Item], rows: Sequence[Score]) -> float | None:
    prompts = [item.prompt for item in items]
    metrics = reduced(T2ICompBench(Parses()), prompts, [item.sample.key for item in items], rows)
    return next(found.value for found in metrics if found.name == metric)


# --- complex prompts ------------------------------------------------------------------------------------------------


def _three_in_one(content: Any) -> Iterator[Case]:
    for title, entry in named(content):
        yield title, _with_figures(entry["expected"]), partial(_together, entry)


def _together(entry: Mapping[str, Any]) -> dict[str, Any]:
    lists = entry["files"]["complex_val_spatial.txt"], entry["files"]["complex_val_action.txt"]
    prompts = [
        Prompt(f"case/{place:04d}", text, ("complex",), {KIND: complex_kind(text, *lists)})
        for place, text in enumerate(entry["files"]["complex_val.txt"])
    ]
    wanted = [SampleKey(prompt.id, index) for prompt in prompts for index in range(_COMPLEX_SAMPLES)]
    recorded = {"complex_attribute": "attribute", "complex_spatial": "spatial", "complex_action": "action"}
    rows = [
        Score(key, name, float(value))
        for name, column in recorded.items()
        for key, value in zip(wanted, entry[column], strict=True)
    ]
    benchmark = T2ICompBench(Parses())
    together = {row.key: row.value for row in benchmark.rows(prompts, wanted, rows)}
    mean = next(m.value for m in reduced(benchmark, prompts, wanted, rows) if m.name == "complex")
    return {"answers": [together[key] for key in wanted], "score_text": figures(f"score avg:{mean}")}


def _file_names(content: Any) -> Iterator[Case]:
    for entry in content:
        expected = {key: value for key, value in entry.items() if key != "file"}
        yield entry["file"], expected, partial(_parsed, entry["file"])


def _parsed(name: str) -> dict[str, Any]:
    return {
        "prompt": prompt_of(name),
        "id_2d_3d": _or_error(running_number, name),
        "id_numeracy": _or_error(numeracy_number, name),
    }


def _or_error(read: Callable[[str], int], name: str) -> int | str:
    try:
        return read(name)
    except (ValueError, IndexError) as error:
        return type(error).__name__


RULES = Rules(
    {
        "determine_position_2d": _position_2d,
        "determine_position_3d": _position_3d,
        "spatial_2d": _detected("spatial_2d"),
        "spatial_2d_complex": _detected("complex_spatial"),
        "spatial_3d": _detected("spatial_3d"),
        "numeracy": _detected("numeracy"),
        "spatial_2d_average": _average("spatial_2d", "score avg:{mean}"),
        "spatial_3d_average": _average("spatial_3d", "avg score is {mean}"),
        "numeracy_average": _average("numeracy", "total:{total} num:{number} avg:{mean}"),
        "blip_questions": _questions,
        "blip_question_text": _question_text,
        "blip_scores": _blip_scores,
        "clip": _clip,
        "three_in_one": _three_in_one,
        "file_names": _file_names,
    }
)
