"""How tables are written: one record for the command line and the functions. Imports nothing of weight."""

import re  # annotations are objects here, not text: the command line reads them from another module
from dataclasses import dataclass
from typing import Literal

from nova_eval.errors import UsageError

Format = Literal["terminal", "md", "csv", "tex", "html"]
Baselines = Literal["none", "some", "all"]

_MOST_DIGITS = 12


@dataclass(frozen=True)
class TableOptions:
    """What stands beside the numbers of runs, and what the page looks like. UsageError for a value that cannot be."""

    format: Format | None = None
    "terminal (the default), md, csv (the default of --samples), tex or html."
    columns: tuple[str, ...] = ()
    "Only these dimensions and composites, in this order."
    baselines: Baselines = "none"
    "Published rows beside the runs, where their prompts allow it: none (the default), the benchmark's choice, or all."
    latency: bool = False
    "Add seconds per sample, frames per second and the device."
    samples: bool = False
    "A row for each sample instead: its file, its prompt, what it scored, and why it has no score."
    label: tuple[str, ...] = ()
    "What the runs are called, in their order."
    caption: str = ""
    "The title, in place of the table's own."
    key: str = ""
    r"What \ref refers to, such as tab:main (LaTeX)."
    digits: int | None = None
    "Decimals (default: two of percentages, four of fractions, or a paper's own)."
    intervals: Literal["beside", "lowered", "none"] = "beside"
    "95 % intervals beside their numbers (the default), lowered as a subscript, or none."
    transpose: bool = False
    "Models as columns, dimensions as rows."

    def __post_init__(self) -> None:
        if self.digits is not None and not 0 <= self.digits <= _MOST_DIGITS:
            raise UsageError(f"digits: must be between 0 and {_MOST_DIGITS} (got {self.digits})")
        if self.key and not re.fullmatch(r"[A-Za-z0-9:._/-]+", self.key):
            raise UsageError(
                f"{self.key!r} cannot be referred to", remedy="use letters, digits and :._/- such as tab:main"
            )

    @property
    def written(self) -> Format:
        """The format asked for, or the usual one."""
        return self.format or ("csv" if self.samples else "terminal")


USUAL = TableOptions()
