"""T2I-CompBench's official result files: lists of answers, one a script, and the text of their mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum
from pathlib import PurePosixPath
from typing import TypeAlias

from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.t2i_compbench.names import running_number
from nova_eval.records import Score

Write: TypeAlias = Callable[[OfficialResults, Sequence[Score]], Mapping[str, str]]
"""Makes a script's files of the rows in its order, at least one."""


def result_files(results: OfficialResults) -> dict[str, str]:
    """The files of each category below its folder, as the official scripts leave them beside ``samples``.

    Of a complex image only the parts that count are there: a part's file is left out where images lack it, because the
    official scripts read it by position.
    """
    files: dict[str, str] = {}
    for name, write in _WRITERS.items():
        if ordered := _by_number(results, results.of(name)):
            files |= _below(name, write(results, ordered))
    together = _by_number(results, [row for row in results.counted if row.metric == "complex"])
    if together:
        for name, write in _COMPLEX.items():
            if len(rows := results.of(name)) == len(together):
                files |= _below("complex", write(results, _by_number(results, rows)))
        files |= _below("complex", _together(results, together))
    return files


def _blip(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    return {
        "annotation_blip/vqa_result.json": _answers((place, f"{row.value:.4f}") for place, row in enumerate(rows)),
        "annotation_blip/blip_vqa_score.txt": f"BLIP-VQA score:{_mean(rows)}",
    }


def _unidet_2d(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    names = [PurePosixPath(results.paths[row.key]).name for row in rows]
    mapping = [{"image": name, "question_id": running_number(name)} for name in names]
    return {
        "labels/annotation_obj_detection_2d/vqa_result.json": _numbered(results, rows),
        "labels/annotation_obj_detection_2d/avg_score.txt": f"score avg:{_mean(rows)}",
        "labels/annotation_obj_detection_2d/mapping.json": json.dumps(mapping),
    }


def _unidet_3d(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    return {
        "labels/annotation_obj_detection_3d/vqa_result.json": _numbered(results, rows),
        "labels/annotation_obj_detection_3d/avg_result.txt": f"avg score is {_mean(rows)}",
    }


def _numeracy(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    total = fsum(row.value or 0.0 for row in rows)
    return {
        "annotation_num/vqa_result.json": _numbered(results, rows),
        "annotation_num/score.txt": f"total:{total} num:{len(rows)} avg:{_mean(rows)}",
    }


def _clip(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    return {
        "annotation_clip/vqa_result.json": _answers((place, row.value) for place, row in enumerate(rows)),
        "annotation_clip/score_avg.txt": f"score avg:{_mean(rows)}",
    }


def _together(results: OfficialResults, rows: Sequence[Score]) -> Mapping[str, str]:
    return {
        "annotation_3_in_1/vqa_result.json": _answers((place, row.value) for place, row in enumerate(rows)),
        "annotation_3_in_1/vqa_score.txt": f"score avg:{_mean(rows)}",
    }


_WRITERS: Mapping[str, Write] = {
    **dict.fromkeys(("color", "shape", "texture"), _blip),
    "spatial_2d": _unidet_2d,
    "spatial_3d": _unidet_3d,
    "numeracy": _numeracy,
    "non_spatial": _clip,
}
_COMPLEX: Mapping[str, Write] = {"complex_attribute": _blip, "complex_spatial": _unidet_2d, "complex_action": _clip}


def _below(category: str, files: Mapping[str, str]) -> dict[str, str]:
    return {f"{category}/{name}": content for name, content in files.items()}


def _by_number(results: OfficialResults, rows: Sequence[Score]) -> list[Score]:
    """In the order of the scripts: by the running number of the file."""
    return sorted(rows, key=lambda row: running_number(results.paths[row.key]))


def _numbered(results: OfficialResults, rows: Sequence[Score]) -> str:
    """Answers under the number in the file's name; other scripts count instead."""
    return _answers((running_number(results.paths[row.key]), row.value) for row in rows)


def _answers(pairs: Iterable[tuple[int, str | float | None]]) -> str:
    return json.dumps([{"question_id": number, "answer": answer} for number, answer in pairs])


def _mean(rows: Sequence[Score]) -> float:
    return fsum(row.value or 0.0 for row in rows) / len(rows)
