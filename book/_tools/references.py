"""What one page of the book may point to: pages, labels, glossary, literature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pybtex.database import Entry, Person, parse_file  # type: ignore[import-untyped]

from book._tools.repository import Repository

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}|:{3,})(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\s*\{(?P<name>[^}\s]+)\}\s*(?P<argument>.*?)\s*$")
LABEL = re.compile(r"^\((?P<label>[^()\s]+)\)=\s*$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):\s*(?P<value>.*?)\s*$")
MATH_END = re.compile(r"\$\$(?:\s*\((?P<label>[^()\s]+)\))?\s*$")

PROOFS = (
    "algorithm",
    "assumption",
    "axiom",
    "conjecture",
    "corollary",
    "criterion",
    "definition",
    "example",
    "lemma",
    "observation",
    "proof",
    "property",
    "proposition",
    "remark",
    "theorem",
)
# Directives that Sphinx numbers, with the word that stands before the number.
NUMBERED = {"figure": "Fig.", "table": "Table"}
NUMBERED |= {"exercise": "Exercise", "exercise-start": "Exercise"}
NUMBERED |= {f"prf:{kind}": kind.capitalize() for kind in PROOFS if kind != "proof"}


@dataclass(frozen=True)
class Target:
    """Something with a label: a heading (no number), an equation, a figure, an exercise …"""

    page: str
    text: str
    number: str = ""


@dataclass
class References:
    """Titles of pages, labelled targets and literature of one book folder."""

    titles: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    literature: dict[str, Entry] = field(default_factory=dict)
    notebooks: set[str] = field(default_factory=set)
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
        _scan(path.stem, text.splitlines(), found)
    bibliography = folder / "references.bib"
    if bibliography.exists():
        found.literature = dict(parse_file(str(bibliography), bib_format="bibtex").entries)
    return found


def chapter_number(page: str) -> str:
    """``"4"`` for ``04_emitting_vectors``, empty for pages outside the chapters."""
    match = re.match(r"(\d+)_", page)
    return str(int(match[1])) if match else ""


def numbers(page: str) -> Iterator[str]:
    """``"4.1"``, ``"4.2"``, … as Sphinx numbers one kind of thing within a chapter."""
    chapter, count = chapter_number(page), 0
    while True:
        count += 1
        yield f"{chapter}.{count}" if chapter else str(count)


def _scan(page: str, lines: list[str], found: References) -> None:
    """Record the title, the labels and their numbers, in the order in which Sphinx counts."""
    counters: dict[str, Iterator[str]] = {}
    pending = ""
    code = ""  # fence of the plain code block that we are in
    directives: list[str] = []  # fences of the directives that we are in, innermost last
    in_math = False
    for position, line in enumerate(lines):
        if code:
            if closes(line, code):
                code = ""
            continue
        fence = FENCE.match(line)
        directive = DIRECTIVE.match(fence["info"]) if fence else None
        if fence and directive and not directive["name"].startswith("code"):
            directives.append(fence["fence"])
            _scan_directive(
                *(page, directive["name"], lines[position + 1 :]), counters=counters, found=found
            )
        elif fence and directives and closes(line, directives[-1]):
            directives.pop()
        elif fence:
            code = fence["fence"]
        elif line.lstrip().startswith("$$") or in_math:
            end = MATH_END.search(line)
            opening = not in_math and line.strip() == "$$"
            in_math = opening or not end
            if end and end["label"] and not opening:
                counter = counters.setdefault("math", numbers(page))
                found.targets[end["label"]] = Target(page, "equation", next(counter))
        elif label := LABEL.match(line):
            pending = label["label"]
        elif heading := re.match(r"^(#+)\s+(.*?)\s*$", line):
            found.titles.setdefault(page, heading[2])
            if pending:
                found.targets[pending] = Target(page, heading[2])
            pending = ""


def _scan_directive(
    page: str,
    name: str,
    rest: list[str],
    *,
    counters: dict[str, Iterator[str]],
    found: References,
) -> None:
    options = read_options(rest)[0]
    label = options.get("label") or options.get("name")
    if name == "math" and label:
        number = next(counters.setdefault("math", numbers(page)))
        found.targets[label] = Target(page, "equation", number)
    elif name in NUMBERED:
        word = NUMBERED[name]
        number = next(counters.setdefault(word, numbers(page)))
        if label:
            found.targets[label] = Target(page, word, number)
    elif label and name.startswith("solution"):
        found.targets[label] = Target(page, "Solution")


def closes(line: str, fence: str) -> bool:
    """Whether a line ends the block that ``fence`` opened."""
    text = line.strip()
    return len(text) >= len(fence) and not text.strip(fence[0])


def read_options(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split the lines after a directive's first line into its options and its body."""
    options: dict[str, str] = {}
    for count, line in enumerate(lines):
        match = OPTION.match(line.strip())
        if not match:
            return options, lines[count:]
        options[match["key"]] = match["value"]
    return options, []


def author_year(entry: Entry) -> tuple[str, str]:
    """``("Chen et al.", "2025")``."""
    names = [_last(person) for person in entry.persons.get("author", [])]
    if not names:
        names = [str(entry.fields.get("title", ""))]
    who = names[0] if len(names) == 1 else f"{names[0]} et al."
    if len(names) == 2:
        who = " and ".join(names)
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
    who = ", ".join(
        " ".join([*_plain(p.first_names), *_plain(p.middle_names), _last(p)])
        for p in entry.persons.get("author", [])
    )
    fields = entry.fields
    title = _braceless(str(fields.get("title", "")))
    venue = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or ""
    link = address(entry)
    parts = [who, f"[{title}]({link})" if link else title, _braceless(str(venue))]
    return ". ".join(part for part in [*parts, str(fields.get("year", ""))] if part) + "."


def _last(person: Person) -> str:
    return " ".join([*_plain(person.prelast_names), *_plain(person.last_names)])


def _plain(names: list[str]) -> list[str]:
    return [_braceless(name) for name in names]


def _braceless(text: str) -> str:
    return text.replace("{", "").replace("}", "")
