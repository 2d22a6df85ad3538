"""Asks a server for scores: ``Client("http://127.0.0.1:8765").score(frames, prompt, benchmark=…, fps=8)``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nova_eval import reading
from nova_eval.calls import BUSY, Call, Reply, answer, origin
from nova_eval.engines.sampling import as_frames
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError, UsageError, one_line
from nova_eval.files import given
from nova_eval.protocols import Frames
from nova_eval.records import Prompt
from nova_eval.service import body
from nova_eval.service.door import TOKEN_VARIABLE

_KINDS: Mapping[str, body.Kind] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".mp4": "mp4"}
_MOST = 1 << 26  # bytes of an answer
_BUSY = BUSY - {500, 504}  # a sample that judges fail at, or hang at, was tried by the server as often as makes sense


@dataclass(frozen=True)
class Said:
    """What one rule says of a sample: ``value`` is ``None`` where there is no number, and ``reason`` says why."""

    metric: str
    value: float | None
    weight: float
    reason: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Scorer:
    """The version of a rule, its judge (``None``: pixels suffice), and the letters that its scores are filed under."""

    version: str
    judge: str | None
    digest: str


@dataclass(frozen=True)
class Answer:
    """What a benchmark says of a sample, and who said it. ``scoring``: official or corrected."""

    nova_eval: str
    benchmark: str
    scoring: str
    prompt: str
    rows: tuple[Said, ...]
    scorers: Mapping[str, Scorer]

    @property
    def values(self) -> dict[str, float | None]:
        """The value of each metric."""
        return {row.metric: row.value for row in self.rows}

    def __getitem__(self, metric: str) -> float:
        """The value of a metric. UsageError where nobody asked for it, MediaError with the reason where it has none."""
        row = next((one for one in self.rows if one.metric == metric), None)
        if row is None:
            raise UsageError(
                f"{metric!r} is not in the answer", remedy=f"there is {', '.join(self.values) or 'nothing'}"
            )
        if row.value is None:
            raise MediaError(f"{metric} has no value: {row.reason}")
        return row.value


@dataclass(frozen=True)
class Client:
    """Asks the server at ``url``; by many threads at a time, if need be.

    ``token`` is by default that of the environment ($NOVA_EVAL_SERVE_TOKEN). A busy server is asked ``attempts`` times
    in all, a request is given up after ``seconds``.
    """

    url: str
    token: str = field(default="", repr=False)
    seconds: float = 900.0
    attempts: int = 8
    _bounds: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        origin(self.url, "the address of a server")

    def score(
        self,
        frames: Any,
        prompt: str | Prompt | Mapping[str, Any],
        *,
        benchmark: str,
        metrics: Sequence[str] = (),
        fps: float | None = None,
        scoring: Literal["", "official", "corrected"] = "",
    ) -> Answer:
        """What a benchmark says of one clip or image, as ``nova_eval.score`` would here with the server's judges.

        ``frames`` is uint8 (T, H, W, 3), for images (H, W, 3) or a picture of PIL, or the path of a png, jpg, webp or
        mp4 file, which is sent as it is. Clips in memory need ``fps``. UsageError, MediaError and PrerequisiteError in
        one line.
        """
        told: dict[str, Any] = {"suite_prompt": prompt} if isinstance(prompt, Prompt) else {"prompt": prompt}
        asked = reading.typed(
            {"benchmark": benchmark, "metrics": tuple(metrics), "fps": fps, "scoring": scoring, **told},
            "the request",
            body.Asked,
        )
        if isinstance(frames, str | Path):
            content, form = body.of_file(asked, _file(given(frames))), body.JSON
        else:
            content, form = body.of_frames(asked, _frames(frames)), body.TENSORS
        most = self._bound("body_bytes")
        if len(content) > most:
            raise UsageError(f"the sample is {len(content):,} bytes, the server takes {int(most):,}")
        reply = self._asked("/v1/score", "POST", content, form)
        found = reading.json_text(reply.content, f"the answer of {self.url}", Answer, error=PrerequisiteError)
        if found.benchmark != benchmark or any(row.value is None and not row.reason for row in found.rows):
            raise PrerequisiteError(f"the answer of {self.url} is of another benchmark, or lacks a value and a reason")
        return found

    def benchmarks(self) -> list[dict[str, Any]]:
        """What the server can say: benchmarks with their dimensions, judges and needs."""
        found: list[dict[str, Any]] = self._hello()["benchmarks"]
        return found

    def _bound(self, name: str) -> float:
        """One of the server's, asked for before anything large is sent: a wrong address or token is told at once.

        Threads that begin together may each ask; none waits for another.
        """
        if name not in self._bounds:
            self._bounds.update(reading.typed(self._hello()["bounds"], f"the answer of {self.url}", dict[str, float]))
        if name not in self._bounds:
            raise PrerequisiteError(f"{self.url} states no {name}", remedy="start one with `nova-eval serve`")
        return self._bounds[name]

    def _hello(self) -> dict[str, Any]:
        where = f"the answer of {self.url}"
        found = reading.json_text(self._asked("/v1/benchmarks").content, where, dict[str, Any], error=PrerequisiteError)
        if not {"bounds", "benchmarks"} <= found.keys():
            raise PrerequisiteError(f"{self.url} is no server of nova_eval", remedy="start one with `nova-eval serve`")
        return found

    def _asked(self, path: str, method: str = "GET", content: bytes | None = None, form: str = "") -> Reply:
        token = self.token or os.environ.get(TOKEN_VARIABLE, "").strip()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": form} if form else {}
        call = Call(self.url.rstrip("/") + path, method, content, headers, _MOST, self.seconds)
        reply = answer(call, self.attempts, _BUSY)
        if reply.status != 200:
            raise _error(self.url, reply)
        return reply


def _file(path: Path) -> body.File:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path} cannot be sent", remedy=f"give frames, or a file that ends in {', '.join(_KINDS)}")
    from nova_eval.files import opened

    try:
        with opened(path) as stream:
            return body.File(stream.read(), kind)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _frames(frames: Any) -> Frames:
    for modality in ("image", "video"):
        held = as_frames(frames, modality, "the frames are")
        if not isinstance(held, str):
            return held
    raise UsageError(str(held), remedy="give numpy's uint8, colors last")


def _error(url: str, reply: Reply) -> NovaEvalError:
    try:
        said = reading.json_text(reply.content, "", dict[str, Any])["error"]
    except (NovaEvalError, KeyError):
        said = reply.content[:200].decode(errors="replace")
    kind = UsageError if reply.status in (400, 413) else PrerequisiteError
    return kind(f"{url}: {one_line(str(said))[:500] or 'no reason'} (HTTP {reply.status})")
