"""What build, pages and make do by themselves, on a book of two pages; one of them fails."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from book._tools import build
from book._tools.repository import ROOT, Repository
from book._tools.serve import server
from tests.browser import launch, serious

HEAD = "---\nfile_format: mystnb\nkernelspec: {name: python3}\n---\n"
FINE = """
# A fine page

```{badges}
```

Words of a page, which are its description.

| | a |
|---|---|
| b | c |

```{code-cell} ipython3
import plotly.graph_objects as go
from amer_book.figures import page
from amer_book.figures.controls import choice, slider

print("x" * 300)
fig = choice(go.Figure([go.Bar(y=[1]), go.Bar(y=[2])]), ["one", "two"], [0, 1], height=400)
page.show(fig, "buttons </script>")
fig = choice(go.Figure([go.Bar(y=[1]), go.Bar(y=[2])]), ["one" * 9, "two" * 9], [0, 1], height=400)
page.show(fig, "a menu")
states = [[{"y": [n]}] for n in range(3)]
page.show(slider(go.Figure(go.Bar(y=[0])), [10, 20, 30], states, prefix="step = "), "a slider")
```
"""
FAILING = "\n# A failing page\n\n```{code-cell} ipython3\nraise OSError('no disk')\n```\n"
DRAWN = """document.readyState === 'complete'
  && [...document.querySelectorAll('.plotly-graph-div')].every((figure) => figure.dataset.theme)"""
SITE = "https://owner.github.io/name/"


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built with the settings of the large one."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "book").mkdir()
    shared = ["amer_lite", "data", "constraints.txt"]
    shared += [f"book/{name}" for name in ("_assets", "_templates", "_tools", "amer_book")]
    for name in [*shared, "book/references.bib"]:
        (root / name).symlink_to(ROOT / name)
    (root / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: 01_failing}]\n")
    (root / "book" / "index.md").write_text(HEAD + FINE)
    (root / "book" / "01_failing.md").write_text(HEAD + FAILING)
    for name in ("index", "01_failing"):
        (root / "book" / f"{name}.ipynb").write_text("{}")
    config = build.read_config()
    config["html"]["baseurl"] = SITE
    with mock.patch.dict(os.environ), pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "ROOT", root)
        patch.setattr(build, "BUILD", root / "_build")
        patch.setattr(build, "HTML", root / "_build" / "html")
        patch.setattr(build, "CACHES", root / "_build" / "executed")
        patch.setattr(build, "read_config", lambda: config)
        patch.setattr(build, "BESIDE", ())
        assert build.main() == 1  # one page fails
    return root / "_build" / "html"


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """Where the small book is served."""
    serving = server(html, 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The fine page, with its figures drawn."""
    opened = browser.new_page()
    opened.goto(f"{address}/index.html")
    opened.wait_for_function(DRAWN)
    yield opened
    opened.close()


def test_a_failed_page_says_so(html: Path) -> None:
    said = (html / "01_failing.html").read_text()
    assert "Not computed" in said and "<code>OSError: no disk</code>" in said
    assert "Not computed" not in (html / "index.html").read_text()
    assert build.read_config()["execute"]["timeout"] == -1  # a slow machine is no failure


def test_a_page_says_what_it_is_and_where(html: Path) -> None:
    text = (html / "index.html").read_text()
    assert (
        '<meta name="description" content="Words of a page, which are its description." />' in text
    )
    assert '<meta property="og:title" content="A fine page" />' in text
    assert f'<meta property="og:url" content="{SITE}index.html" />' in text
    assert "<td></td>" in text and "<th></th>" not in text
    assert f"<loc>{SITE}01_failing.html</loc>" in (html / "sitemap.xml").read_text()
    assert f'<base href="{SITE}" />' in (html / "404.html").read_text()
    assert (html / ".nojekyll").exists()


def test_text_comes_before_plotly_and_a_figure_that_cannot_come_says_so(
    browser: Browser, address: str
) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route("**/plotly.min.js*", lambda route: held.append(route))
    page.goto(f"{address}/index.html", wait_until="domcontentloaded")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    while not held:
        page.wait_for_timeout(10)
    assert "Words of a page" in page.inner_text("main")
    held[0].abort()
    page.wait_for_function("document.querySelector('figure.plot').innerText.startsWith('No fig')")
    page.close()


def test_keys_do_what_a_mouse_does(page: Page) -> None:
    active = "(i) => document.querySelectorAll('.plotly-graph-div')[i]._fullLayout"
    page.get_by_role("button", name="two", exact=True).press("Enter")
    page.wait_for_function(f"({active})(0).updatemenus[0].active === 1")
    menu = page.get_by_role("button", name="one" * 9)
    menu.press(" ")
    page.get_by_role("button", name="two" * 9).press("Enter")
    page.wait_for_function(f"({active})(1).updatemenus[0].active === 1")
    page.wait_for_function("document.activeElement.getAttribute('role') === 'button'")
    slider = page.get_by_role("slider", name="step")
    for key, number, label in (("End", 2, "30"), ("ArrowLeft", 1, "20"), ("Home", 0, "10")):
        slider.press(key)
        page.wait_for_function(f"({active})(2).sliders[0].active === {number}")
        page.wait_for_function(
            f"[...document.querySelectorAll('.plotly-graph-div')][2].data[0].y[0] === {number}"
        )
        assert slider.get_attribute("aria-valuetext") == label


def test_no_page_shuts_anyone_out(page: Page, address: str) -> None:
    for name in ("index", "01_failing", "404"):
        page.goto(f"{address}/{name}.html")
        page.wait_for_function(DRAWN)
        assert serious(page) == []
        assert page.locator("h1").count() == 1
    page.set_content('<div role="img"><button></button></div>')
    assert "button-name" in {line.partition(":")[0] for line in serious(page)}


def test_on_paper_nothing_is_cut_or_there_to_press(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    for _ in range(2):  # before the print and by whoever prints
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    widths = "[...document.querySelectorAll('.main-svg')].map((svg) => svg.clientWidth)"
    page.wait_for_function(f"Math.max(...{widths}) <= 600")
    cut = "[...document.querySelectorAll('pre')].filter((p) => p.scrollWidth > p.clientWidth)"
    assert page.evaluate(f"{cut}.length") == 0
    assert page.locator("h1").is_visible()
    for gone in (".copybtn", ".badges", ".updatemenu-container", ".bd-sidebar-primary"):
        assert page.locator(gone).first.is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


def test_the_server_compresses_and_knows_what_it_lacks(html: Path, address: str) -> None:
    asked = Request(f"{address}/_static/plotly.min.js", headers={"Accept-Encoding": "gzip"})
    with urlopen(asked) as answer:
        packed = answer.read()
    plain = (html / "_static" / "plotly.min.js").read_bytes()
    assert gzip.decompress(packed) == plain and len(packed) < len(plain) / 2
    with urlopen(f"{address}/") as answer:
        assert answer.read() == (html / "index.html").read_bytes()
    with pytest.raises(HTTPError) as lost:
        urlopen(f"{address}/deep/nowhere")
    assert lost.value.code == 404 and lost.value.read() == (html / "404.html").read_bytes()
    port = int(address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"port {port} is taken; try another: make serve PORT=8001"):
        server(html, port)
    with pytest.raises(OSError, match="port 70000 cannot be used"):
        server(html, 70000)


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_an_environment_that_failed_is_made_anew(tmp_path: Path) -> None:
    python = tmp_path / "python"  # leaves an interpreter without pip, as Debian's does without venv
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n'
        f"echo venv $*; mkdir -p {tmp_path}/new/bin; ln -sf /bin/false {tmp_path}/new/bin/python\n"
        "exit 1\n"
    )
    python.chmod(0o755)
    for _ in range(2):
        failed = make("install", f"PYTHON={python}", f"VENV={tmp_path}/new")
        assert failed.returncode != 0
        assert f"venv -m venv --clear {tmp_path}/new" in failed.stdout


def test_clean_cache_removes_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "embeddings").mkdir(parents=True)
    bin_ = Path(sys.executable).parent
    done = make("clean-cache", f"BIN={bin_}", AMER_LITE_CACHE=str(cache), PYTHONPATH=str(ROOT))
    assert str(cache) in done.stdout and not cache.exists() and tmp_path.exists()


def test_outputs_are_stale_when_anything_that_they_saw_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    seen = ["amer_lite/model.py", "book/amer_book/runs.py", "data/results/a", "constraints.txt"]
    unseen = ["data/cache/x", "amer_lite/__pycache__/model.pyc", "book/01_one.md"]
    for name in [*seen, *unseen]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    key = build.cache_key()
    for name in unseen:
        (tmp_path / name).write_text("changed")
        assert build.cache_key() == key
    for name in [*seen, "amer_lite/new.py"]:
        (tmp_path / name).write_text("changed")
        assert build.cache_key() != key, name
        key = build.cache_key()


def test_only_a_known_address_makes_colab_links(tmp_path: Path) -> None:
    known = build.book_config(tmp_path, tmp_path, Repository("https://github.com/owner/name"))
    assert known["repository"]["url"] == "https://github.com/owner/name"
    assert "colab_url" in known["launch_buttons"]
    unknown = build.book_config(tmp_path, tmp_path, None)
    assert unknown["repository"]["url"] == "" and "launch_buttons" not in unknown
