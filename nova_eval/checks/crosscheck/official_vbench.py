"""Runs dimensions of the official ``vbench`` package and writes what it answers. Needs nothing of nova_eval.

Usage, inside the environment that holds the package: ``python official_vbench.py REQUEST ANSWERS``.

``REQUEST`` is JSON: ``dimensions`` (names), ``info`` (by dimension, the path of the package's own list of prompts and
videos), ``threads``, ``device`` and ``turns``. ``ANSWERS`` gets one JSON line a dimension, whole when it is there::

    {"dimension": …, "score": …, "videos": [{…}, …], "error": "", "load": s, "wall": [s, …], "cpu": [s, …]}

``load`` is what passes before the first video, ``wall`` and ``cpu`` are seconds a video. With ``turns`` a line
``DIMENSION INDEX`` goes to stdout before every video, which then waits for a line on stdin.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import IO, Any


class Watched:
    """Stands in for the package's progress bar: the same videos, timed, in turns when that is asked for."""

    def __init__(self, dimension: str, turns: bool, talk: IO[str]) -> None:
        self.dimension, self.turns, self.talk = dimension, turns, talk
        self.first: float | None = None
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def __call__(self, videos: Iterable[Any], *arguments: Any, **settings: Any) -> Iterator[Any]:
        return self._one_by_one(videos)

    def _one_by_one(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            for part in _single_videos(item):
                if self.first is None:
                    self.first = time.perf_counter()
                if self.turns:
                    print(self.dimension, len(self.wall), file=self.talk, flush=True)
                    sys.stdin.readline()
                wall, cpu = time.perf_counter(), time.process_time()
                yield part
                self.cpu.append(time.process_time() - cpu)
                self.wall.append(time.perf_counter() - wall)


def _single_videos(item: Any) -> list[Any]:
    """Dimensions that need the prompt walk over prompts, each with its videos; here one video at a time."""
    if isinstance(item, dict):
        return [{**item, "video_list": [video]} for video in item["video_list"]]
    return [item]


def answer(name: str, request: dict[str, Any], talk: IO[str]) -> dict[str, Any]:
    """The row of one dimension."""
    utils = importlib.import_module("vbench.utils")

    started = time.perf_counter()
    module = importlib.import_module("vbench." + name)
    watched = Watched(name, request["turns"], talk)
    if hasattr(module, "tqdm"):
        vars(module)["tqdm"] = watched
    parts = utils.init_submodules([name], local=True)[name]
    score, videos = getattr(module, "compute_" + name)(request["info"][name], request["device"], parts)
    end = watched.first or time.perf_counter()
    rows = [{key: _plain(value) for key, value in row.items()} for row in videos]
    return {
        "score": _plain(score),
        "videos": rows,
        "error": "",
        "load": end - started,
        "wall": watched.wall,
        "cpu": watched.cpu,
    }


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's; anything else JSON cannot hold as text."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if isinstance(value, (bool, int, float, str, list, dict, type(None))) else str(value)


def _reason(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text} ({os.path.basename(frame.filename)}, line {frame.lineno})"


def main(request_path: str, answers_path: str) -> None:
    with open(request_path, encoding="utf-8") as stream:
        request = json.load(stream)
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the package prints is talk; stdout is for turns
    import torch

    torch.set_num_threads(request["threads"])
    for name in request["dimensions"]:
        try:
            row = answer(name, request, talk)
        except Exception as error:
            traceback.print_exc()
            row = {"error": _reason(error)}
        with open(answers_path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"dimension": name, **row}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
