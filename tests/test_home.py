"""The home page's figure: answers given beforehand, from a file, for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from book._tools import playground
from book._tools.build import HTML
from tests.browser import launch, serious

pytestmark = pytest.mark.browser

HOME = (HTML / "index.html").as_uri()
LISTS = "#playground .lists:not(.merged) section"  # of a vector each
MOST = 400_000  # bytes that the figure loads

# Which of the wanted documents is farthest from all vectors on the map.
ALONE = """() => {
  const places = (what) => [...document.querySelectorAll(`#playground .map ${what}`)].map((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  });
  const far = places("i.gold").map(([x, y]) =>
    Math.min(...places("b").map(([a, b]) => Math.hypot(a - x, b - y))));
  return far.indexOf(Math.max(...far));
}"""


# A vector whose circle no other one covers.
FREE = """() => {
  document.querySelector("#playground .map").scrollIntoView({ block: "center" });
  return [...document.querySelectorAll("#playground .map b[data-vector]")].find((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return document.elementFromPoint(x + width / 2, y + height / 2) === one;
  }).dataset.vector;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert (HTML / "index.html").exists(), f"no book in {HTML}: run `make book` first"
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


def opened(browser: Browser, **settings: Any) -> Page:
    """The home page, opened as a file by a reader who wants no motion."""
    page = browser.new_context(**{"reduced_motion": "reduce", **settings}).new_page()
    page.set_default_timeout(120_000)  # a busy machine is no error
    page.goto(HOME)
    page.locator(LISTS).first.wait_for()
    return page


def test_it_shows_answers_from_files_alone(browser: Browser) -> None:
    script = playground.FOLDER / "static" / playground.EXAMPLES
    assert script.stat().st_size < MOST
    page = opened(browser)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    given = page.locator("#playground .examples button")
    assert given.all_inner_texts() == page.evaluate("examples.answers.map((one) => one.query)")
    assert page.locator(LISTS).count() == 6  # at once, for who wants no motion
    given.nth(2).press("Enter")
    assert given.nth(2).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Next").press("Enter")
    assert page.locator(LISTS).count() == 1
    assert page.locator(".stepper p").inner_text().startswith("1 of 6. Vector 1 looks at")
    assert page.locator("#playground .map i.gold").count() == 4
    assert page.locator("figure.playground figcaption").inner_text().startswith("Figure 1 ")
    page.get_by_role("link", name="Type your own").click()
    page.wait_for_url("**/playground.html")
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)


def test_texts_stay_text(browser: Browser) -> None:
    page = opened(browser)
    found = page.locator(f"{LISTS} li button").first.get_attribute("title") or "?"
    script = playground.FOLDER / "static" / playground.EXAMPLES
    evil = script.read_text(encoding="utf-8").replace(found.split(":")[0], "<img src=x>")
    page.route("**/examples.js*", lambda route: route.fulfill(body=evil))
    page.goto(HOME)
    page.locator(f"{LISTS} li", has_text="<img src=x>").first.get_by_role("button").click()
    assert page.locator("#playground img").count() == 0
    page.unroute_all()
    page.route("**/examples.js*", lambda route: route.abort())
    page.goto(HOME)
    assert "`make book` writes them" in page.locator("#playground").inner_text()


def test_it_moves_by_itself_where_it_may_and_shuts_nobody_out(browser: Browser) -> None:
    phone = {"width": 390, "height": 844}
    page = opened(browser, viewport=phone, reduced_motion="no-preference", color_scheme="dark")
    page.locator("#playground .map").scroll_into_view_if_needed()
    page.get_by_role("button", name="Pause").wait_for()
    assert page.locator(LISTS).count() < 6
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # paper shows the end
    assert page.locator(LISTS).count() == 6 and page.get_by_role("button", name="Play").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious(page) == []
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert serious(page) == []


def test_a_finger_can_choose_a_document_and_a_vector(browser: Browser) -> None:
    phone = {"width": 390, "height": 844}
    page = opened(browser, viewport=phone, has_touch=True, is_mobile=True)
    first, said = page.locator(f"{LISTS} li button").first, page.locator("#playground .chosen")
    first.tap()
    assert (first.get_attribute("title") or "?") in said.inner_text()
    box = said.bounding_box()
    assert box and box["y"] + box["height"] < 844  # in sight of the finger
    page.get_by_role("button", name="Close").tap()
    page.locator(f"#playground .map b[data-vector='{page.evaluate(FREE)}']").tap()
    assert page.locator("#playground .map b.later").count() == 5
    page.get_by_role("button", name="Back", exact=True).tap()
    assert page.locator(LISTS).count() == 5
    page.locator("#playground .examples button").nth(2).tap()
    alone = page.evaluate(ALONE)
    page.locator("#playground .map i.gold").nth(alone).tap(force=True)
    gold = page.evaluate(f"examples.texts[examples.answers[2].golds[{alone}]]")
    assert said.inner_text().startswith(gold)
    page.get_by_role("button", name="Close").tap()
    assert said.inner_text() == ""
