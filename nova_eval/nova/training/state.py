"""What a run needs to continue, in one file that is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.training.ema import Average


class Reached(NamedTuple):
    """Stages finished, and steps done of the next."""

    stage: int = 0
    step: int = 0


class State(NamedTuple):
    """``optimizer`` is None between stages."""

    progress: Reached
    model: dict[str, Tensor]
    average: dict[str, Tensor]
    average_updates: int
    optimizer: dict[str, Any] | None


class _Held(TypedDict):
    identity: str
    progress: tuple[int, int]
    model: dict[str, Any]
    average: dict[str, Any]
    average_updates: int
    optimizer: dict[str, Any] | None


def save_state(
    file: Path,
    identity: str,
    progress: Reached,
    *,
    model: nn.Module,
    average: Average,
    optimizer: torch.optim.Optimizer | None,
) -> None:
    """A killed process leaves the old state or the new."""
    content = {
        "identity": identity,
        "progress": list(progress),
        "model": model.state_dict(),
        "average": average.weights,
        "average_updates": average.updates,
        "optimizer": None if optimizer is None else optimizer.state_dict(),
    }
    with files.writing(file), files.whole(file) as stream:
        torch.save(content, stream)


def load_state(file: Path, identity: str) -> State:
    """UsageError when the state is of a run with another configuration, PrerequisiteError when it is damaged."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise PrerequisiteError(
            f"{file}: unreadable state ({type(error).__name__})", remedy="start without resume"
        ) from error
    held = reading.typed(content, str(file), _Held, error=PrerequisiteError, remedy="start without resume")
    if held["identity"] != identity:
        raise UsageError(
            f"{file} belongs to a run with another configuration", remedy="start without resume, or give another output"
        )
    model, average, optimizer = content["model"], content["average"], content["optimizer"]
    return State(Reached(*held["progress"]), model, average, held["average_updates"], optimizer)
