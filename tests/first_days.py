"""Three first days with nothing but the documents: from an empty folder to the number, the table and the gate.

``python tests/first_days.py student engineer laptop`` plays them in new folders with the installed ``nova-eval`` and
prints the transcript with times; exit code 1 where a step does not end or say as it should.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Call = Callable[[list[str]], tuple[int, str]]
"""Runs a command in the current folder: its exit code, and all that it printed."""

OWN_SAMPLER = """\
import numpy as np
from nova_eval.protocols import SamplerInfo


class Mine:
    def __init__(self, level: int = 128) -> None:
        self.level = level
        self.info = SamplerInfo(name="mine", modality="image", settings={"level": level})

    def sample(self, prompts, seeds):
        return [np.full((64, 64, 3), self.level, np.uint8) for _ in prompts]
"""


@dataclass(frozen=True)
class Step:
    """A command, the exit code that it ends with, and words that it prints. ``before`` prepares the folder."""

    words: str
    says: tuple[str, ...] = ()
    code: int = 0
    before: Callable[[], None] = lambda: None


def _rename_clips() -> None:
    """A student's clips: 0001.mp4 and so on, and a table of what they show."""
    from nova_eval.runs.finding import find
    from nova_eval.store import RunStore

    store = RunStore(find("vbench/theirs", Path("results")))
    prompts = {prompt.id: prompt.text for prompt in store.prompts()}
    Path("clips").mkdir()
    table = {}
    for number, (key, sample) in enumerate(sorted(store.samples()[0].items()), 1):
        name = f"{number:04}.mp4"
        shutil.copy(store.folder / sample.path, Path("clips", name))
        table[name] = prompts[key.prompt_id]
    Path("prompts.json").write_text(json.dumps(table), encoding="utf-8")


def _write_sampler() -> None:
    Path("mine.py").write_text(OWN_SAMPLER, encoding="utf-8")


LIGHT = "--limit 12 --samples-per-prompt 2"
DAYS: dict[str, tuple[Step, ...]] = {
    "student": (
        Step("doctor", ("video codecs", "accelerator")),
        Step("run vbench --sampler oracle --limit 4 --samples-per-prompt 1 --name theirs", ("Coverage 100 %",)),
        Step(
            "run vbench --sampler folder:clips --variant custom --metrics temporal_flickering --name mine",
            ("Temporal flickering", "Coverage 100 %"),
            before=_rename_clips,
        ),
        Step(
            "run vbench --sampler folder:clips --prompts prompts.json --judges sprites",
            ("prompts of one's own have no total",),
        ),
        Step("table vbench/mine --samples --format csv", ("0001.mp4",)),
        Step("runs list", ("vbench/mine", "vbench/theirs")),
        Step("export vbench/theirs official"),
        Step("import vbench official --variant sprites --model theirs --name back", ("samples in",), code=3),
    ),
    "engineer": (
        Step("list checkpoints", ("nova-mini",)),
        Step(f"plan geneval --sampler oracle {LIGHT}", ("24",)),
        Step(f"run geneval --sampler oracle {LIGHT} --name good", ("Overall", "Coverage 100 %")),
        Step(f"plan geneval --sampler oracle {LIGHT}", ("nothing is left to make, and nothing to score",)),
        Step("reference save geneval/good good.parquet"),
        Step(f"run geneval --sampler oracle {LIGHT} --seed 1 --name again", ("Coverage 100 %",)),
        Step("compare good.parquet geneval/again --gate", ("none of the same seed",)),
        Step(f"run geneval --sampler noise {LIGHT} --name bad", ("Overall",)),
        Step("compare good.parquet geneval/bad --gate", ("worse",), code=1),
        Step("table geneval/good geneval/bad --format tex", (r"\begin{tab",)),
        Step(f"run geneval --sampler noise {LIGHT} --seed 2 --shard 0/2", ("its own part is done",)),
        Step("verify geneval/good", ("whole",)),
    ),
    "laptop": (
        Step("list samplers diffusers", ("guidance_scale",)),
        Step("run geneval --sampler diffuser:x --limit 1", ("did you mean 'diffusers'",), code=2),
        Step("run geneval --sampler noise --device cuda:9 --limit 1", ("device",), code=2),
        Step("run geneval --sampler mine.py --limit 1", (":Mine",), code=2, before=_write_sampler),
        Step("run geneval --sampler mine.py:Mine --set sampler.level=high --variant sprites --limit 1", ("level",), 2),
        Step(
            "run geneval --sampler mine.py:Mine --set sampler.level=7 --variant sprites --limit 2", ("Coverage 100 %",)
        ),
    ),
}


def play(day: str, call: Call) -> Iterator[tuple[Step, int, str, float]]:
    """Does the steps of a day in the current folder: each with its exit code, what it printed, and its seconds."""
    for step in DAYS[day]:
        step.before()
        began = time.monotonic()
        code, printed = call(step.words.split())
        yield step, code, printed, time.monotonic() - began


def faults(step: Step, code: int, printed: str) -> list[str]:
    """What is not as it should be."""
    found = [f"exit code {code}, not {step.code}"] if code != step.code else []
    found += [f"does not say {words!r}" for words in step.says if words not in printed]
    return found + (["prints a traceback"] if "Traceback" in printed else [])


def _process(words: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "nova_eval", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main(days: list[str]) -> int:
    """Prints the transcripts."""
    wrong = 0
    for day in days or list(DAYS):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for step, code, printed, seconds in play(day, _process):
                print(f"$ nova-eval {step.words}\n{printed}[exit code {code}, {seconds:.1f} s]", flush=True)
                for fault in faults(step, code, printed):
                    wrong += 1
                    print(f"FAULT: {fault}", flush=True)
            os.chdir("/")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
