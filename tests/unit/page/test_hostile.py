"""Prompts that would be code, links, paths, formulas or orders to a terminal are text in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from calling import called

from nova_eval.errors import UsageError

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "link": "[a cat](javascript:alert(3)) ![x](http://x/y)",
    "path": "../../etc/passwd",
    "long": "a cat, " * 600 + "a dog",
    "emoji": "🦊 and 👩‍👩‍👧 in ❄️",
    "right to left": "\u202eabc\u202c مرحبا قط",
    "formula": '=HYPERLINK("http://x","y")',
    "lines": "a cat\n\n# and\t| a | dog",
    "latex": r"\input{/etc/passwd} $x_1$ 50% & #1 ~^",
    "script": "'); alert(4); ('\u2028</script>",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hostile")
    prompts = [{"id": f"h/{n}", "prompt": text, "dimension": "non_spatial"} for n, text in enumerate(HOSTILE.values())]
    (folder / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")
    words = ("--prompts", folder / "prompts.json", "--samples-per-prompt", 1, "--workers", 1, "--results", folder)
    for seed in (0, 1):
        name = ("--seed", seed, "--name", f"run-{seed}")
        called("run", "t2i_compbench", "--sampler", "noise", "--judges", "sprites", *name, *words)
    return [folder / "runs" / "t2i_compbench" / f"run-{seed}" for seed in (0, 1)]


def test_orders_to_a_terminal_are_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text(json.dumps(["\x1b[31mred\x9b2J"]))
    with pytest.raises(UsageError, match=r"control character U\+001B"):
        called("run", "vbench", "--sampler", "noise", "--prompts", tmp_path / "prompts.json", "--results", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.json"]


@pytest.fixture(scope="module")
def page(runs: list[Path]) -> Path:
    assert called("report", *runs, "--out", runs[0].parent / "page") == 0
    return runs[0].parent / "page"


@pytest.mark.parametrize("format", ["terminal", "md", "csv", "tex", "html", "json"])
def test_prompts_are_text_in_every_format(runs: list[Path], format: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--json",) if format == "json" else ("--format", format)
    capsys.readouterr()
    for words in (("table", runs[0], "--samples", *asked), ("compare", *runs, *asked)):
        assert called(*words) == 0
        said = capsys.readouterr().out
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
        if format == "json":
            assert json.loads(said)
        elif format == "html":
            assert not re.search(r"<script|<img|<a[ >]", said)
        elif format == "md":
            assert not re.search(r"(?<!\\)\]\(|<(?!sub>|/sub>)", said)
        elif format == "tex":
            assert not re.search(r"\\input\{|(?<!\\)[%#]\d", said)
        elif format == "csv":
            cells = [cell for row in csv.reader(io.StringIO(said)) for cell in row]
            assert not [cell for cell in cells if cell[:1] in tuple("=+@\t") or re.match(r"-[^0-9.]", cell)]


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_page_shows_what_was_asked_and_nothing_of_it_is_code(page: Path, kind: str) -> None:
    data = (page / "data.js").read_text(encoding="ascii")
    told = json.loads(re.sub(r"\\(['\\])", r"\1", data[data.index("('") + 2 : data.rindex("')")]))
    assert HOSTILE[kind] in told["prompts"]["text"]
    text = (page / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?! src=\"[a-z]+\.js\")|<img(?! src=\"media/)|javascript:|onerror=[^&]*>", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
