"""A stand-in for the official environment: an interpreter that finds a small package under the official name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

UTILS = """
import json
def init_submodules(names, local=False):
    assert local
    return {name: [] for name in names}
def load_dimension_info(path, dimension, lang):
    rows = [row for row in json.load(open(path)) if dimension in row["dimension"]]
    return [video for row in rows for video in row["video_list"]], rows
"""

FLICKERING = """
import cv2, numpy as np
from tqdm import tqdm
from vbench.utils import load_dimension_info
print("talk of the package")
def score(path):
    video, frames = cv2.VideoCapture(path), []
    while True:
        ok, frame = video.read()
        if not ok:
            break
        frames.append(frame)
    steps = [cv2.absdiff(a.astype(np.float32), b.astype(np.float32)).mean() for a, b in zip(frames, frames[1:])]
    return (255.0 - np.mean(steps).item()) / 255.0
def compute_temporal_flickering(info, device, parts, **kwargs):
    videos, _ = load_dimension_info(info, "temporal_flickering", "en")
    rows = [{"video_path": video, "video_results": score(video)} for video in tqdm(videos)]
    return np.mean([row["video_results"] for row in rows]), rows
"""


class Official:
    """A folder that looks like an environment with the official package; its dimensions can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.packages = folder / "environment", folder / "packages"
        for name in ("vbench", "clip", "vbench-0.1.5.dist-info"):
            (self.packages / name).mkdir(parents=True)
        (self.packages / "vbench-0.1.5.dist-info" / "METADATA").write_text("Name: vbench\nVersion: 0.1.5\n")
        (self.packages / "torch.py").write_text("def set_num_threads(count): pass\n")
        for name in ("vbench", "clip"):
            (self.packages / name / "__init__.py").write_text("")
        (self.packages / "vbench" / "utils.py").write_text(UTILS)
        self.dimension("temporal_flickering", FLICKERING)
        self.make(self.folder)

    def dimension(self, name: str, code: str) -> None:
        (self.packages / "vbench" / f"{name}.py").write_text(code)

    def make(self, folder: Path) -> None:
        """Puts the interpreter into ``folder``."""
        python = folder / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f'#!/bin/sh\nPYTHONPATH={self.packages} exec {sys.executable} "$@"\n')
        python.chmod(0o755)


@pytest.fixture
def official(tmp_path: Path) -> Official:
    if sys.platform == "win32":
        pytest.skip("the stand-in interpreter is a shell script")
    return Official(tmp_path / "official")
