"""A generator behind a server that is asked as OpenAI's are: /v1/images/generations, /v1/videos."""

from __future__ import annotations

import binascii
import json
import os
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from nova_eval import media, reading
from nova_eval.calls import Call, NoAnswer, Reply, answer, origin
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError, UsageError, one_line
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt

TOKEN_VARIABLE = "NOVA_EVAL_SAMPLER_TOKEN"
_FPS = 24.0  # of OpenAI's videos, which do not state it before
_MOST_BYTES = 1 << 30  # of a clip, or an image in base64
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_OURS = frozenset({"prompt", "n"})
_ENDED = frozenset({"failed", "cancelled", "canceled", "expired", "error"})


class HttpSampler:
    """A generator behind a server, asked for one sample at a time; further settings are sent by their names.

    The run is named after the model and all that is sent, not after the address, so that the same server may move. What
    cannot be told from outside, such as new weights under the old name, is told by ``revision``. A token comes from the
    environment ($NOVA_EVAL_SAMPLER_TOKEN) and is written nowhere. Clips arrive encoded and the run encodes them again:
    --set codec=h264-lossless keeps them as they came.

    Parameters
    ----------
    address
        Of the server, such as http://127.0.0.1:8000; /v1 is added where it does not end so.
    model
        What the server calls it.
    frames
        Frames of a clip, sent as num_frames (none: the server's own number); 1 asks for an image.
    size
        Width and height, such as 1024x1024 (none: the server's own).
    seconds
        Length of a clip (none: the server's own, or that of frames).
    fps
        The rate at which clips are shown, sent with the request (none: not sent, and 24 expected).
    revision
        Which weights the server has, in words of yours; not sent.
    seed_name
        Under which name the seed of each sample is sent (none: not at all, and no sample can be made again).
    seed_bits
        The lowest bits of the seed that are sent: servers differ in how large a seed they take.
    response_format
        How images are asked for: b64_json or url (none: not said).
    encoding
        How requests for clips are sent: form (multipart) or json. Images are asked for in JSON.
    parallel
        Requests at a time.
    timeout
        Seconds until a sample is given up.
    poll
        Seconds between two looks whether a clip is made.
    attempts
        How often a busy server (429, 5xx) or a broken connection is asked, after waits that double.
    offline
        Open no socket: samples cannot be made.
    """

    light = True

    def __init__(
        self,
        address: str,
        *,
        model: str,
        frames: int | None = None,
        size: str | None = None,
        seconds: float | None = None,
        fps: float | None = None,
        revision: str = "",
        seed_name: str | None = "seed",
        seed_bits: int = 32,
        response_format: Literal["b64_json", "url"] | None = "b64_json",
        encoding: Literal["form", "json"] = "form",
        parallel: int = 1,
        timeout: float = 900.0,
        poll: float = 2.0,
        attempts: int = 6,
        offline: bool = False,
        **further: str | float | bool,
    ) -> None:
        self._base = _base(address)
        self._image = frames == 1
        self._wanted_frames, self._wanted_size = (None if self._image else frames), _sides(size)
        self._seed_name, self._seed_bits = seed_name, seed_bits
        self._encoding = "json" if self._image else encoding
        self._parallel, self._timeout, self._poll, self._attempts = parallel, timeout, poll, attempts
        self._offline = offline
        self._kept: dict[tuple[str, int], Frames] = {}
        _refuse(
            model, further, {"seed_bits": seed_bits, "parallel": parallel, "timeout": timeout, "attempts": attempts}
        )
        told: dict[str, Any] = {"model": model, "size": size}
        if self._image:
            told["response_format"] = response_format
        else:
            told |= {"num_frames": frames, "fps": fps, "seconds": None if seconds is None else f"{seconds:g}"}
        self._told = {name: value for name, value in {**told, **further}.items() if value is not None}
        seeded = {"seed_name": seed_name, "seed_bits": seed_bits} if seed_name else {"seed_name": None}
        self.info = SamplerInfo(
            name=model,
            modality="image" if self._image else "video",
            fps=0.0 if self._image else (fps or _FPS),
            settings={**self._told, **seeded, **({"revision": revision} if revision else {})},
        )

    def check(self) -> None:
        """PrerequisiteError where nobody answers at the address, or the token is not taken."""
        self._refuse_offline()
        reply = answer(self._call("/models", time.monotonic() + min(30.0, self._timeout)))
        if reply.status in (401, 403):
            raise self._error(reply)

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames]:
        """One uint8 (T, H, W, 3) array per prompt. MediaError for a sample that the server cannot or will not make.

        What was made beside it is not asked for again.
        """
        self._refuse_offline()
        asked = [(prompt.sampling_text, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        if self._parallel > 1 and len(asked) > 1:
            with ThreadPoolExecutor(self._parallel, thread_name_prefix="http") as pool:
                found = list(pool.map(self._outcome, asked))
        else:
            found = [self._outcome(one) for one in asked]
        errors = [one for one in found if isinstance(one, NovaEvalError)]
        made = [one for one in found if not isinstance(one, NovaEvalError)]
        if not errors:
            return made
        self._kept = {key: one for key, one in zip(asked, found, strict=True) if not isinstance(one, NovaEvalError)}
        raise next((one for one in errors if not isinstance(one, MediaError)), errors[0])

    def _outcome(self, asked: tuple[str, int]) -> Frames | NovaEvalError:
        if asked in self._kept:
            return self._kept.pop(asked)
        try:
            return self._made(*asked)
        except NovaEvalError as error:
            return error

    def _made(self, text: str, seed: int) -> Frames:
        until = time.monotonic() + self._timeout
        told = {**self._told, "prompt": text}
        if self._seed_name:
            told[self._seed_name] = seed & ((1 << self._seed_bits) - 1)
        try:
            clip = self._decoded(self._an_image(told, until) if self._image else self._a_clip(told, until))
        except NoAnswer as error:  # of this sample, or of any?
            answer(self._call("/models", time.monotonic() + 30.0))
            raise MediaError(str(error)) from error
        self._check(clip)
        return clip.frames

    # --- what is asked ----------------------------------------------------------------------------------------------

    def _an_image(self, told: Mapping[str, Any], until: float) -> bytes:
        found = self._json(self._call("/images/generations", until, json.dumps({**told, "n": 1}).encode()))
        items = found.get("data")
        if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
            raise MediaError("the server's answer does not hold one image")
        if isinstance(packed := items[0].get("b64_json"), str):
            try:
                return b64decode(packed, validate=True)
            except (binascii.Error, ValueError) as error:
                raise MediaError(f"the server's image is not base64 ({error})") from error
        if not isinstance(place := items[0].get("url"), str):
            raise MediaError("the server's answer holds neither b64_json nor url")
        return self._file(self._own(place), until)

    def _a_clip(self, told: Mapping[str, Any], until: float) -> bytes:
        content, form = _form(told) if self._encoding == "form" else (json.dumps(told).encode(), "application/json")
        job = self._json(self._call("/videos", until, content, form))
        name = job.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name) or not name.strip("."):
            raise MediaError("the server names no clip that can be asked for")
        place = f"/videos/{quote(name, safe='')}"
        while (state := str(job.get("status"))) != "completed":
            if state in _ENDED:
                raise MediaError(f"the server made no clip: {_reason(job)}")
            if time.monotonic() + self._poll > until:
                raise MediaError(f"no clip within {self._timeout:g} s: it is {one_line(state)[:40]!r}")
            time.sleep(self._poll)
            job = self._json(self._call(place, until))
        return self._file(f"{self._base}{place}/content", until)

    def _call(self, path: str, until: float, content: bytes | None = None, form: str = "application/json") -> Call:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not (token.isascii() and token.isprintable()):
            raise UsageError(f"${TOKEN_VARIABLE} holds what no header can", remedy="write letters and digits")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {} if content is None else {"Content-Type": form}
        url = path if "://" in path else self._base + path
        left = max(0.001, until - time.monotonic())
        return Call(url, "GET" if content is None else "POST", content, headers, _MOST_BYTES, left)

    def _json(self, asked: Call) -> dict[str, Any]:
        return reading.json_text(self._answer(asked).content, "the server's answer", dict[str, Any], error=MediaError)

    def _file(self, url: str, until: float) -> bytes:
        return self._answer(self._call(url, until)).content

    def _answer(self, asked: Call) -> Reply:
        reply = answer(asked, self._attempts)
        if not 200 <= reply.status < 300:
            raise self._error(reply)
        return reply

    def _own(self, place: str) -> str:
        """An address that the server gives, if it is its own."""
        try:
            url = urljoin(self._base, place)
            own = urlsplit(url)[:2] == urlsplit(self._base)[:2]
        except ValueError:
            own = False
        if not own or not url.isascii() or any(letter.isspace() for letter in url):
            raise MediaError("the server's image lies on another host", remedy="ask for response_format=b64_json")
        return url

    def _error(self, reply: Reply) -> NovaEvalError:
        try:
            said = _reason(reading.json_text(reply.content, "", dict[str, Any]))
        except NovaEvalError:
            said = one_line(reply.content[:200].decode(errors="replace"))
        host, status = urlsplit(self._base).netloc, f"HTTP {reply.status}{': ' if said else ''}{said}"
        if reply.status in (401, 403):
            return PrerequisiteError(f"{host} refuses to answer ({status})", remedy=f"set {TOKEN_VARIABLE}")
        if 300 <= reply.status < 400 or reply.status in (404, 405):
            return PrerequisiteError(f"{host} makes no such samples ({status})", remedy="see `list samplers http`")
        return MediaError(f"the server answers {status}")

    # --- what came --------------------------------------------------------------------------------------------------

    def _decoded(self, content: bytes) -> media.Clip:
        ending = next((name for name, known in _KINDS.items() if known(content)), None)
        if ending is None or (ending in media.IMAGE_SUFFIXES) != self._image:
            wanted = "png, jpg or webp" if self._image else "mp4 or webm"
            raise MediaError(f"what the server sent is no {wanted}")
        return media.read_bytes(content, f"sample{ending}")

    def _check(self, clip: media.Clip) -> None:
        """MediaError for what is not what was asked for: a server may leave out what it does not know."""
        if self._wanted_size not in (None, (clip.width, clip.height)):
            raise MediaError(
                f"the server made {clip.width}×{clip.height} pixels, asked for were {self._told['size']}",
                remedy=f"set sampler.size={clip.width}x{clip.height}, or none",
            )
        if self._wanted_frames not in (None, len(clip)):
            raise MediaError(
                f"the server made {len(clip)} frames, asked for were {self._wanted_frames}",
                remedy=f"set sampler.frames={len(clip)}, or none",
            )
        if not self._image and abs(clip.fps - self.info.fps) > 0.01:
            raise MediaError(
                f"the clip shows {clip.fps:g} frames a second, expected were {self.info.fps:g}",
                remedy=f"set sampler.fps={clip.fps:g}",
            )

    def _refuse_offline(self) -> None:
        if self._offline:
            raise PrerequisiteError(f"{self._base} cannot be asked with --offline", remedy="allow the network")


_KINDS: Mapping[str, Callable[[bytes], bool]] = {
    ".png": lambda content: content.startswith(b"\x89PNG\r\n\x1a\n"),
    ".jpg": lambda content: content.startswith(b"\xff\xd8\xff"),
    ".webp": lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP",
    ".mp4": lambda content: content[4:8] == b"ftyp",
    ".webm": lambda content: content.startswith(b"\x1aE\xdf\xa3"),
}
"""How files begin."""


def _base(address: str) -> str:
    """Under which everything lies. After ``--sampler``, http: may have been taken for the sampler's name."""
    found = origin(f"http:{address}" if address.startswith("//") else address, "the address of a server")
    return found if found.endswith("/v1") else f"{found}/v1"


def _sides(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if (found := _SIZE.fullmatch(size)) is None:
        raise UsageError(f"size {size!r} is not width and height", remedy="such as 1024x1024, or none")
    return int(found[1]), int(found[2])


def _refuse(model: str, further: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
    if not model.strip() or one_line(model) != model:
        raise UsageError(f"{model!r} cannot name a model", remedy="give the name that the server knows")
    for name, value in further.items():
        if name in _OURS:
            raise UsageError(f"{name!r} is sent by the sampler itself", remedy="leave it out")
        if not isinstance(value, str | int | float | bool):
            raise UsageError(f"sampler.{name} is neither text nor a number", remedy="leave it out")
    for name, number in numbers.items():
        if number <= 0 or (name == "seed_bits" and number > 63):
            raise UsageError(f"sampler.{name} is {number}", remedy="give a number above 0")


def _form(told: Mapping[str, Any]) -> tuple[bytes, str]:
    """multipart/form-data, and its media type."""
    mark = secrets.token_hex(16)
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{quote(name)}"\r\n\r\n{_written(value)}\r\n'
        for name, value in told.items()
    ]
    return f"{''.join(parts)}--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _reason(said: Mapping[str, Any]) -> str:
    """Why, in the words of the server: one line."""
    error = said.get("error") or said.get("detail") or said.get("message") or ""
    if isinstance(error, dict):
        error = error.get("message") or error.get("code") or error
    return one_line(str(error))[:300]
