"""The book as one PDF file, printed by a headless Chromium from the built pages: ``make pdf``.

Folded code stays folded, solutions are open, and the API reference is left out. Links to other
pages of the book are printed as text, those to the web work.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import yaml
from playwright.sync_api import Error, Page, PdfMargins, sync_playwright

from book._tools.build import BUILD, HTML
from book._tools.repository import ROOT
from tests.browser import find

TARGET = BUILD / "book.pdf"
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# Formulas are typeset, figures are drawn.
SETTLED = """() => document.readyState === 'complete'
  && document.querySelectorAll('mjx-container').length
     >= document.querySelectorAll('span.math, div.math').length
  && [...document.querySelectorAll('.plotly-graph-div')].every((figure) => figure._fullLayout)"""
# A link to a page beside this one leads nowhere from a PDF file.
UNLINK = """() => {
  for (const link of document.querySelectorAll('a[href]'))
    if (link.protocol === 'file:' && link.pathname !== location.pathname)
      link.removeAttribute('href');
  window.dispatchEvent(new Event('beforeprint'));
}"""
STYLE = """
details.hide.above-input:not([open]) { display: none !important }
div.cell_input { break-inside: avoid }
.bd-article h1 { display: block !important }"""


def pages() -> list[str]:
    """Names of the pages in the order of the table of contents, without the API reference."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return [toc["root"], *(name for name in chapters if name != "api")]


def print_pages(names: list[str], folder: Path, chromium: str) -> list[tuple[str, Path]]:
    """Print pages into ``folder``; return the title and the file of each.

    Raises:
        FileNotFoundError: a page is not built.
        playwright.sync_api.Error: a page does not settle.
    """
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    printed: list[tuple[str, Path]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *root])
        for name in names:
            page = browser.new_page(viewport={"width": 794, "height": 1123}, color_scheme="light")
            printed.append(_print(page, name, folder / f"{len(printed):02}.pdf"))
            page.close()
        browser.close()
    return printed


def _print(page: Page, name: str, target: Path) -> tuple[str, Path]:
    source = HTML / f"{name}.html"
    if not source.exists():
        raise FileNotFoundError(f"{source} is missing; run `make book` first")
    page.goto(source.as_uri(), wait_until="load")
    page.wait_for_function(SETTLED, timeout=120_000)
    page.add_style_tag(content=STYLE)
    page.evaluate(UNLINK)
    page.wait_for_timeout(1000)  # plotly resizes its figures a moment later
    margin: PdfMargins = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
    page.pdf(path=target, format="A4", scale=0.85, print_background=True, margin=margin)
    title = page.title().split(" — ")[0]
    print(f"printed {name}", flush=True)
    return title, target


def main(names: list[str] | None = None) -> int:
    """Print the pages and join them; return the exit code."""
    chromium = find()
    if chromium is None:
        message = (
            "no Chromium or Chrome to print with: run `python -m tests.browser`, which installs"
        )
        print(f"{message} one, or set CHROMIUM to its path", file=sys.stderr)
        return 1
    try:
        from pypdf import PdfWriter  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        print("pypdf is not installed; run `make pdf`, which installs it", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, PdfWriter() as book:
        try:
            printed = print_pages(names or pages(), Path(folder), chromium)
        except (FileNotFoundError, Error) as error:
            print(error, file=sys.stderr)
            return 1
        for title, path in printed:
            book.append(path, outline_item=title, import_outline=False)
        book.add_metadata({"/Title": "AMER-lite: many query vectors"})
        book.write(TARGET)
        print(f"{TARGET}: {len(book.pages)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
