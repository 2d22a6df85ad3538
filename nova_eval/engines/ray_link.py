"""The connection to a Ray cluster: one that is there, or one of this machine that nobody else can reach."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from nova_eval import environment
from nova_eval.errors import PrerequisiteError, UsageError, brief

_STARTS = 3  # tries to start Ray here: on a busy machine it gives itself up after 30 s
_PATIENCE_SECONDS = 5.0
_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
_TOKENS = (_TOKEN, "RAY_AUTH_TOKEN_PATH")
_made: set[str] = set()  # tokens of this process


def connect(address: str) -> bool:
    """Whether this process was not connected before, and is now. Ray reports nothing to anybody (usage statistics).

    Without an address Ray is started here: it listens to this machine alone, and lets in who shows a token that is made
    for it, or that the environment has. PrerequisiteError where that cannot be.
    """
    if address.startswith("ray://"):
        raise UsageError(
            "--address ray://… goes through Ray's client, which cannot be told of nodes",
            remedy="start this command on a machine of the cluster with --address auto",
        )
    import ray

    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    handlers = _handlers()
    own: dict[str, Any] = {} if address else {"num_cpus": environment.cpu_count(), "include_dashboard": False}
    tries = 1 if address else _STARTS
    if not address:
        _make_token()
    try:
        for left in reversed(range(tries)):
            try:
                with nullcontext() if address else _loopback():
                    ray.init(address=address or "local", log_to_driver=True, logging_level="error", **own)
                break
            except (Exception, SystemExit) as error:
                ray.shutdown()
                if not left:
                    _drop_token()
                    raise PrerequisiteError(
                        f"cannot connect to Ray at {address or 'this machine'}: {brief(error)}",
                        remedy="see `ray status`, or leave --address out" if address else "is the machine overloaded?",
                    ) from error
    finally:
        _restore(handlers)
    return True


def leave() -> None:
    """Ends the connection. Ray leaves SIGTERM to the system's own way as it goes: signals wait until it is ours."""
    import ray

    handlers = _handlers()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
    try:
        ray.shutdown()
        _drop_token()
    finally:
        _restore(handlers)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reachable(address: str) -> bool:
    """Whether anybody listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def _handlers() -> dict[signal.Signals, Any]:
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        with suppress(ValueError, TypeError):  # not the main thread, or nobody's: nothing was changed
            signal.signal(number, handler)


@contextmanager
def _loopback() -> Iterator[None]:
    """What Ray starts in the block listens at 127.0.0.1 alone, as it does by itself on macOS and Windows."""
    from ray._private import ray_constants

    before = vars(ray_constants)["ENABLE_RAY_CLUSTER"]
    vars(ray_constants)["ENABLE_RAY_CLUSTER"] = False
    try:
        yield
    finally:
        vars(ray_constants)["ENABLE_RAY_CLUSTER"] = before


def _make_token() -> None:
    """A secret for one cluster, in place of the one that Ray would leave in the home folder for all of them."""
    if os.environ.get(_MODE, "token").lower() == "token" and not any(os.environ.get(name) for name in _TOKENS):
        _made.add(token := secrets.token_hex(32))
        os.environ[_TOKEN] = token
        _forget_token()


def _drop_token() -> None:
    if os.environ.get(_TOKEN) in _made:
        del os.environ[_TOKEN]
        _forget_token()


def _forget_token() -> None:
    """Has Ray look for its token again: another cluster has another one."""
    from ray import _raylet

    vars(_raylet)["AuthenticationTokenLoader"].instance().reset_cache()
