"""The drawn figures: what they say is true, they fit a phone, and they get onto pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from playwright.sync_api import sync_playwright
from scipy.optimize import linear_sum_assignment

from amer_lite.search.merge import round_robin
from book._tools.myst import ConversionError, Converter
from book._tools.references import read_references
from book._tools.repository import ROOT, Repository
from tests.browser import find

ASSETS = ROOT / "book" / "_assets"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = [
    "amer_steps",
    "company",
    "compromise",
    "cost",
    "feedback",
    "leaks",
    "map",
    "matching",
    "merging",
    "phase",
    "pointing",
]
COLUMN = 344  # px, of the text on a phone 390 px wide
SMALLEST = 11  # px, of a text there
CONF = """
extensions = ["myst_parser", "book._tools.extension"]
html_theme, html_static_path, numfig = "basic", ["_assets"], True
html_css_files, html_js_files = ["book.css"], ["stepper.js"]
"""
PAGE = """# Tiny

See {numref}`fig-steps`.

```{drawing} amer_steps
:name: fig-steps
:autoplay:

A *caption*.
```
"""


def read(name: str) -> ElementTree.Element:
    return ElementTree.parse(ASSETS / f"{name}.svg").getroot()


def texts(name: str) -> list[str]:
    return ["".join(text.itertext()) for text in read(name).iter(f"{SVG}text")]


def test_drawings_look_alike() -> None:
    styled = {name: read(name).findtext(f"{SVG}style") for name in NAMES}
    drawn = [path.stem for path in ASSETS.glob("*.svg") if read(path.stem).get("class")]
    assert sorted(drawn) == NAMES and len(set(styled.values())) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_says_what_it_shows_and_can_be_read_on_a_phone(name: str) -> None:
    root, source = read(name), (ASSETS / f"{name}.svg").read_text(encoding="utf-8")
    title, what = root[0], root[1]
    assert (title.tag, what.tag) == (f"{SVG}title", f"{SVG}desc") and title.text and what.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {what.get('id')}"
    width = float(root.get("viewBox", "").split()[2])
    sizes = re.findall(r"font(?:-size)?[=:][^;}>]*?([\d.]+)px", source)
    assert sizes and min(map(float, sizes)) * COLUMN / width >= SMALLEST
    ids = re.findall(r'\bid="([^"]+)"', source)
    assert all(one.startswith(f"{name}-") for one in ids), "two drawings may share a page"
    assert not re.search(r"<script|<image|\bon\w+=|@import|url\((?!#)", source)


@pytest.mark.parametrize("name", NAMES)
def test_each_step_of_a_drawing_is_told_once(name: str) -> None:
    parts = [part for part in read(name).iter() if part.get("data-step")]
    steps = {int(part.get("data-step", "")) for part in parts}
    told = [int(p.get("data-step", "")) for p in parts if p.find(f"{SVG}desc") is not None]
    assert sorted(told) == list(range(1, len(steps) + 1)) and steps == set(told)
    assert len(steps) == {"amer_steps": 9, "merging": 3}.get(name, 0)


def test_the_pairings_drawn_are_those_of_the_costs() -> None:
    shown = texts("matching")
    cost = np.array([int(text) for text in shown if text.isdigit()][:9]).reshape(3, 3)
    best = cost[linear_sum_assignment(cost)].sum()
    totals = [int(found[1]) for text in shown if (found := re.match(r"total (\d+)", text))]
    assert totals == [cost.trace(), cost.min(0).sum(), best]


def test_the_merge_drawn_is_the_library_s() -> None:
    found = {
        name: lists.split(", ")
        for name, lists in re.findall(
            r"(v\d) found (\w, \w, \w)", " ".join(read("merging")[1].itertext())
        )
    }
    rows = np.array([[[ord(one) for one in found[name]] for name in ("v1", "v2", "v3")]])
    merged = round_robin(rows, 7).rows[0]
    places = re.findall(r"(?<=\d )\d ([A-Z])\b", " ".join(texts("merging")))
    assert places == [chr(row) for row in merged]


def test_the_map_leads_to_every_chapter() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [part for part in toc["parts"] if part.get("numbered")]
    stops = [(a.get("href"), a.findtext(f"{SVG}text")) for a in read("map").iter(f"{SVG}a")]
    chapters = [chapter["file"] for part in parts for chapter in part["chapters"]]
    assert stops == [(f"{file}.html", str(i + 1)) for i, file in enumerate(chapters)]
    assert {part["caption"] for part in parts} <= set(texts("map"))


def build(folder: Path, page: str) -> tuple[str, str]:
    """The HTML of a page, and what Sphinx complained about."""
    (folder / "conf.py").write_text(CONF)
    (folder / "index.md").write_text(page)
    if not (folder / "_assets").exists():
        (folder / "_assets").symlink_to(ASSETS)
    command = [sys.executable, "-m", "sphinx", "-qE", str(folder), str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return (folder / "out" / "index.html").read_text(encoding="utf-8"), done.stderr


def test_a_page_holds_the_drawing_itself_with_number_and_caption(tmp_path: Path) -> None:
    html, complaints = build(tmp_path, PAGE)
    assert not complaints
    assert '<figure class="drawing autoplay align-default" id="fig-steps">\n<svg ' in html
    assert 'href="#fig-steps"><span class="std std-numref">Fig. 1</span>' in html
    assert '<span class="caption-text">A <em>caption</em>.</span>' in html
    wrong = "```{drawing} nothing\nA.\n```\n\n```{drawing} map\n```\n"
    _, complaints = build(tmp_path, f"# Tiny\n\n{wrong}")
    assert "nothing.svg" in complaints and "drawing map: say in a caption" in complaints


def test_a_notebook_shows_the_drawing_or_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "04_page.md").write_text(PAGE)
    (tmp_path / "_assets").symlink_to(ASSETS)
    known = read_references(tmp_path, Repository("https://github.com/someone/some-book"))
    said = known.drawings["amer_steps"]
    assert said.startswith("The query, crane, becomes a prefix") and "\n" not in said
    address = "https://github.com/someone/some-book/raw/main/book/_assets/amer_steps.svg"
    shown = Converter("04_page", known, PAGE).convert(PAGE)
    assert f"See Figure 4.1.\n\n![{said}]({address})\n\n**Figure 4.1.** A *caption*." in shown
    alone = Converter("04_page", read_references(tmp_path, None), PAGE).convert(PAGE)
    assert f"> {said}\n\n**Figure 4.1.** A *caption*." in alone and "](" not in alone
    with pytest.raises(ConversionError, match=r"04_page\.md:1: drawing 'none' is not in _assets"):
        Converter("04_page", known, "").convert("```{drawing} none\n:name: fig-steps\n\nA.\n```\n")


@pytest.mark.browser
def test_a_drawing_is_stepped_through_by_keyboard_and_follows_the_theme(tmp_path: Path) -> None:
    build(tmp_path, PAGE)
    path = find()
    assert path, "no Chromium or Chrome: run `python -m tests.browser`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
        page.goto((tmp_path / "out" / "index.html").as_uri())
        later, said = page.locator("svg .later"), page.locator(".stepper p")
        assert later.count() == 0 and said.inner_text() == "9 steps."  # no motion, all in view
        page.get_by_role("button", name="Next").focus()
        page.keyboard.press("Enter")
        assert (
            said.inner_text() == "1 of 9. The query becomes a prefix: a few inputs of the "
            "language model."
        )
        assert later.count() == 9
        page.get_by_role("button", name="Back").press("Enter")
        assert later.count() == 0 and said.inner_text().startswith("9 of 9.")
        page.get_by_role("button", name="Play").press("Enter")
        assert page.get_by_role("button", name="Pause").count() == 1 and later.count() == 9
        ink = "getComputedStyle(document.querySelector('svg.drawing text')).fill"
        shades = []
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            shades.append(page.evaluate(ink))
        assert shades == ["rgb(36, 41, 47)", "rgb(230, 237, 243)"]
        moving = browser.new_page(viewport={"width": 1280, "height": 900})
        moving.goto((tmp_path / "out" / "index.html").as_uri())
        moving.get_by_role("button", name="Pause").wait_for()  # it has begun by itself
        browser.close()
