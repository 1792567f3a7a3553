"""Slides of every chapter, from its source and what ``make book`` computed: ``make slides``.

A heading starts a slide; below it come a section's first paragraph, its lists, formulas, tables,
figures and method cells. All other prose is in the speaker's notes (key S). Folded code shows its
output only; claims, solutions and references are left out. nbconvert and reveal.js do the work, and
nothing is fetched: reveal.js comes from a wheel.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from nbconvert.exporters import SlidesExporter
from traitlets.config import Config

from amer_lite.storage import write_text
from book._tools.build import BUILD, copy_assets, package_folder
from book._tools.chapter import ANSWER, FOLDED, Cell, Chapter
from book._tools.notebooks import chapters
from book._tools.repository import BOOK, ROOT, Repository, find_repository

LEFT_OUT = ("References",)
SHOWN = ("bullet_list_open", "ordered_list_open", "blockquote_open", "fence", "html_block")


class Slides(Chapter):
    """The cells of a chapter as slides.

    Args:
        source: its MyST file.
        executed: its notebook with outputs, of the same code cells.
        repository: where links lead.
    """

    def __init__(self, source: Path, executed: Path, repository: Repository | None) -> None:
        super().__init__(source, repository, solutions=False)
        done = nbformat.read(executed, as_version=4)
        self.executed = iter([cell for cell in done.cells if cell.cell_type == "code"])

    def slides(self) -> Iterator[Cell]:
        """Cells with the kind of slide that each starts, if any."""
        skipped = False
        for cell in self.cells():
            if cell["cell_type"] == "code":
                if not skipped and not cell["source"].startswith(ANSWER):
                    yield _slide(cell, "subslide")
                continue
            lead = False
            for block in _blocks(cell["source"]):
                if heading := re.match(r"(#+) +(.*)", block):
                    skipped = heading[2] in LEFT_OUT
                    lead = True
                    kind = "slide" if len(heading[1]) < 3 else "subslide"
                else:
                    kind = "-" if lead or _is_shown(block) else "notes"
                    lead &= _is_shown(block)
                if not skipped:
                    yield _slide({"cell_type": "markdown", "metadata": {}, "source": block}, kind)

    def _code_cell(self, cell: Any, line: int) -> Iterator[Cell]:
        done = next(self.executed)
        if done.source.strip() != cell.source.strip():
            raise ValueError(f"{self.name}:{line}: not the cell that was run; run `make book`")
        tags = cell.metadata.get("tags", [])
        folded = any(tag in tags for tag in FOLDED)
        if "remove-cell" in tags or (folded and not done.outputs):
            return
        for made in super()._code_cell(cell, line):
            if made["cell_type"] == "code":
                made["outputs"] = done.outputs
                made["metadata"] = {"tags": ["folded"] if folded else []}
            yield made


def _blocks(markdown: str) -> list[str]:
    """Headings, paragraphs, lists and so on, each as its text."""
    lines = markdown.splitlines()
    tokens = [t for t in MarkdownIt("commonmark").parse(markdown) if t.map and not t.level]
    return ["\n".join(lines[t.map[0] : t.map[1]]).rstrip() for t in tokens if t.map]


def _is_shown(block: str) -> bool:
    """Whether a block is worth a place on a slide: anything but running prose."""
    first = MarkdownIt("commonmark").parse(block)[0]
    return first.type in SHOWN or block.startswith(("$$", "|", "![", "**Figure"))


def _slide(cell: Cell, kind: str) -> Cell:
    cell["metadata"] = cell["metadata"] | {"slideshow": {"slide_type": kind}}
    return cell


def export(cells: list[Cell], title: str) -> str:
    """One HTML page."""
    notebook = nbformat.from_dict(
        {"cells": cells, "metadata": {"title": title}, "nbformat": 4, "nbformat_minor": 4}
    )
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"folded"}
    exporter = SlidesExporter(
        config=config,
        extra_template_basedirs=[str(Path(__file__).parents[1])],
        template_name=Path(__file__).parent.name,
        reveal_theme="white",  # its letters lie beside it
        reveal_url_prefix="assets/reveal",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    page: str = exporter.from_notebook_node(notebook)[0]
    return page


def main() -> int:
    """Write the slides of all chapters that are built; return the exit code."""
    executed, target = BUILD / "jupyter_execute", BUILD / "slides"
    try:
        reveal = package_folder("sphinx_revealjs") / "_static" / "revealjs"
        assets = target / "assets"
        shutil.copytree(copy_assets(), assets, dirs_exist_ok=True)
        for part in ("dist", "plugin/notes"):
            shutil.copytree(reveal / part, assets / "reveal" / part, dirs_exist_ok=True)
        shutil.copytree(ROOT / BOOK / "_assets", target / "_assets", dirs_exist_ok=True)
        shutil.copy2(ROOT / BOOK / "_assets" / "figures.js", assets)
        for source in chapters(ROOT / BOOK):
            done = executed / f"{source.stem}.ipynb"
            if not done.exists():
                raise FileNotFoundError(f"{done} is missing; run `make book` first")
            cells = list(Slides(source, done, find_repository()).slides())
            title = re.sub(r"^#+ ", "", str(cells[0]["source"]))
            write_text(target / f"{source.stem}.html", export(cells, title))
            print(f"wrote {target / source.stem}.html")
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
