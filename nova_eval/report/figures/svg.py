"""Elements of SVG as text, and the round numbers of an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape


def element(tag: str, content: str = "", /, **attributes: str | float) -> str:
    """One element; ``content`` is markup. ``class_`` is ``class``, and ``_`` in names stands for ``-``."""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_said(value))}"' for name, value in attributes.items()
    )
    return f"<{tag}{told}>{content}</{tag}>" if content else f"<{tag}{told}/>"


def text(x: float, y: float, content: str, /, **attributes: str | float) -> str:
    """A line of text; what stands in it is no markup."""
    return element("text", escape(content), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def drawing(kind: str, size: tuple[float, float], title: str, parts: Iterable[str], description: str = "") -> str:
    """The whole, of a width and height, with what a screen reader says of it."""
    said = element("title", escape(title)) + (element("desc", escape(description)) if description else "")
    return element(
        "svg",
        said + "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        class_=f"figure {kind}",
        viewBox=f"0 0 {_said(size[0])} {_said(size[1])}",
        role="img",
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most about ``most`` of them."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A tick's label: as few digits as it needs, with a typographic minus."""
    return f"{value:.6g}".replace("-", "−")


def _said(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
