"""MyST to the plain Markdown that Colab and Jupyter show.

Everything that only Sphinx understands is resolved: roles become text and links, directives become
headings, quotations and lists. What this module does not know is an error that names the file and
the line, so that no notebook ever shows raw markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pybtex.database import Entry  # type: ignore[import-untyped]

from book._tools.references import (
    DIRECTIVE,
    FENCE,
    LABEL,
    MATH_END,
    NUMBERED,
    PROOFS,
    References,
    address,
    author_year,
    closes,
    full_reference,
    numbers,
    read_options,
)

ADMONITIONS = (
    "note",
    "tip",
    "hint",
    "important",
    "warning",
    "caution",
    "attention",
    "danger",
    "error",
    "seealso",
)
TITLED = ("admonition", "dropdown", "sidebar", "topic", "card", "tab-item")
UNTITLED = ("margin", "epigraph", "div", "tab-set", "glossary")
DROPPED = ("badges", "tableofcontents", "toctree", "contents", "solution-end", "exercise-end")
CODE = ("code", "code-block", "sourcecode")
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
TITLED_ROLE = re.compile(r"^(?P<text>.+?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
TICKS = re.compile(r"(?:\{(?P<role>[A-Za-z][\w:.+-]*)\})?(?P<ticks>`+)")
LINK = re.compile(r"(?P<empty>\[)?\]\((?P<target>[^()\s]+)\)")


class ConversionError(ValueError):
    """Markup that has no plain Markdown form here; the message names file and line."""


@dataclass
class _Directive:
    name: str
    argument: str
    options: dict[str, str]
    body: list[str]
    line: int  # of the first body line


class Converter:
    """Converts the Markdown cells of one page, in order.

    Args:
        page: name of the page without suffix.
        references: of the whole book.
        source: text of the page, for its list of cited works.
    """

    def __init__(self, page: str, references: References, source: str) -> None:
        self.page = page
        self.references = references
        keys = {key.strip() for keys in CITE.findall(source) for key in keys.split(",")}
        self.cited = sorted(keys)
        self._counters = {word: numbers(page) for word in {*NUMBERED.values(), "math"}}

    def convert(self, text: str, line: int = 1) -> str:
        """Plain Markdown for ``text``, whose first line is line ``line`` of the file.

        Raises:
            ConversionError: a directive, role, label or citation that is not known.
        """
        return "\n".join(self._blocks(text.splitlines(), line)).strip("\n")

    def _error(self, line: int, problem: str) -> ConversionError:
        return ConversionError(f"{self.page}.md:{line}: {problem}")

    def _blocks(self, lines: list[str], first: int) -> list[str]:
        out: list[str] = []
        paragraph: list[str] = []
        start = at = 0

        def flush() -> None:
            if paragraph:
                out.extend(self._inline("\n".join(paragraph), first + start).split("\n"))
                paragraph.clear()

        while at < len(lines):
            line = lines[at]
            if fence := FENCE.match(line):
                flush()
                end = self._closing(lines, at, fence["fence"], first)
                out.extend(self._fenced(fence, lines[at : end + 1], first + at))
                at = end
            elif line.lstrip().startswith("$$"):
                flush()
                end = self._math_end(lines, at, first)
                out.extend(self._display_math(lines[at : end + 1]))
                at = end
            elif LABEL.match(line) or line.startswith("%"):
                flush()
            else:
                if not paragraph:
                    start = at
                paragraph.append(line)
                if not line.strip():
                    flush()
            at += 1
        flush()
        return out

    def _closing(self, lines: list[str], at: int, fence: str, first: int) -> int:
        for end in range(at + 1, len(lines)):
            if closes(lines[end], fence):
                return end
        raise self._error(first + at, f"{fence} is never closed")

    def _fenced(self, fence: re.Match[str], block: list[str], line: int) -> list[str]:
        directive = DIRECTIVE.match(fence["info"])
        if not directive:
            if fence["fence"][0] == ":":
                raise self._error(line, f"{block[0].strip()!r} names no directive")
            return block
        indent = fence["indent"]
        inner = [text.removeprefix(indent) for text in block[1:-1]]
        options, body = read_options(inner)
        begin = line + 1 + len(inner) - len(body)
        found = _Directive(directive["name"], directive["argument"], options, body, begin)
        return [(indent + text).rstrip() for text in self._directive(found, line)]

    def _directive(self, d: _Directive, line: int) -> list[str]:
        if d.name in DROPPED:
            return []
        if d.name in CODE:
            return [f"```{d.argument}", *d.body, "```"]
        if d.name == "math":
            lines = [*([d.argument] if d.argument else []), *_trim(d.body)]
            return self._equation(lines, bool(d.options.get("label")))
        if d.name in ADMONITIONS:
            title = "See also" if d.name == "seealso" else d.name.capitalize()
            body = [d.argument, *d.body] if d.argument else d.body
            return self._quote(title, body, d.line - bool(d.argument))
        if d.name in TITLED:
            return self._quote(self._inline(d.argument, line), d.body, d.line)
        if d.name in UNTITLED:
            return self._quote("", d.body, d.line)
        if d.name == "table":
            number = next(self._counters["Table"])
            title = f"**Table {number}.** {self._inline(d.argument, line)}"
            return [title, "", *self._blocks(d.body, d.line)]
        if d.name in ("figure", "image"):
            return self._figure(d, line)
        if d.name in ("exercise", "exercise-start"):
            title = self._inline(d.argument, line)
            number = next(self._counters["Exercise"])
            heading = f"#### Exercise {number}" + (f": {title}" if title else "")
            return [heading, "", *self._blocks(d.body, d.line)]
        if d.name in ("solution", "solution-start"):
            target = self.references.targets.get(d.argument)
            if target is None:
                raise self._error(line, f"solution to an unknown exercise {d.argument!r}")
            title = f"Solution to {target.text} {target.number}"
            if d.name == "solution-start":
                return [f"#### {title}"]
            body = _trim(self._blocks(d.body, d.line))
            return ["<details>", f"<summary>{title}</summary>", "", *body, "", "</details>"]
        kind = d.name.removeprefix("prf:")
        if d.name.startswith("prf:") and kind in PROOFS:
            title = kind.capitalize()
            if kind != "proof":
                title += f" {next(self._counters[title])}"
            if d.argument:
                title += f" ({self._inline(d.argument, line)})"
            return self._quote(title, d.body, d.line)
        if d.name == "bibliography":
            entries = [self._entry(key, line) for key in self.cited]
            entries.sort(key=author_year)
            return [f"- {full_reference(entry)}" for entry in entries]
        raise self._error(
            line, f"directive {d.name!r} has no plain Markdown form; add it to book/_tools/myst.py"
        )

    def _quote(self, title: str, body: list[str], line: int) -> list[str]:
        content = _trim(self._blocks(body, line))
        if title:
            content = [f"**{title}**", "", *content]
        return [f"> {text}".rstrip() for text in content]

    def _figure(self, d: _Directive, line: int) -> list[str]:
        if not d.options.get("alt"):
            raise self._error(line, f"{d.name} {d.argument!r} has no :alt: text")
        lines = [f"![{d.options['alt']}]({self._address(d.argument, line)})"]
        if d.name == "figure":
            caption = " ".join(_trim(self._blocks(d.body, d.line)))
            lines += ["", f"*Fig. {next(self._counters['Fig.'])}. {caption}*"]
        return lines

    def _math_end(self, lines: list[str], at: int, first: int) -> int:
        if MATH_END.search(lines[at].strip()[2:]):
            return at
        for end in range(at + 1, len(lines)):
            if MATH_END.search(lines[end]):
                return end
        raise self._error(first + at, "$$ is never closed")

    def _display_math(self, block: list[str]) -> list[str]:
        indent = block[0][: len(block[0]) - len(block[0].lstrip())]
        text = "\n".join(block).strip()[2:]
        end = MATH_END.search(text)
        assert end is not None  # _math_end found it
        body = [line.strip() for line in text[: end.start()].strip().splitlines()]
        return [indent + line for line in self._equation(body, end["label"] is not None)]

    def _equation(self, body: list[str], labelled: bool) -> list[str]:
        if labelled:
            body = [*body, rf"\tag{{{next(self._counters['math'])}}}"]
        return ["$$", *body, "$$"]

    def _inline(self, text: str, line: int) -> str:
        """Resolve roles and links in running text; leave code spans as they are."""
        out: list[str] = []
        at = 0
        while match := TICKS.search(text, at):
            plain = text[at : match.start()]
            here = line + text.count("\n", 0, match.start())
            out.append(self._links(plain, line + text.count("\n", 0, at)))
            ticks = match["ticks"]
            close = re.compile(rf"(?<!`){ticks}(?!`)").search(text, match.end())
            if close is None:
                out.append(match[0])
                at = match.end()
                continue
            content = text[match.end() : close.start()]
            code = text[match.start() : close.end()]
            out.append(self._role(match["role"], content, here) if match["role"] else code)
            at = close.end()
        out.append(self._links(text[at:], line + text.count("\n", 0, at)))
        return "".join(out)

    def _role(self, role: str, content: str, line: int) -> str:
        if role == "cite" or role.startswith("cite:"):
            return self._cite(role, content, line)
        if role in PLAIN_ROLES:
            return PLAIN_ROLES[role](content)
        titled = TITLED_ROLE.match(content)
        text, label = (titled["text"], titled["target"]) if titled else ("", content)
        if role == "term":
            return f"[{text or label}]({self.references.link('glossary')})"
        if role == "doc":
            return self._page_link(text, label.removeprefix("/").removesuffix(".md"), line)
        if role in ("ref", "numref", "eq", "prf:ref"):
            return self._reference(role, text, label.strip(), line)
        if role.startswith("py:") or role == "download":
            return f"`{(text or label).removeprefix('~')}`"
        raise self._error(
            line, f"role {role!r} has no plain Markdown form; add it to book/_tools/myst.py"
        )

    def _reference(self, role: str, text: str, label: str, line: int) -> str:
        target = self.references.targets.get(label)
        if target is None:
            raise self._error(line, f"{role} to an unknown label {label!r}")
        if target.text == "equation":
            shown = text or f"({target.number})"
        elif target.number:
            default = f"{target.text} {target.number}"
            shown = text.replace("%s", target.number).replace("{number}", target.number) or default
        else:
            shown = text or target.text
        # Anchors of headings differ between notebook viewers: no link within the page.
        same = target.page == self.page
        return shown if same else f"[{shown}]({self.references.link(target.page)})"

    def _page_link(self, text: str, page: str, line: int) -> str:
        if page not in self.references.titles:
            raise self._error(line, f"link to an unknown page {page!r}")
        return f"[{text or self.references.titles[page]}]({self.references.link(page)})"

    def _cite(self, role: str, content: str, line: int) -> str:
        shown = []
        in_text = role in ("cite:t", "cite:ts", "cite:ct")
        for key in content.split(","):
            entry = self._entry(key.strip(), line)
            who, year = author_year(entry)
            name = f"{who} ({year})" if in_text else f"{who}, {year}"
            link = address(entry)
            shown.append(f"[{name}]({link})" if link else name)
        return ", ".join(shown) if in_text else f"({'; '.join(shown)})"

    def _entry(self, key: str, line: int) -> Entry:
        if key not in self.references.literature:
            raise self._error(line, f"citation of {key!r}, which is not in references.bib")
        return self.references.literature[key]

    def _links(self, text: str, line: int) -> str:
        def replace(match: re.Match[str]) -> str:
            target = match["target"]
            here = line + text.count("\n", 0, match.start())
            if match["empty"]:
                if target.endswith(".md"):
                    return self._page_link("", target.removesuffix(".md"), here)
                return self._reference("link", "", target.removeprefix("#"), here)
            return f"]({self._address(target, here)})"

        return LINK.sub(replace, text)

    def _address(self, target: str, line: int) -> str:
        """What a link or image of the source points to, seen from the notebook."""
        path, _, _ = target.partition("#")
        label = self.references.targets.get(target.removeprefix("#"))
        if label:
            return self.references.link(label.page)
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return target
        if path.endswith(".md"):
            page = path.removesuffix(".md")
            if page not in self.references.titles:
                raise self._error(line, f"link to an unknown page {path!r}")
            return self.references.link(page)
        if not path:
            raise self._error(line, f"link to an unknown label {target!r}")
        repository = self.references.repository
        return repository.raw(path) if repository else target


def _trim(lines: list[str]) -> list[str]:
    """Without blank lines at both ends."""
    return "\n".join(lines).strip("\n").split("\n")


PLAIN_ROLES: dict[str, Callable[[str], str]] = {
    "math": lambda text: f"${text}$",
    "code": lambda text: f"`{text}`",
    "sub": lambda text: f"<sub>{text}</sub>",
    "sup": lambda text: f"<sup>{text}</sup>",
    "kbd": lambda text: f"<kbd>{text}</kbd>",
    "abbr": lambda text: text,
}
