"""The built book in a real browser, offline: figures, formulas, links, themes, a phone's width.

It reads ``_build/html`` and fails, rather than skips, when there is no book or no browser: a page
that nobody has looked at counts as broken.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.browser import find

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PAGES = sorted(
    page.relative_to(HTML).as_posix() for page in [*HTML.glob("*.html"), *HTML.glob("api/*.html")]
)
FINISHED = [name for name in PAGES if (ROOT / "book" / name).with_suffix(".ipynb").exists()]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]

# Formulas are typeset and figures drawn; plotly sets _fullLayout, figures.js marks what it themed.
SETTLED = """() => document.readyState === 'complete'
  && (!document.querySelector('.math')
      || (window.MathJax && MathJax.startup && MathJax.startup.document
          && document.querySelectorAll('mjx-container').length
             >= document.querySelectorAll('span.math, div.math').length))
  && [...document.querySelectorAll('.plotly-graph-div')].every(
      (figure) => figure.dataset.theme === document.documentElement.dataset.theme)"""

SURVEY = """() => {
  const seen = (node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const folded = (node) => node.closest('details:not([open]), .toggle-hidden') !== null;
  const text = document.createTreeWalker(document.querySelector('main') || document.body,
                                         NodeFilter.SHOW_TEXT);
  const raw = [];
  while (text.nextNode()) {
    const inside = text.currentNode.parentElement;
    if (inside.closest('pre, code, script, style, mjx-container, textarea')) continue;
    if (/\\\\\\(|\\\\\\[|\\$\\$|\\{\\w+\\}`/.test(text.currentNode.data)) {
      raw.push(text.currentNode.data.trim().slice(0, 80));
    }
  }
  const width = document.documentElement.clientWidth;
  const clipped = (node) => {
    for (let at = node.parentElement; at; at = at.parentElement) {
      if (at === document.documentElement) return false;
      if (getComputedStyle(at).overflowX !== 'visible'
          && at.getBoundingClientRect().right <= width + 1) return true;
    }
    return false;
  };
  const wide = [...document.querySelectorAll('main *')]
    .filter((node) => node.getBoundingClientRect().right > width + 1 && !clipped(node))
    .map((node) => `${node.tagName}.${node.getAttribute('class')}`);
  return {
    formulas: document.querySelectorAll('span.math, div.math').length,
    typeset: document.querySelectorAll('mjx-container').length,
    mathErrors: document.querySelectorAll('mjx-merror, [data-mjx-error]').length,
    rawMarkup: raw,
    figures: [...document.querySelectorAll('.plotly-graph-div')].map((figure) => ({
      drawn: [...figure.querySelectorAll('.main-svg, canvas')].some(seen) || folded(figure),
      label: (figure.closest('[role=img]') || figure).getAttribute('aria-label') || '',
      broad: figure.getBoundingClientRect().width,
    })),
    images: [...document.querySelectorAll('main img')].map((image) => ({
      src: image.getAttribute('src'), alt: image.getAttribute('alt'), width: image.naturalWidth,
    })),
    width,
    overflow: document.documentElement.scrollWidth - width,
    wide: [...new Set(wide)].slice(0, 5),
  };
}"""

# Luminance contrast of a figure's text against the page behind it (WCAG 2).
CONTRASTS = """() => {
  const channel = (byte) => {
    const c = byte / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('.plotly-graph-div')].flatMap((figure) =>
    [...figure.querySelectorAll('.xtick text, .ytick text, .legendtext, .gtitle')].map((text) => {
      const a = light(parse(getComputedStyle(text).fill)), b = light(behind(figure));
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not PAGES:
        pytest.fail(f"no book in {HTML}: run `make book` first")
    path = find()
    if path is None:
        pytest.fail("no Chromium or Chrome: run `python -m tests.browser`, or set CHROMIUM to one")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])
        yield started
        started.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output to itself."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a local server of the built pages."""
    handler = partial(_Quiet, directory=str(HTML))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


class Watched:
    """One tab, with everything that went wrong in it."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.page: Page = context.new_page()
        self.base = base
        self.problems: list[str] = []
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("requestfailed", lambda r: self.problems.append(f"failed: {r.url}"))
        self.page.on("response", lambda r: self._response(r.status, r.url))
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("console", lambda m: self._console(m.type, m.text))

    def _request(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.problems.append(f"request outside the book: {url}")

    def _response(self, status: int, url: str) -> None:
        if status >= 400:
            self.problems.append(f"{status}: {url}")

    def _console(self, kind: str, text: str) -> None:
        if kind == "error":
            self.problems.append(f"console: {text}")

    def open(self, name: str) -> dict[str, Any]:
        """Open a page, wait until it has settled, and report on it."""
        self.problems.clear()
        self.page.goto(self.base + name, wait_until="load")
        try:
            self.page.wait_for_function(SETTLED, timeout=60_000)
        except Error:
            self.problems.append("formulas or figures did not settle within 60 s")
        return dict(self.page.evaluate(SURVEY))


@pytest.fixture(scope="module")
def tab(browser: Browser, server: str) -> Iterator[Watched]:
    with browser.new_context(viewport=DESKTOP, color_scheme="light") as context:  # type: ignore[arg-type]
        yield Watched(context, server)


def verdict(report: dict[str, Any]) -> list[str]:
    """What is wrong with a page according to its survey."""
    wrong = []
    if report["typeset"] < report["formulas"]:
        wrong.append(f"{report['typeset']} of {report['formulas']} formulas typeset")
    if report["mathErrors"]:
        wrong.append(f"{report['mathErrors']} formulas with an error")
    wrong += [f"raw markup: {text!r}" for text in report["rawMarkup"]]
    for number, figure in enumerate(report["figures"], 1):
        if not figure["drawn"]:
            wrong.append(f"figure {number} is blank")
        if not figure["label"].strip():
            wrong.append(f"figure {number} has no label for readers who do not see it")
        if figure["broad"] > report["width"]:
            wrong.append(f"figure {number} is {figure['broad']} px wide")
    for image in report["images"]:
        if not (image["alt"] or "").strip():
            wrong.append(f"image {image['src']} has no alt text")
        if not image["width"]:
            wrong.append(f"image {image['src']} did not load")
    if report["overflow"] > 0:
        wrong.append(f"{report['overflow']} px too wide because of {report['wide']}")
    return wrong


def test_the_book_is_built() -> None:
    assert PAGES, f"no book in {HTML}: run `make book` first"
    assert "index.html" in PAGES
    assert len(FINISHED) == 13


def look(tab: Watched, name: str, where: str) -> list[str]:
    """What is wrong with the open page as it stands, the contrast of its figures included."""
    wrong = verdict(tab.page.evaluate(SURVEY)) + tab.problems
    if name in FINISHED and where != "phone":
        contrasts = tab.page.evaluate(CONTRASTS)
        if not contrasts or min(contrasts) < 4.5:
            wrong.append(f"contrasts of axes and legends: {sorted(contrasts)[:3]}")
    return [f"{where}: {text}" for text in wrong]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_on_desktop_and_phone_in_both_themes(tab: Watched, name: str) -> None:
    tab.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    tab.page.emulate_media(color_scheme="light")
    tab.open(name)
    wrong = look(tab, name, "light")
    tab.page.emulate_media(color_scheme="dark")
    tab.page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    tab.page.wait_for_function(SETTLED)
    wrong += look(tab, name, "dark")
    tab.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    if name in FINISHED:
        tab.page.wait_for_timeout(500)  # plotly resizes its figures a moment later
    assert not wrong + look(tab, name, "phone")


@pytest.mark.parametrize("name", FINISHED)
def test_finished_chapter_opens_as_a_file(browser: Browser, name: str) -> None:
    with browser.new_context(viewport=DESKTOP, offline=True) as context:  # type: ignore[arg-type]
        tab = Watched(context, HTML.as_uri() + "/")
        report = tab.open(name)
        assert not verdict(report) + tab.problems
        assert report["figures"], "a finished chapter closes its argument with a figure"
        fonts = "[...document.fonts].filter((font) => font.status === 'error').map((f) => f.family)"
        assert tab.page.evaluate(fonts) == []


class _Anchors(HTMLParser):
    """The links, the loaded resources and the anchors of one page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids.update(values[key] for key in ("id", "name") if key in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif "src" in values or tag == "link":
            self.loaded.append(values.get("src") or values.get("href", ""))


@pytest.fixture(scope="module")
def anchors() -> dict[str, _Anchors]:
    return {name: _Anchors(HTML / name) for name in PAGES}


def test_internal_links_lead_somewhere(anchors: dict[str, _Anchors]) -> None:
    broken = []
    for name, page in anchors.items():
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            path, anchor = urldefrag(urljoin(name, link))
            target = HTML / unquote(path)
            known = anchors.get(unquote(path))
            if not target.exists() or (anchor and known and unquote(anchor) not in known.ids):
                broken.append(f"{name}: {link}")
    assert not broken


def test_pages_name_no_foreign_resource(anchors: dict[str, _Anchors]) -> None:
    assert [
        f"{name}: {link}"
        for name, page in anchors.items()
        for link in page.loaded
        if urlsplit(link).scheme in ("http", "https") or link.startswith("//")
    ] == []
    for name in PAGES:
        text = (HTML / name).read_text(encoding="utf-8")
        for host in ("unpkg.com", "jsdelivr.net", "cdnjs.", "cdn.plot.ly", "googleapis.com"):
            assert host not in text, f"{name} names {host}"
