"""``python -m recipes.nova_mini OUTPUT`` makes nova-mini."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from recipes.nova_mini.making import make_model
from recipes.nova_mini.packing import pack, record
from recipes.nova_mini.recipe import FULL, REHEARSAL


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description="Train nova-mini from nothing but the sprites world.")
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--pack", type=Path, help="then write the model in half precision here")
    arguments.add_argument("--record", type=Path, help="then write the curves and how it was made here")
    arguments.add_argument("--rehearse", action="store_true", help="a few steps of every part, to see it through")
    given = arguments.parse_args()
    effort = REHEARSAL if given.rehearse else FULL
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    say = logging.getLogger("nova_mini").info
    say("checkpoint: %s", make_model(given.output, effort, threads=given.threads, say=say))
    if given.pack:
        say("packed: %.1f MB", pack(given.output, given.pack) / 1e6)
    if given.record:
        record(given.output, given.record, effort)


if __name__ == "__main__":
    main()
