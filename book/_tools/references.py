"""What one page of the book may point to: pages, labels, glossary, literature."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import yaml
from pybtex.database import Entry, Person, parse_file  # type: ignore[import-untyped]

from book._tools.repository import Repository

# A block of MyST that is not running text: a fence (of a directive, if it has a name) with its
# indented body, display mathematics, a heading, a label or a comment. A body ends at the fence
# that opened it, so that a longer fence, or one of the other kind, may hold a shorter one.
BLOCK = re.compile(
    r"""
    ^(?P<indent>[ ]*)(?P<fence>`{3,}+|~{3,}+|:{3,}+)[ ]*
      (?:\{(?P<name>[^}\s]+)\})?[ ]*(?P<argument>[^\n]*)\n
      (?P<body>.*?)^[ ]*(?P=fence)[`~:]*[ ]*$
    | ^(?P<math_indent>[ ]*)\$\$(?P<math>.+?)\$\$(?:[ ]*\((?P<equation>[^()\s]+)\))?[ ]*$
    | ^\#+[ ]+(?P<title>[^\n]*?)[ ]*$
    | ^\((?P<label>[^()\s]+)\)=[ ]*$
    | ^(?P<comment>%)[^\n]*$
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
HEADER = re.compile(r"---[ ]*\n(.*?)^---[ ]*$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"\s*:(?P<key>[\w-]+):[ ]*(?P<value>[^\n]*?)[ ]*(?:\n|\Z)")
# Directives that Sphinx numbers, with the word that stands before the number.
NUMBERED = dict.fromkeys(("figure", "drawing", "playground"), "Figure")
NUMBERED |= {"table": "Table", "exercise": "Exercise"}


@dataclass(frozen=True)
class Target:
    """Something with a label: a heading (no number), an equation, a figure, an exercise …"""

    page: str
    text: str
    number: str = ""


@dataclass
class References:
    """Titles of pages, labelled targets, drawings and literature of one book folder."""

    titles: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    literature: dict[str, Entry] = field(default_factory=dict)
    notebooks: set[str] = field(default_factory=set)
    drawings: dict[str, str] = field(default_factory=dict)  # name: what is to be seen in it
    repository: Repository | None = None

    def link(self, page: str) -> str:
        """Address of a page for a reader of a notebook: Colab, the repository, or a sibling."""
        if page in self.notebooks:
            name = f"{page}.ipynb"
            return self.repository.colab(name) if self.repository else name
        name = f"{page}.md"
        return self.repository.view(name) if self.repository else name


def read_references(folder: Path, repository: Repository | None) -> References:
    """Scan the Markdown pages and the bibliography of a book folder."""
    found = References(repository=repository)
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if "{code-cell}" in text:
            found.notebooks.add(path.stem)
        _scan(path.stem, text, found, Counter())
    for path in sorted((folder / "_assets").glob("*.svg")):
        said = ElementTree.parse(path).findtext("{http://www.w3.org/2000/svg}desc", "")
        found.drawings[path.stem] = " ".join(said.split())
    bibliography = folder / "references.bib"
    if bibliography.exists():
        found.literature = dict(parse_file(str(bibliography), bib_format="bibtex").entries)
    return found


def chapter_number(page: str) -> str:
    """``"4"`` for ``04_emitting_vectors``, empty for pages outside the chapters."""
    match = re.match(r"(\d+)_", page)
    return str(int(match[1])) if match else ""


def _scan(page: str, text: str, found: References, count: Counter[str]) -> None:
    """Record the title, the labels and their numbers, in the order in which Sphinx counts."""

    def record(label: str | None, kind: str) -> None:
        count[kind] += 1
        if label:
            number = ".".join(filter(None, [chapter_number(page), str(count[kind])]))
            found.targets[label] = Target(page, kind, number)

    heading = ""
    for block in BLOCK.finditer(text):
        name = block["name"] or ""
        if name in NUMBERED:
            options, _ = read_options(block["body"])
            record(options.get("label") or options.get("name"), NUMBERED[name])
        if name == "code-cell" and (figure := _figure_options(block["body"])):
            record(figure.get("name"), NUMBERED["figure"])
        if name and not name.startswith("code"):
            _scan(page, block["body"], found, count)
        elif block["equation"]:
            record(block["equation"], "equation")
        elif block["title"]:
            found.titles.setdefault(page, block["title"])
            if heading:
                found.targets[heading] = Target(page, block["title"])
        heading = block["label"] or ""


def read_options(body: str) -> tuple[dict[str, str], str]:
    """Split what a directive holds into its options and the text after them."""
    options: dict[str, str] = {}
    at = 0
    while match := OPTION.match(body, at):
        options[match["key"]] = match["value"]
        at = match.end()
    return options, body[at:]


def _figure_options(body: str) -> dict[str, str]:
    """What a code cell says under ``mystnb: figure:`` of the figure that it shows."""
    header = HEADER.match(body)
    settings = yaml.safe_load(header[1]) if header else {}
    return dict((settings or {}).get("mystnb", {}).get("figure", {}))


def author_year(entry: Entry) -> tuple[str, str]:
    """``("Chen et al.", "2025")``."""
    names = [_last(person) for person in entry.persons.get("author", [])]
    if not names:
        names = [str(entry.fields.get("title", ""))]
    who = " and ".join(names) if len(names) <= 2 else f"{names[0]} et al."
    return who, str(entry.fields.get("year", "n.d."))


def address(entry: Entry) -> str:
    """Where to read an entry: DOI, arXiv or its own address; empty if it gives none."""
    fields = entry.fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return str(fields.get("url", ""))


def full_reference(entry: Entry) -> str:
    """One line of Markdown for a list of references."""
    fields = entry.fields
    who = ", ".join(
        " ".join([*person.first_names, *person.middle_names, _last(person)])
        for person in entry.persons.get("author", [])
    )
    title, link = str(fields.get("title", "")), address(entry)
    venue = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or ""
    parts = [who, f"[{title}]({link})" if link else title, str(venue), str(fields.get("year", ""))]
    return re.sub(r"[{}]", "", ". ".join(part for part in parts if part) + ".")


def _last(person: Person) -> str:
    return re.sub(r"[{}]", "", " ".join([*person.prelast_names, *person.last_names]))
