"""How much of a stranger's file is taken in: settings in the environment, looked at before memory or disk are spent."""

from __future__ import annotations

import os
from enum import Enum

from nova_eval.errors import MediaError, NovaEvalError, UsageError


class Limit(Enum):
    """What is bounded: the variable that sets it, what it is without one, and what it counts."""

    FILE = ("NOVA_EVAL_MAX_FILE_BYTES", 8 << 30, "bytes in a file")
    TEXT = ("NOVA_EVAL_MAX_TEXT_BYTES", 1 << 28, "bytes in a file of text")
    PIXELS = ("NOVA_EVAL_MAX_PIXELS", 1 << 26, "pixels in a picture")
    FRAMES = ("NOVA_EVAL_MAX_FRAMES", 100_000, "frames in a clip")
    DECODED = ("NOVA_EVAL_MAX_DECODED_BYTES", 8 << 30, "bytes of decoded frames in a clip")

    @property
    def most(self) -> int:
        """The largest value that is taken. UsageError when the variable holds no number."""
        variable, usual, _ = self.value
        text = os.environ.get(variable, "").strip()
        if not text:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
            raise UsageError(f"{variable} is {text[:40]!r}", remedy="give a whole number above 0")
        return int(text)

    def hold(self, name: str, count: int, error: type[NovaEvalError] = MediaError) -> None:
        """``error``, with the variable to raise, where ``count`` is more than the limit."""
        if count > self.most:
            variable, _, what = self.value
            raise error(
                f"{name}: {count:,} {what}, more than the {self.most:,} that are taken", remedy=f"raise {variable}"
            )


class ClipLimits:
    """What a clip of uint8 RGB frames may hold; the environment is asked once, however many frames are looked at."""

    def __init__(self) -> None:
        self._most = {limit: limit.most for limit in (Limit.PIXELS, Limit.FRAMES, Limit.DECODED)}

    def hold(self, name: str, frames: int, height: int, width: int) -> None:
        """MediaError where such a clip would exceed a limit."""
        counts = (height * width, frames, 3 * frames * height * width)
        for (limit, most), count in zip(self._most.items(), counts, strict=True):
            if count > most:
                limit.hold(name, count)


def hold_clip(name: str, frames: int, height: int, width: int) -> None:
    """The same for one look."""
    ClipLimits().hold(name, frames, height, width)
