"""The documents say what the code says: facts and pictures of dimensions, the reference, the site, the notebook."""

from __future__ import annotations

import ast
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import nova_eval
from recipes.documents.examples import EXAMPLES
from recipes.documents.front import caption
from recipes.documents.pictures import shown
from recipes.documents.reading import fact_line, picture_line, section
from recipes.documents.reference import pages

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DIMENSIONS = [(benchmark, dimension) for benchmark, dimensions in EXAMPLES.items() for dimension in dimensions]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_dimension_has_its_facts_its_words_and_a_picture() -> None:
    """Facts are those of benchmark.toml now; ``python -m recipes.documents`` writes them again."""
    configs = {name: config for name, config in nova_eval.benchmarks().items() if name in EXAMPLES}
    assert {name: [*config.dimensions] for name, config in configs.items()} == {n: [*e] for n, e in EXAMPLES.items()}
    for benchmark, dimension in DIMENSIONS:
        said = section(page(f"reading/{benchmark}.md"), configs[benchmark], dimension)
        assert fact_line(configs[benchmark], dimension) in said, dimension
        words = [line for line in said.splitlines() if line and not line.startswith(("`", "!", "*"))]
        assert len(" ".join(words)) > 15, dimension
        with Image.open(DOCS / "reading" / "pictures" / f"{benchmark}-{dimension}.jpg") as picture:
            assert picture.width >= 300


def test_the_picture_of_the_front_page_has_the_numbers_of_the_reference_tables() -> None:
    """``python -m recipes.documents`` draws it again, and says in words what it shows."""
    for path in (DOCS / "index.md", ROOT / "README.md"):
        assert f"{caption()}](" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("benchmark", "dimension"),
    [pytest.param(*one, marks=[] if one[1] == "counting" else pytest.mark.slow) for one in DIMENSIONS],
)
def test_the_scores_below_a_picture_are_those_of_its_frames(benchmark: str, dimension: str) -> None:
    found = shown(benchmark, dimension)
    assert found.value > found.lowered
    line = picture_line(benchmark, dimension, found.value, found.lowered)
    assert line in page(f"reading/{benchmark}.md")


def test_the_reference_has_every_command_and_every_name_and_the_menu_every_page() -> None:
    made = pages()
    for verb in ("run", "compare", "reference save", "weights fetch", "bench faults"):
        assert f"# nova-eval {verb}\n" in made["reference/commands.md"]
    assert "--samples-per-prompt" in made["reference/commands.md"]
    for name in (*nova_eval.__all__, "OpenRun.scores", "Comparison.passes"):
        assert f"# {name}\n" in made["reference/python.md"]
    assert "Mapping[str, Any] = {}," in made["reference/python.md"]
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    written = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert [name for name in (*written, *made) if f"- {name}\n" not in menu] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every link of it leads somewhere, and nothing in it is loaded from elsewhere."""
    pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    def refused(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    html = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")}
    assert len(html) > 15
    for path, text in html.items():
        for loaded in ('src="http', 'src="//', '<link rel="stylesheet" href="http', "fonts.g", "@import"):
            assert loaded not in text, path


@pytest.mark.slow
def test_the_notebook_runs_scores_compares_and_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(page("notebook.ipynb"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    space: dict[str, Any] = {}
    ends = [_result(cell, space) for cell in cells]
    drawn = [end._repr_html_() for end in ends if hasattr(end, "_repr_html_")]
    assert len(drawn) >= 6
    assert ends[-1] is False  # every color changed: the gate notices
    assert "semantic" in space["verdicts"].worse  # too few prompts of color alone
    assert (tmp_path / "differences.svg").stat().st_size > 5000
    scores = space["nova_eval"].score(
        [space["frames"]] * 2, [space["red"], space["blue"]], benchmark="vbench", fps=8, judges="sprites"
    )
    assert scores["value"].tolist() == [1, 0]


@pytest.mark.slow
def test_the_page_on_python_runs_from_its_first_line_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for block in page("python.md").split("```python\n")[1:]:
        exec(compile(block.partition("```")[0], "python.md", "exec"), space)
    assert space["run"].complete
    assert space["good"].name == space["run"].name
    assert (tmp_path / "last_good.parquet").is_file()
    assert (tmp_path / "page" / "index.html").is_file()


def _result(cell: str, space: dict[str, Any]) -> Any:
    """What a notebook shows of a cell: the value of its last line, where that is an expression."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), space)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), space)  # type: ignore[attr-defined]
