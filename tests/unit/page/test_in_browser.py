"""The page in headless Chromium, from disk: figures, clips, one clock, filters, keys, links, votes; no request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import called

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
Open = Callable[..., Any]

# How far apart the two clips are, in frames, at 40 moments of playing.
APART = """async () => {
  const [a, b] = nova.viewer.panes.videos.map((pane) => pane.video);
  const fps = nova.viewer.panes.clock.fps, found = [];
  while (found.length < 40) {
    await new Promise(requestAnimationFrame);
    if (!a.paused && !b.paused && !a.seeking && !b.seeking) found.push((b.currentTime - a.currentTime) * fps);
  }
  return found;
}"""


# Controls and pictures that say nothing to somebody who cannot see them.
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, svg, img')].filter((one) => !(
  one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim() || one.hasAttribute('alt')
  || one.querySelector('title, [alt]:not([alt=""])'))).map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    results = tmp_path_factory.mktemp("results")
    words = ("--limit", 8, "--samples-per-prompt", 1, "--workers", 1, "--results", results)
    for sampler in ("oracle", "noise"):
        called("run", "vbench", "--sampler", sampler, *words, "--name", sampler)
    return [results / "runs" / "vbench" / sampler for sampler in ("oracle", "noise")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        words = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=words)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens a page; at the end nothing has been said on the console, asked of a network or refused by the policy."""
    said: list[str] = []
    contexts = []

    def visit(index: Path, link: str = "", width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(("file:", "blob:")) else said.append(asked.url))
        page.add_init_script("addEventListener('securitypolicyviolation', (e) => console.log(e.violatedDirective))")
        page.goto(f"{index.as_uri()}{link}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def index(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two") / "page"
    assert called("report", *clips, "--out", out) == 0
    return out / "index.html"


def until(page: Any, holds: str) -> None:
    """Waits for an expression; the driver's own way would need a script from text, which the policy refuses."""
    for _ in range(400):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(25)
    raise AssertionError(holds)


def first(page: Any) -> str:
    """The link to the first of the listed samples."""
    page.wait_for_selector(".cell a")
    return str(page.evaluate("document.querySelector('.cell a').getAttribute('href')"))


def test_figures_pictures_and_clips_are_drawn(opened: Open, index: Path) -> None:
    page = opened(index)
    sizes = page.eval_on_selector_all(
        "#view-summary svg", "all => all.map((one) => one.getBoundingClientRect().height)"
    )
    assert len(sizes) >= 10
    assert min(sizes) > 20
    page.keyboard.press("2")
    page.wait_for_selector(".cell img")
    until(page, "[...document.querySelectorAll('.cell img')].every((one) => one.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.hover(".cell")
    until(page, "document.querySelector('.cell video')?.currentTime > 0")


@pytest.mark.parametrize("rate", [1, 0.25])
def test_two_clips_keep_together_and_step_by_frames(opened: Open, index: Path, rate: float) -> None:
    page = opened(index, "#samples")
    page.goto(f"{index.as_uri()}{first(page)}")
    until(page, "nova.viewer.panes?.playing && nova.viewer.panes.videos.length === 2")
    while page.evaluate("nova.viewer.panes.rate") != rate:
        page.keyboard.press("s")
    apart = page.evaluate(APART)
    assert max(map(abs, apart)) < 1
    page.keyboard.press("Space")
    page.evaluate("nova.viewer.panes.seek(3)")
    for key, frame in ((".", 4), (".", 5), (",", 4)):
        page.keyboard.press(key)
        until(page, f"nova.viewer.panes.frame === {frame} && "
                               "nova.viewer.panes.videos.every(({ video }) => !video.seeking)")  # fmt: skip
        times = page.evaluate("nova.viewer.panes.videos.map(({ video, fps }) => video.currentTime * fps)")
        assert [int(time) for time in times] == [frame, frame]
    assert "frame 5 of 17" in page.inner_text("#at")
    for key, mode in (("w", "wipe"), ("d", "difference"), ("b", "side")):
        page.keyboard.press(key)
        assert page.get_attribute("#stage", "data-mode") == mode


def test_filters_links_and_keys(opened: Open, index: Path) -> None:
    page = opened(index, "#samples")
    every = page.evaluate("nova.samples.found.length")
    page.keyboard.press("/")
    page.keyboard.type("circle")
    until(page, f"nova.samples.found.length < {every}")
    assert "text=circle" in page.url
    page.reload()
    until(page, f"nova.samples.found.length > 0 && nova.samples.found.length < {every}")
    page.keyboard.press("x")
    until(page, f"nova.samples.found.length === {every}")
    page.select_option("#filter-change", "worse")
    until(page, "nova.samples.found.every((n) => nova_data.core.runs[1].mean[n] < nova_data.core.runs[0].mean[n])")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open] .one")
    name = page.inner_text("#viewer-name")
    assert page.url.endswith(f"#{name}")
    page.keyboard.press("j")
    until(page, f"document.getElementById('viewer-name').textContent !== '{name}'")
    page.keyboard.press("?")
    assert "a frame forth" in page.inner_text("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('viewer').open && location.hash.startsWith('#samples')")
    page.keyboard.press("t")
    assert page.get_attribute("html", "data-theme") == "light"


def test_a_phone_shows_every_view_without_scrolling_sideways(opened: Open, index: Path) -> None:
    for view in ("summary", "samples", "missing", "about"):
        page = opened(index, f"#{view}", width=360, color_scheme="dark")
        page.wait_for_selector(f"#view-{view}:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_everything_has_a_name_for_a_screen_reader(opened: Open, index: Path) -> None:
    page = opened(index, "#samples")
    page.wait_for_selector(".cell a")
    bare = page.evaluate(NAMELESS)
    assert bare == []
    assert {
        tag: page.locator(tag).count() for tag in ("main", "nav", "body > header", "footer", "h1")
    } == dict.fromkeys(("main", "nav", "body > header", "footer", "h1"), 1)


def test_votes_survive_a_reload_and_are_read_back(
    opened: Open, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("report", *clips, "--blind", "--out", tmp_path / "blind") == 0
    page = opened(tmp_path / "blind" / "index.html")
    shown = page.evaluate("document.documentElement.outerHTML + JSON.stringify(nova_data)")
    assert "oracle" not in shown
    assert "noise" not in shown
    words = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowDown": "same", "s": "skip"}
    for place, key in enumerate(words):
        until(page, f"nova.blind.at === {place}")
        page.keyboard.press(key)
    page.reload()
    assert page.evaluate("nova.blind.at") == len(words)
    with page.expect_download() as download:
        page.keyboard.press("v")
    file = tmp_path / "votes.json"
    download.value.save_as(file)
    told = json.loads(file.read_text())
    assert [vote["vote"] for vote in told["votes"]] == list(words.values())
    capsys.readouterr()
    assert called("compare", *clips, "--votes", file, "--json") == 0
    found = json.loads(capsys.readouterr().out)["votes"]
    assert (found["cast"], found["skipped"], found["strange"]) == (3, 1, 0)
