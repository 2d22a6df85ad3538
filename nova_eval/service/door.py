"""Who may come in: whoever has the token; without one, only who is on this machine and calls it by its own name."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.files import given

TOKEN_VARIABLE = "NOVA_EVAL_SERVE_TOKEN"
_LEAST, _MOST = 16, 4096


def token_of(file: Path | None) -> str:
    """The token in a file, else in the environment, "" where there is none. UsageError for one that is short."""
    text = os.environ.get(TOKEN_VARIABLE, "") if file is None else reading.text(given(str(file)), most=_MOST)
    token, where = text.strip(), TOKEN_VARIABLE if file is None else str(file)
    if not token and file is None:
        return ""
    if not _LEAST <= len(token) <= _MOST or not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(
            f"the token in {where} has {len(token)} characters, or such as no header can hold",
            remedy=f"write at least {_LEAST} letters and digits, such as those of `openssl rand -hex 32`",
        )
    return token


def check_host(host: str, token: str) -> None:
    """UsageError where others could connect and nothing says who may."""
    if not is_here(host) and not token:
        raise UsageError(
            f"on {host or 'every address'} anybody who reaches this machine could connect",
            remedy=f"give --token FILE, or set {TOKEN_VARIABLE}",
        )


def is_here(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Door:
    """Looks at the headers of a request before anything of its body is read."""

    def __init__(self, token: str) -> None:
        self._digest = sha256(token.encode()).digest() if token else b""

    def refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """The status and the reason for a request that may not come in.

        Without a token the name that was called has to be this machine's: pages of a browser, which strangers write,
        can call here too, under names of their own.
        """
        if not self._digest:
            name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
            if is_here(name.strip("[]")) and "origin" not in headers:
                return None
            return 403, "without a token only programs of this machine may ask, at its own address"
        scheme, _, said = headers.get("authorization", "").partition(" ")
        right = compare_digest(sha256(said.strip().encode()).digest(), self._digest)
        if scheme.lower() == "bearer" and right:
            return None
        return 401, "the token is missing or another one; send 'Authorization: Bearer …'"
