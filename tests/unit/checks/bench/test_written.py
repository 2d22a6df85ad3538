"""A page says on which machine something was printed."""

from __future__ import annotations

from pathlib import Path

from nova_eval import environment
from nova_eval.checks.bench.written import page


def test_a_page_holds_what_was_printed_and_where(tmp_path: Path) -> None:
    text = page(tmp_path / "new" / "judges.md", "judges", "  a\n\nb").read_text(encoding="utf-8")
    head, *rest = text.splitlines()
    assert "`python -m nova_eval bench judges`" in head
    assert environment.cpu_name() in head
    assert rest == ["", "      a", "", "    b"]
