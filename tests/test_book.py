"""The built book in a browser, as files and offline: figures, formulas, links, themes, a phone.

It reads ``_build/html`` and fails, rather than skips, when there is no book or no browser: a page
that nobody has looked at counts as broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, ViewportSize, sync_playwright

from tests.browser import launch, serious

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PAGES = sorted(
    page.relative_to(HTML).as_posix() for page in [*HTML.glob("*.html"), *HTML.glob("api/*.html")]
)
FINISHED = [name for name in PAGES if (ROOT / "book" / name).with_suffix(".ipynb").exists()]
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# Formulas are typeset and figures drawn; plotly sets _fullLayout, figures.js marks what it themed.
SETTLED = """(theme) => document.readyState === 'complete'
  && document.documentElement.dataset.theme === theme
  && (!document.querySelector('.math')
      || (window.MathJax && MathJax.startup && MathJax.startup.document
          && document.querySelectorAll('mjx-container').length
             >= document.querySelectorAll('span.math, div.math').length))
  && [...document.querySelectorAll('.plotly-graph-div')].every(
      (figure) => figure.dataset.theme === theme)"""

# What is wrong with a page, in words.
SURVEY = r"""() => {
  const wrong = [];
  const need = (fine, complaint) => fine || wrong.push(complaint);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const text = document.createTreeWalker(document.querySelector('main') || document.body,
                                         NodeFilter.SHOW_TEXT);
  while (text.nextNode()) {
    const inside = text.currentNode.parentElement;
    if (inside.closest('pre, code, script, style, mjx-container, textarea')) continue;
    const words = text.currentNode.data;
    need(!/\\\(|\\\[|\$\$|\{\w+\}`/.test(words), `raw markup: ${words.trim().slice(0, 80)}`);
  }
  const formulas = all('span.math, div.math').length, typeset = all('mjx-container').length;
  need(typeset >= formulas, `${typeset} of ${formulas} formulas typeset`);
  need(!all('mjx-merror, [data-mjx-error]').length, 'formulas with an error');
  const seen = (node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  all('.plotly-graph-div').forEach((figure, number) => {
    const folded = figure.closest('details:not([open]), .toggle-hidden');
    need(folded || all('.main-svg, canvas', figure).some(seen), `figure ${number + 1} is blank`);
    const label = (figure.closest('figure') || figure).getAttribute('aria-label') || '';
    need(label.trim(), `figure ${number + 1} has no label`);
  });
  need(all('h1').length === 1, `${all('h1').length} titles`);
  for (const image of all('main img')) {
    need(image.alt.trim(), `${image.src} has no alt text`);
    need(image.naturalWidth, `${image.src} did not load`);
  }
  const width = document.documentElement.clientWidth;
  const wide = all('main *').filter((node) => node.getBoundingClientRect().right > width + 1)
    .map((node) => `${node.tagName}.${node.getAttribute('class')}`);
  const over = document.documentElement.scrollWidth - width;
  need(over <= 0, `${over} px too wide because of ${[...new Set(wide)].slice(0, 5)}`);
  return wrong;
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
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


class Watched:
    """One tab that reads files only, with everything that went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.problems: list[str] = []
        inside = (HTML.as_uri(), "data:", "blob:")
        self.page.on("request", lambda r: self._need(r.url.startswith(inside), f"asks {r.url}"))
        self.page.on("requestfailed", lambda r: self._need(False, f"failed: {r.url}"))
        self.page.on("pageerror", lambda error: self._need(False, f"exception: {error}"))
        self.page.on("console", lambda said: self._need(said.type != "error", said.text))

    def _need(self, fine: bool, complaint: str) -> None:
        self.problems += [] if fine else [complaint]

    def open(self, name: str, scheme: Literal["light", "dark"]) -> None:
        """Open a page on a desktop and wait until it has settled."""
        self.problems.clear()
        self.page.set_viewport_size(DESKTOP)
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto(f"{HTML.as_uri()}/{name}", wait_until="load")
        try:
            self.page.wait_for_function(SETTLED, arg=scheme, timeout=60_000)
        except Error:
            self.problems.append("theme, formulas or figures did not settle within 60 s")


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Watched]:
    with browser.new_context(offline=True) as context:
        yield Watched(context)


def test_the_book_is_built() -> None:
    assert "index.html" in PAGES, f"no book in {HTML}: run `make book` first"
    assert len(FINISHED) == len([*(ROOT / "book").glob("*.ipynb")]) >= 13


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_in_both_themes_and_on_a_phone(tab: Watched, name: str) -> None:
    wrong = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        tab.open(name, scheme)
        rules = ["color-contrast"] if scheme == "dark" else []  # the rest is as in the light
        found = [*tab.page.evaluate(SURVEY), *tab.problems, *serious(tab.page, *rules)]
        wrong += [f"{scheme}: {text}" for text in found]
        if name in FINISHED:  # a finished chapter closes its argument with a figure
            contrasts = tab.page.evaluate(CONTRASTS)
            assert contrasts or name.startswith("appendix")
            assert min(contrasts, default=21) >= 4.5, f"{scheme}: contrasts {contrasts}"
    fonts = "[...document.fonts].filter((font) => font.status === 'error').map((f) => f.family)"
    assert tab.page.evaluate(fonts) == []
    tab.page.set_viewport_size(PHONE)
    if name in FINISHED:
        tab.page.wait_for_timeout(500)  # plotly resizes its figures a moment later
    wrong += [f"phone: {text}" for text in tab.page.evaluate(SURVEY)]
    assert not wrong


class _Page(HTMLParser):
    """The links and the anchors of one page, and the files that its first paint waits for."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.waited_for: list[str] = []
        self._head = True
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids.update(values[key] for key in ("id", "name") if key in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self._head &= tag != "body"
        if self._head and tag == "link" and values.get("rel") == "stylesheet":
            self.waited_for.append(values["href"])
        later = {"async", "defer"} & values.keys() or values.get("type") == "module"
        if self._head and tag == "script" and "src" in values and not later:
            self.waited_for.append(values["src"])


def test_no_first_paint_waits_for_more_than_two_and_a_half_seconds_of_ten_megabits() -> None:
    heavy = {}
    for name in PAGES:
        files = [name, *(urlsplit(urljoin(name, f)).path for f in _Page(HTML / name).waited_for)]
        if (size := sum((HTML / file).stat().st_size for file in files)) > 2.5 * 10e6 / 8:
            heavy[name] = size
    assert not heavy


def test_internal_links_lead_somewhere() -> None:
    pages = {name: _Page(HTML / name) for name in PAGES}
    broken = []
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            path, anchor = map(unquote, urldefrag(urljoin(name, link)))
            known = pages.get(path)
            if not (HTML / path).exists() or (anchor and known and anchor not in known.ids):
                broken.append(f"{name}: {link}")
    assert not broken
