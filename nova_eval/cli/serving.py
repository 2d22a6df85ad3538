"""serve: judges over HTTP."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from nova_eval import errors
from nova_eval.cli.apps import app
from nova_eval.packages import needed_by
from nova_eval.progress import talk
from nova_eval.service.bounds import Bounds

Held = Annotated[Bounds, Parameter(name="*", group=Group("What requests are held to", sort_key=3))]


@app.command
def serve(
    *benchmarks: str,
    judges: str = "",
    host: str = "127.0.0.1",
    port: int = 8765,
    token: Path | None = None,
    device: str = "auto",
    bounds: Held = Bounds(),
) -> int:
    """Say scores over HTTP: for training with rewards, and for other languages.

    `POST /v1/score` takes frames and a prompt, `GET /v1/benchmarks` says what can be scored; `nova_eval.client` asks.
    Judges are loaded when they are first asked, and stay, in a process of their own that is replaced when it hangs or
    dies. It ends by SIGTERM or Ctrl-C: what is at work is finished, what waits is refused. Exit code 130 if something
    could not be finished.

    Example: `nova-eval serve vbench --judges sprites --port 8765`

    Parameters
    ----------
    benchmarks
        Names from `list benchmarks` (default: all).
    judges
        A set of judges of the benchmarks: official or sprites (default: official).
    host
        The address to listen at; any but this machine's own needs a token.
    port
        The port; 0 takes one that is free and says which.
    token
        A file that holds what clients have to send as `Authorization: Bearer …` (default: $NOVA_EVAL_SERVE_TOKEN).
    device
        auto, cpu, cuda, cuda:1 … or mps.
    """
    from nova_eval.service.door import Door, check_host, token_of

    secret = token_of(token)
    check_host(host, secret)
    with needed_by("serve"):
        from nova_eval.service import server
        from nova_eval.service.app import App
    from nova_eval.service.apart import Apart
    from nova_eval.service.scoring import Offer, Scores

    scores = Scores(Offer(benchmarks, judges, device, bounds.decoded_bytes))
    _say_what(scores.told())
    with server.listening(host, port) as found, closing(Apart(scores, device, bounds.seconds, talk)) as apart:
        answered = server.serve(
            App(apart, Door(secret), bounds, talk),
            found,
            bounds,
            lambda _: talk(f"listening at {server.address(found)}"),
        )
    if not answered:
        talk("ended before everything at work was answered")
    return errors.OK if answered else errors.INTERRUPTED


def _say_what(told: list[dict[str, object]]) -> None:
    """What is served; PrerequisiteError where nothing could ever be scored."""
    for row in told:
        dimensions, absent = row["dimensions"], row["unavailable"]
        assert isinstance(dimensions, list)
        assert isinstance(absent, dict)
        count = f"{len(dimensions) - len(absent)} of {len(dimensions)} dimensions"
        why = f"; without judges: {next(iter(absent.values()))}" if absent else ""
        talk(f"{row['name']}: {count}{why}")
