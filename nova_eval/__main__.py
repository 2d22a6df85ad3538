"""``python -m nova_eval`` and ``nova-eval``: runs a verb and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys

from nova_eval.errors import INTERRUPTED, USAGE, NovaEvalError


def main() -> None:
    """Entry point of the command line."""
    from cyclopts import CycloptsError

    from nova_eval.cli import app

    try:
        code = app(result_action="return_value", exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"nova-eval: {' '.join(str(error).split())}", file=sys.stderr)
        code = USAGE
    except NovaEvalError as error:
        print(f"nova-eval: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("nova-eval: interrupted; what is finished is kept, the same command goes on", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
