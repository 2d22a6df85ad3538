"""A sampler that does what the environment says at the prompts that it says, as a user's own may."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt

DEED, VICTIM, RATE = (f"NOVA_EVAL_FAULT_{name}" for name in ("DEED", "VICTIM", "RATE"))
WEIGHTS = "weights.bin"
_SIDE = 48


def _deeper() -> None:
    _deeper()


def _raise(error: BaseException) -> Callable[[], None]:
    def deed() -> None:
        raise error

    return deed


def _leave_a_child() -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os._exit(5)


FAILS: dict[str, Callable[[], object]] = {
    "raises": _raise(RuntimeError("boom\x1b[31m red\nsecond line \u202e")),
    "raises much": _raise(RuntimeError("x" * 5_000_000)),
    "raises half a character": _raise(RuntimeError("caf\udce9")),
    "runs out of memory": _raise(MemoryError("no room")),
    "ends generators": _raise(GeneratorExit()),
    "calls itself": _deeper,
    "leaves with 0": lambda: sys.exit(0),
    "leaves with words": lambda: sys.exit("bye"),
    "interrupts": _raise(KeyboardInterrupt()),
}
DIES: dict[str, Callable[[], object]] = {
    "ends its process": lambda: os._exit(9),
    "ends its process well": lambda: os._exit(0),
    "aborts": os.abort,
    "reads nowhere": lambda: ctypes.string_at(0),
    "kills itself": lambda: os.kill(os.getpid(), 9),
}
HANGS: dict[str, Callable[[], object]] = {"hangs": lambda: time.sleep(10_000)}
HARMLESS: dict[str, Callable[[], object]] = {
    "prints": lambda: (print("printed", flush=True), os.write(1, b"written\n")),
    "goes elsewhere": lambda: os.chdir("/"),
    "leaves a thread": lambda: threading.Thread(target=time.sleep, args=(10_000,)).start(),
}
_CHILD = {"leaves a child": _leave_a_child}
ODD: dict[str, Any] = {
    "None": None,
    "a list": [[0, 0, 0]],
    "words": "a picture",
    "floats": np.zeros((1, 8, 8, 3), np.float32),
    "NaN": np.full((1, 8, 8, 3), np.nan),
    "gray": np.zeros((1, 8, 8), np.uint8),
    "four channels": np.zeros((1, 8, 8, 4), np.uint8),
    "no frames": np.zeros((0, 8, 8, 3), np.uint8),
    "two frames": np.zeros((2, 8, 8, 3), np.uint8),
    "no pixels": np.zeros((1, 0, 8, 3), np.uint8),
    "objects": np.zeros((1, 8, 8, 3), object),
}
TOO_MANY: dict[str, Callable[[list[Any]], Any]] = {
    "too few": lambda made: made[:-1],
    "too many": lambda made: made * 2,
    "a generator": lambda made: (one for one in made),
    "nothing": lambda made: None,
}


class Misbehaving:
    """Noise of a seed. Its checkpoint is the file of weights beside its code."""

    light = True

    def __init__(self) -> None:
        checkpoint = sha256(Path(__file__).with_name(WEIGHTS).read_bytes()).hexdigest()
        rate = os.environ.get(RATE)
        self.info = SamplerInfo("own", "video" if rate else "image", fps=float(rate or 0), checkpoint=checkpoint)

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Any:
        deed, victim = os.environ.get(DEED, ""), os.environ.get(VICTIM, "")
        made = [np.random.default_rng(seed).integers(0, 256, (1, _SIDE, _SIDE, 3), np.uint8) for seed in seeds]
        for place, prompt in enumerate(prompts):
            if prompt.id != victim:
                continue
            act = (FAILS | DIES | HANGS | HARMLESS | _CHILD).get(deed)
            if act is not None:
                act()
            if deed in TOO_MANY:
                return TOO_MANY[deed](made)
            if deed in ODD:
                made[place] = ODD[deed]
        return made
