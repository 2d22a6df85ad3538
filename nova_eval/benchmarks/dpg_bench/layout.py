"""DPG-Bench's official names: one picture an item, called after the item's id."""

from __future__ import annotations

from pathlib import PurePath


def official_name(item: str, suffix: str = ".png") -> str:
    """``COCOval2014000000012345.png``."""
    return f"{item}{suffix}"


def item_of(path: str | PurePath) -> str:
    """The item a name states: what stands before its first full stop."""
    return PurePath(path).name.split(".")[0]
