"""The command line as a user calls it, in this process."""

from __future__ import annotations

from nova_eval.cli import app


def called(*words: object) -> int:
    told = [str(word) for word in words]
    found: int = app(told, exit_on_error=False, print_error=False, result_action="return_value")
    return found
