"""T2I-CompBench's official result files: lists of answers, one a script, and the text of their mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import fsum
from pathlib import PurePosixPath
from typing import Any

from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.t2i_compbench.names import running_number
from nova_eval.records import Score

_BLIP, _UNIDET_2D, _UNIDET_3D = (
    "annotation_blip",
    "labels/annotation_obj_detection_2d",
    "labels/annotation_obj_detection_3d",
)
_NUMERACY, _CLIP, _TOGETHER = "annotation_num", "annotation_clip", "annotation_3_in_1"


def result_files(results: OfficialResults) -> dict[str, str]:
    """The files of each category below its folder, as the official scripts leave them beside ``samples``.

    Of a complex image only the parts that count are there: a part's file is left out where images lack it, because the
    official scripts read it by position.
    """
    files: dict[str, str] = {}
    for name in ("color", "shape", "texture"):
        files |= _blip(results, name, results.of(name))
    files |= _unidet_2d(results, "spatial_2d", results.of("spatial_2d"))
    files |= _unidet_3d(results, "spatial_3d", results.of("spatial_3d"))
    files |= _numeracy(results, "numeracy", results.of("numeracy"))
    files |= _clip(results, "non_spatial", results.of("non_spatial"))
    return files | _complex(results)


def _complex(results: OfficialResults) -> dict[str, str]:
    together = [row for row in results.counted if row.metric == "complex"]
    together.sort(key=lambda row: running_number(results.paths[row.key]))
    if not together:
        return {}
    writers = {"complex_attribute": _blip, "complex_spatial": _unidet_2d, "complex_action": _clip}
    files: dict[str, str] = {}
    for name, write in writers.items():
        rows = results.of(name)
        if len(rows) == len(together):
            files |= write(results, "complex", rows)
    mean = _mean(together)
    files[f"complex/{_TOGETHER}/vqa_result.json"] = _answers((place, row.value) for place, row in enumerate(together))
    files[f"complex/{_TOGETHER}/vqa_score.txt"] = f"score avg:{mean}"
    return files


def _blip(results: OfficialResults, category: str, rows: Sequence[Score]) -> dict[str, str]:
    ordered = _by_number(results, rows)
    if not ordered:
        return {}
    answers = _answers((place, f"{row.value:.4f}") for place, row in enumerate(ordered))
    return {
        f"{category}/{_BLIP}/vqa_result.json": answers,
        f"{category}/{_BLIP}/blip_vqa_score.txt": f"BLIP-VQA score:{_mean(ordered)}",
    }


def _unidet_2d(results: OfficialResults, category: str, rows: Sequence[Score]) -> dict[str, str]:
    ordered = _by_number(results, rows)
    if not ordered:
        return {}
    names = [PurePosixPath(results.paths[row.key]).name for row in ordered]
    mapping = [{"image": name, "question_id": running_number(name)} for name in names]
    return {
        f"{category}/{_UNIDET_2D}/vqa_result.json": _numbered(results, ordered),
        f"{category}/{_UNIDET_2D}/avg_score.txt": f"score avg:{_mean(ordered)}",
        f"{category}/{_UNIDET_2D}/mapping.json": json.dumps(mapping),
    }


def _unidet_3d(results: OfficialResults, category: str, rows: Sequence[Score]) -> dict[str, str]:
    ordered = _by_number(results, rows)
    if not ordered:
        return {}
    return {
        f"{category}/{_UNIDET_3D}/vqa_result.json": _numbered(results, ordered),
        f"{category}/{_UNIDET_3D}/avg_result.txt": f"avg score is {_mean(ordered)}",
    }


def _numeracy(results: OfficialResults, category: str, rows: Sequence[Score]) -> dict[str, str]:
    ordered = _by_number(results, rows)
    if not ordered:
        return {}
    total = fsum(row.value or 0.0 for row in ordered)
    return {
        f"{category}/{_NUMERACY}/vqa_result.json": _numbered(results, ordered),
        f"{category}/{_NUMERACY}/score.txt": f"total:{total} num:{len(ordered)} avg:{_mean(ordered)}",
    }


def _clip(results: OfficialResults, category: str, rows: Sequence[Score]) -> dict[str, str]:
    ordered = _by_number(results, rows)
    if not ordered:
        return {}
    return {
        f"{category}/{_CLIP}/vqa_result.json": _answers((place, row.value) for place, row in enumerate(ordered)),
        f"{category}/{_CLIP}/score_avg.txt": f"score avg:{_mean(ordered)}",
    }


def _by_number(results: OfficialResults, rows: Sequence[Score]) -> list[Score]:
    """In the order of the scripts: by the running number of the file."""
    return sorted(rows, key=lambda row: running_number(results.paths[row.key]))


def _numbered(results: OfficialResults, rows: Sequence[Score]) -> str:
    """Answers under the number in the file's name; other scripts count instead."""
    return _answers((running_number(results.paths[row.key]), row.value) for row in rows)


def _answers(pairs: Any) -> str:
    return json.dumps([{"question_id": number, "answer": answer} for number, answer in pairs])


def _mean(rows: Sequence[Score]) -> float:
    return fsum(row.value or 0.0 for row in rows) / len(rows)
