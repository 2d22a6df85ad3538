"""What the documents show works as it stands: commands are understood, code runs, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nova_eval import errors, media
from nova_eval.adapters.rule import Rule
from nova_eval.cli import app
from nova_eval.config import Facts, read_benchmark
from nova_eval.engines.questions import scores_of
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import meanings

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("reference/commands.md", "reference/python.md")
"""Pages of ``docs`` that are made from the code when the site is built."""
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for folder in (".", "benchmarks", "docs", "nova_eval", "prompts", "recipes", "results/reference")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)


def text(document: Path | str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def lines_of_code(document: Path) -> Iterator[str]:
    """Lines of blocks that are not Python, and what stands between backticks, without comments."""
    language: str | None = None
    for line in text(document).splitlines():
        if line.strip().startswith("```"):
            language = None if language is not None else line.strip().strip("`")
        elif language is not None:
            if language != "python":
                yield line.strip().partition("  #")[0].partition(" # ")[0].strip()
        elif line.startswith("    ") and not line.lstrip().startswith(("-", "|")):
            yield line.strip().partition("  #")[0].partition(" # ")[0].strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(beginning: str) -> list[tuple[str, str]]:
    found = [(str(document), line) for document in DOCUMENTS for line in lines_of_code(document)]
    return [(document, line) for document, line in found if re.match(beginning, line)]


def blocks(document: Path | str) -> list[str]:
    """The Python blocks of ``document``."""
    return [part.partition("```")[0] for part in text(document).split("```python\n")[1:]]


@pytest.mark.parametrize(("document", "command"), commands(r"(python -m nova_eval|nova-eval) "))
def test_every_command_is_understood(document: str, command: str) -> None:
    words = re.sub(r" > .*| \[[A-Z]+ …\]", "", command)  # what is optional: a target, more of the same
    words = re.sub(r"\[(--[^\]]+)\]", r"\1", words).replace("--limit N", "--limit 3")
    words = words.removeprefix("python -m nova_eval ").removeprefix("nova-eval ")
    function, bound, _ = app.parse_args(shlex.split(words), exit_on_error=False, print_error=False)
    assert callable(function)
    assert bound is not None


CLUSTER = sorted((ROOT / "docs" / "cluster").glob("*.[sy]*"))
STANDS_FOR = {"$BENCHMARK": "vbench", "$SHARD": "1/8", "$RESULTS": "results", "$address:$PORT": "head:6379"}


@pytest.mark.parametrize("file", CLUSTER, ids=[file.name for file in CLUSTER])
def test_an_example_for_clusters_runs_what_there_is(file: Path) -> None:
    written = file.read_text(encoding="utf-8")
    if file.suffix == ".sh":
        subprocess.run(["bash", "-n", str(file)], check=True)
    for name, value in STANDS_FOR.items():
        written = written.replace(name, value)
    [words] = re.findall(r"python -m nova_eval (run .*)", written)
    function, bound, _ = app.parse_args(shlex.split(words), exit_on_error=False, print_error=False)
    assert callable(function)
    assert bound is not None


@pytest.mark.parametrize(("document", "command"), commands(r"python -m (?!nova_eval |pip|venv)"))
def test_every_module_that_is_run_exists(document: str, command: str) -> None:
    module = command.split()[2]
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(("document", "command"), commands("make "))
def test_every_target_of_make_exists(document: str, command: str) -> None:
    targets = re.findall(r"^([\w-]+):", text("Makefile"), flags=re.MULTILINE)
    assert command.split()[1] in targets


@pytest.mark.parametrize(("document", "command"), commands("pip install|-e "))
def test_every_extra_that_is_installed_exists(document: str, command: str) -> None:
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    asked = {name for group in re.findall(r"\[([\w,]+)\]", command) for name in group.split(",")}
    assert asked <= extras.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_to_files_and_python_compiles(document: Path) -> None:
    targets = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text(document))]
    places = [ROOT / document.parent / target for target in targets if target]
    made = [ROOT / "docs" / name for name in GENERATED]
    assert [str(place) for place in places if not place.exists() and place not in made] == []
    for block in blocks(document):
        assert compile(block, str(document), "exec")


def test_the_exit_codes_of_the_readme_are_those_of_the_command() -> None:
    [line] = [line for line in text("README.md").splitlines() if line.startswith("Exit codes: ")]
    told = {int(part.split()[0]) for part in line.removeprefix("Exit codes: ").split(" · ")}
    assert told == {
        errors.OK,
        errors.GATE_FAILED,
        errors.USAGE,
        errors.INCOMPLETE,
        errors.PREREQUISITE,
        errors.INTERRUPTED,
    }


def test_load_sample_and_save_as_the_documents_do(
    video_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = [block for block in blocks("docs/reproduce_the_paper.md") if "NovaPipeline.from_pretrained" in block]
    for asked, small in {
        "BAAI/nova-d48w1024-osp480": str(video_checkpoint),
        'device="cuda", dtype="bfloat16"': 'device="cpu", dtype="float32"',
        "latent_frames=9, ar_steps=128, diffusion_steps=100": "latent_frames=2, ar_steps=4, diffusion_steps=2",
    }.items():
        assert asked in code
        code = code.replace(asked, small)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "reproduce_the_paper.md", "exec"), {})  # the reader's own five lines
    clip = media.read(tmp_path / "cat.mp4")
    assert clip.frames.shape == (5, 32, 64, 3)
    assert clip.fps == 12


def test_the_sampler_of_the_documents_samples(tmp_path: Path) -> None:
    [code] = blocks("docs/adding/sampler.md")
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    sampler = SAMPLERS.get(f"{tmp_path / 'mine.py'}:Mine")(frames=3)
    [clip] = sampler.sample([Prompt("vbench/0000", "a cat")], [1])
    assert (clip.shape, clip.dtype) == ((3, 64, 64, 3), np.uint8)
    assert sampler.info.settings == {"frames": 3}
    assert meanings(SAMPLERS.get(f"{tmp_path / 'mine.py'}:Mine"))["frames"] == "Frames of a clip."


def test_the_benchmark_of_the_documents_is_one(tmp_path: Path) -> None:
    """Its facts are read as any benchmark's, its entry point is a TOML table, and its rule scores."""
    facts, entry = text("docs/adding/benchmark.md").split("```toml\n")[1:]
    (tmp_path / "benchmark.toml").write_text(textwrap.dedent(facts.partition("```")[0]), encoding="utf-8")
    config = read_benchmark(Facts("example", tmp_path, tmp_path))
    assert config.judges_of("official") == {"image_quality": "sprites"}
    points = tomllib.loads(textwrap.dedent(entry.partition("```")[0]))["project"]["entry-points"]
    assert points["nova_eval.benchmarks"] == {"example": "example_benchmark:Example"}
    space: dict[str, Any] = {}
    [code] = blocks("docs/adding/benchmark.md")
    exec(compile(code, "benchmark.md", "exec"), space)
    key = SampleKey("example/0", 0)
    item = Item(
        Prompt("example/0", "a red circle"),
        Sample(key, 0, "", "", 0, 8, 8, 1, 0.0, 0.0),
        media.Clip(np.zeros((1, 8, 8, 3), np.uint8), 0.0),
    )
    [score] = scores_of(Rule("sharpness", "image_quality", space["sharpness"]), [item], JUDGES.make("sprites"))
    assert (score.key, score.metric) == (key, "sharpness")
    assert score.value is not None


def test_the_smallest_judge_answers_the_question_of_imaging_quality(tmp_path: Path) -> None:
    [code] = blocks("docs/adding/judge.md")
    (tmp_path / "sharpness.py").write_text(code, encoding="utf-8")
    judge = JUDGES.get(f"{tmp_path / 'sharpness.py'}:Sharpness")()
    flat, busy = np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert judge.to("cpu") is judge
    assert judge.quality(flat).tolist() == [0, 0]
    assert (judge.quality(busy) > 20).all()
    assert (judge.quality(busy) <= 100).all()
