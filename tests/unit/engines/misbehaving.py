"""A sampler and a judge that do what a prompt's text says, loaded by path as any user's own are."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nova_eval.protocols import Frames, Prompt, SamplerInfo

MAKER, LOOKER = f"{__file__}:Maker", f"{__file__}:Looker"
GREEDY, GLUTTON, CROWDED = (f"{__file__}:{name}" for name in ("Greedy", "Glutton", "Crowded"))
SHAPE = (3, 32, 32, 3)
SHADES = {"fine": 100, "unbearable": 250, "deadly to look at": 5, "deadly to look at once": 40}
WRONG: dict[str, Any] = {
    "float": np.zeros(SHAPE, np.float32),
    "nan": np.full(SHAPE, np.nan),
    "gray": np.zeros(SHAPE[:3], np.uint8),
    "four channels": np.zeros((*SHAPE[:3], 4), np.uint8),
    "empty": np.zeros((0, 32, 32, 3), np.uint8),
    "list": [[0, 0, 0]],
    "none": None,
    "words": "a picture",
}


def hang() -> None:
    """For ever, and lets that be known."""
    Path(os.environ["MISBEHAVING"], "hangs").touch()
    time.sleep(1000)


def print_and_write() -> None:
    print("printed", flush=True)
    os.write(1, b"written\n")


def leave_a_child() -> None:
    """A child that holds all that its parent held, its pipe among it."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    os._exit(5)


def birth(whose: str, folder: Path) -> None:
    how = (folder / "birth").read_text() if (folder / "birth").exists() else ""
    if not how.startswith(whose) or not how:
        return
    with (folder / "births").open("a") as births:
        births.write("x")
    if how == f"{whose}dies":
        os._exit(3)
    if how == f"{whose}raises":
        raise RuntimeError("no GPU in the worker")


DEEDS: dict[str, Callable[[], Any]] = {
    "hangs": hang,
    "aborts": os.abort,
    "reads nowhere": lambda: ctypes.string_at(0),
    "leaves": lambda: sys.exit(0),
    "closes files": lambda: os.closerange(3, 50),
    "leaves a child": leave_a_child,
    "leaves a thread": lambda: threading.Thread(target=time.sleep, args=(1000,)).start(),
    "prints": print_and_write,
    "goes elsewhere": lambda: os.chdir("/"),
}


class Maker:
    light = True
    made: ClassVar[list[weakref.ref[Maker]]] = []

    def __init__(self, folder: str = "") -> None:
        birth("", Path(folder))
        self.info = SamplerInfo("maker", "video", fps=8.0)
        self._once = Path(folder) / "sampler died"
        self.made.append(weakref.ref(self))

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Any:
        texts = [prompt.text for prompt in prompts]
        if "nothing at all" in texts:
            return None
        made = [self._one(text) for text in texts]
        return made[:-1] if "too few" in texts else made

    def _one(self, text: str) -> Any:
        if text == "deadly" or (text == "deadly once" and first_time(self._once)):
            os._exit(9)
        if text == "raises":
            raise RuntimeError("no such thought")
        if text == "interrupts":
            raise KeyboardInterrupt
        if text in DEEDS:
            DEEDS[text]()
        return WRONG[text] if text in WRONG else np.full(SHAPE, SHADES.get(text, 100), np.uint8)


class Looker:
    """Rates frames by their mean, once about one size for all frames that it is given."""

    name, digest, light = "looker", "looker", True
    alive_at_birth: ClassVar[list[bool]] = []
    asked: ClassVar[list[int]] = []

    def __init__(self) -> None:
        birth("judge ", Path(os.environ["MISBEHAVING"]))
        self.alive_at_birth.append(any(reference() is not None for reference in Maker.made))

    def to(self, device: str) -> Looker:
        return self

    def aesthetic(self, frames: Frames) -> Any:
        self.asked.append(len(frames))
        rated = frames.reshape(len(frames), -1).mean(axis=1)
        dies = (rated < 20).any() or ((rated < 70).any() and first_time(Path(os.environ["MISBEHAVING"]) / "judge died"))
        if dies:
            os._exit(7)
        if (rated > 200).any():
            raise RuntimeError("too bright to look at")
        return rated.astype(np.float32) / 25


class Greedy(Looker):
    """Has room for one frame at a time."""

    def __init__(self, batch: int = 2) -> None:
        super().__init__()
        self._batch = batch

    def aesthetic(self, frames: Frames) -> Any:
        if self._batch > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().aesthetic(frames)


class Crowded(Greedy):
    """Says that there is no room, in place of being killed for it."""

    def aesthetic(self, frames: Frames) -> Any:
        if self._batch > 1:
            raise RuntimeError("CUDA out of memory")
        return super().aesthetic(frames)


class Glutton(Looker):
    """Has room for the frames of one sample, and cannot be asked about fewer; "deadly to look at" is too much."""

    def aesthetic(self, frames: Frames) -> Any:
        if len(frames) > SHAPE[0] or (frames < 20).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().aesthetic(frames)


def first_time(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
