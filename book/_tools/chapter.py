"""One chapter as the cells of its notebook: what is folded, what is answered, what is captioned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jupytext.myst import myst_to_notebook
from markdown_it import MarkdownIt

from book._tools.bootstrap import bootstrap
from book._tools.myst import ConversionError, Converter
from book._tools.references import BLOCK, chapter_number, read_references
from book._tools.repository import Repository

Cell = dict[str, Any]

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
# Tags of cells that are folded, each with the title that Colab shows for a cell without a comment.
FOLDED = {
    "hide-input": "Code of what is shown below",
    "hide-cell": "Code that the text does not need",
    "remove-cell": "Claims of the text, checked",
}
ANSWER = "# Your answer"  # how a cell starts that is empty for one
_ADDRESS = re.compile(r"""(?:href|src|action|data)\s*=\s*["']?([^"'>\s]*)""", re.IGNORECASE)


class Chapter:
    """The cells of one chapter.

    Args:
        source: its MyST file.
        repository: where links lead.
        solutions: of its exercises, whether they are wanted.
    """

    def __init__(self, source: Path, repository: Repository | None, solutions: bool) -> None:
        self.name = source.name
        self.text = source.read_text(encoding="utf-8")
        self.solutions = solutions
        self.number = chapter_number(source.stem)
        self.convert = Converter(source.stem, read_references(source.parent, repository), self.text)
        self.solution = ""  # title of the one that is open

    def cells(self) -> Iterator[Cell]:
        """All cells, in order."""
        parsed = myst_to_notebook(self.text, add_source_map=True)
        lines = self.text.splitlines()
        for cell, start in zip(parsed.cells, parsed.metadata["source_map"], strict=True):
            if cell.cell_type == "code":
                yield from self._code_cell(cell, start)  # that of its fence, from 1
            elif cell.cell_type == "markdown":
                while not lines[start].strip():  # stripped by the parser, but counted
                    start += 1
                yield from self._prose(cell.source, start + 1)
            else:
                raise ConversionError(f"{self.name}:{start + 1}: {cell.cell_type} cell")

    def _code_cell(self, cell: Any, line: int) -> Iterator[Cell]:
        if self.solution and not self.solutions:
            return
        yield _code(cell.source, cell.metadata.get("tags", []), self.solution)
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            yield self._markdown(self.convert.caption(figure, line), line)

    def _prose(self, text: str, line: int) -> Iterator[Cell]:
        """Prose, cut where a solution starts and ends: a cell to answer in, the solution folded."""
        cuts = [b for b in BLOCK.finditer(text) if str(b["name"]).startswith("solution-")]
        at = 0
        for cut in cuts:
            opens = cut["name"] == "solution-start"
            yield from self._piece(text[at : cut.start()], line + text.count("\n", 0, at))
            if opens:
                begin = line + text.count("\n", 0, cut.start())
                self.solution = self.convert.convert(cut[0], begin)
                exercise = self.solution.removeprefix("Solution to ")
                yield _code(f"{ANSWER} to {exercise}", [])
            else:
                self.solution = ""
            at = cut.end()
        yield from self._piece(text[at:], line + text.count("\n", 0, at))

    def _piece(self, text: str, line: int) -> Iterator[Cell]:
        markdown = self.convert.convert(text, line)
        if not markdown.strip() or (self.solution and not self.solutions):
            return
        if self.solution:
            summary = f"<summary>{self.solution}</summary>"
            markdown = f"<details>{summary}\n\n{markdown.strip()}\n\n</details>"
        elif self.number and markdown.startswith("# "):
            markdown = f"# {self.number}. {markdown[2:]}"
            self.number = ""
        yield self._markdown(markdown, line)

    def _markdown(self, markdown: str, line: int) -> Cell:
        if bad := _bad_link(markdown):
            raise ConversionError(f"{self.name}:{line}: {bad!r} is no link to a page")
        return {"cell_type": "markdown", "metadata": {}, "source": markdown.strip("\n")}


def front(page: str, repository: Repository | None) -> Iterator[Cell]:
    """The badge, and the cell that installs what is missing or says how."""
    if repository:
        badge = f"[![Open in Colab]({BADGE})]({repository.colab(f'{page}.ipynb')})"
        yield {"cell_type": "markdown", "metadata": {}, "source": badge}
    yield _folded(bootstrap(repository))


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


def _code(source: str, tags: list[str], solution: str = "") -> Cell:
    """A code cell; folded in JupyterLab and, as a form with a title, in Colab if it has to be."""
    source = source.strip("\n")
    default = solution or next((FOLDED[tag] for tag in FOLDED if tag in tags), "")
    if not default:
        return _cell(source, {"tags": sorted(tags)} if tags else {})
    first = source.partition("\n")[0]
    if not first.startswith("# "):
        first, source = f"# {default}", f"# {default}\n{source}"
    cell = _folded(source.replace(first, f"# @title {first[2:]}", 1))
    cell["metadata"] |= {"tags": sorted(tags)} if tags else {}
    return cell


def _folded(source: str) -> Cell:
    return _cell(source, {"cellView": "form", "jupyter": {"source_hidden": True}})


def _cell(source: str, metadata: dict[str, Any]) -> Cell:
    running: Cell = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "metadata": metadata, "source": source.strip("\n")} | running
