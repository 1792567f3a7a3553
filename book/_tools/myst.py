"""MyST to the plain Markdown that Colab and Jupyter show.

Everything that only Sphinx understands is resolved: roles become text and links, directives become
headings, quotations and lists. What this module does not know is an error that names the file and
the line, so that no notebook ever shows raw markup. A Sphinx Markdown builder would have to read
the whole book for one notebook, and has no form for cells, exercises, solutions and citations.
"""

from __future__ import annotations

import re

from pybtex.database import Entry  # type: ignore[import-untyped]

from book._tools.references import (
    BLOCK,
    NUMBERED,
    References,
    Target,
    address,
    author_year,
    full_reference,
    read_options,
)

ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "danger", "seealso")
TITLED = ("admonition", "dropdown", "margin")
DROPPED = ("badges", "solution-end")
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
TITLED_ROLE = re.compile(r"(?P<text>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
# A code span or role, which ends before the paragraph does; or the target of a link.
INLINE = re.compile(
    r"""
    (?:\{(?P<role>[A-Za-z][\w:.+-]*)\})?
      (?P<ticks>`++)(?P<content>(?:(?!\n[ ]*\n).)+?)(?<!`)(?P=ticks)(?!`)
    | (?P<empty>\[)?\]\((?P<target>[^()\s]+)\)
    """,
    re.VERBOSE | re.DOTALL,
)
UNCLOSED = re.compile(r"^ *(?P<fence>```|~~~|:::|\$\$)", re.MULTILINE)


class ConversionError(ValueError):
    """Markup that has no plain Markdown form here; the message names file and line."""


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
        self.cited = {key.strip() for keys in CITE.findall(source) for key in keys.split(",")}
        self._line = 1  # of the markup that is being converted, for errors

    def convert(self, text: str, line: int = 1) -> str:
        """Plain Markdown for ``text``, whose first line is line ``line`` of the file.

        Raises:
            ConversionError: a directive, role, label or citation that is not known.
        """
        out = []
        at = 0
        for block in BLOCK.finditer(text):
            if block["title"]:
                continue
            out.append(self._inline(text[at : block.start()], line + text.count("\n", 0, at)))
            self._line = line + text.count("\n", 0, block.start())
            converted = self._block(block)
            out.append(converted)
            at = block.end() + (not converted)  # what gives nothing leaves no blank line
        out.append(self._inline(text[at:], line + text.count("\n", 0, at)))
        return "".join(out).strip("\n")

    def caption(self, figure: dict[str, str], line: int) -> str:
        """The caption of a figure that the code cell on line ``line`` shows.

        Raises:
            ConversionError: no name or caption, or markup that is not known.
        """
        self._line = line
        if not figure.get("name") or not figure.get("caption"):
            raise self._error("a figure of a code cell needs a name and a caption")
        target = self._target(figure["name"], "figure")
        return f"**{target.text} {target.number}.** {self.convert(figure['caption'], line)}"

    def _error(self, problem: str) -> ConversionError:
        return ConversionError(f"{self.page}.md:{self._line}: {problem}")

    def _block(self, block: re.Match[str]) -> str:
        if block["label"] or block["comment"]:
            return ""
        if block["math"]:
            lines = [line.strip() for line in block["math"].strip().splitlines()]
            if block["equation"]:
                lines.append(rf"\tag{{{self._target(block['equation'], 'equation').number}}}")
            return _indented("\n".join(["$$", *lines, "$$"]), block["math_indent"])
        if not block["name"]:
            if block["fence"].startswith(":"):
                raise self._error(f"{block['fence']} names no directive")
            return block[0]
        inside = "\n".join(
            line.removeprefix(block["indent"]) for line in block["body"].splitlines()
        )
        options, body = read_options(inside)
        begin = self._line + 1 + inside.count("\n") - body.count("\n")
        text = self._directive(block["name"], block["argument"].strip(), options, body, begin)
        return _indented(text, block["indent"])

    def _directive(
        self, name: str, argument: str, options: dict[str, str], body: str, begin: int
    ) -> str:
        """``begin`` is the line of the file on which ``body`` starts."""
        if name in DROPPED:
            return ""
        label = options.get("label") or options.get("name") or ""
        title = self._inline(argument, self._line)
        number = f"{NUMBERED[name]} {self._target(label, name).number}" if name in NUMBERED else ""
        if name == "exercise":
            heading = f"#### {number}" + (f": {title}" if title else "")
            return f"{heading}\n\n{self.convert(body, begin)}"
        if name == "solution-start":
            exercise = self._target(argument, "exercise")
            return f"Solution to {exercise.text} {exercise.number}"
        if name == "table":
            return f"**{number}.** {title}\n\n{self.convert(body, begin)}"
        if name == "figure":
            if not options.get("alt"):
                raise self._error(f"figure {argument!r} has no :alt: text")
            caption = self.convert(body, begin).replace("\n", " ")
            return f"![{options['alt']}]({self._address(argument)})\n\n**{number}.** {caption}"
        if name == "drawing":
            if not (alt := self.references.drawings.get(argument)):
                raise self._error(f"drawing {argument!r} is not in _assets, or has no <desc>")
            caption = self.convert(body, begin).replace("\n", " ")
            image = f"![{alt}]({self._address(f'_assets/{argument}.svg')})"
            # Without an address, Colab has nothing to show: say what is to be seen.
            shown = image if self.references.repository else _quoted("", alt)
            return f"{shown}\n\n**{number}.** {caption}"
        if name in TITLED:
            return _quoted(title, self.convert(body, begin))
        if name in ADMONITIONS:
            first = f"{argument}\n" if argument else ""  # text may start on the first line
            text = self.convert(first + body, begin - bool(first))
            return _quoted("See also" if name == "seealso" else name.capitalize(), text)
        if name == "bibliography":
            entries = sorted(map(self._entry, sorted(self.cited)), key=author_year)
            return "\n".join(f"- {full_reference(entry)}" for entry in entries)
        raise self._error(
            f"directive {name!r} has no plain Markdown form; add it to book/_tools/myst.py"
        )

    def _inline(self, text: str, line: int) -> str:
        """Resolve roles and links in running text; leave code spans as they are."""
        if unclosed := UNCLOSED.search(text):
            self._line = line + text.count("\n", 0, unclosed.start())
            raise self._error(f"{unclosed['fence']} is never closed")

        def resolve(match: re.Match[str]) -> str:
            self._line = line + text.count("\n", 0, match.start())
            if match["role"]:
                return self._role(match["role"], match["content"])
            if match["ticks"]:
                return match[0]
            if not match["empty"]:
                return f"]({self._address(match['target'])})"
            if match["target"].endswith(".md"):
                return self._role("doc", match["target"])
            return self._role("ref", match["target"].removeprefix("#"))

        return INLINE.sub(resolve, text)

    def _role(self, role: str, content: str) -> str:
        if role == "cite" or role.startswith("cite:"):
            return self._cite(role, content)
        titled = TITLED_ROLE.fullmatch(content)
        text, label = (titled["text"], titled["target"]) if titled else ("", content.strip())
        if role == "term":
            return f"[{text or label}]({self.references.link('glossary')})"
        if role == "doc":
            page = label.removesuffix(".md")
            return f"[{text or self.references.titles.get(page)}]({self._address(page + '.md')})"
        if role in ("ref", "numref", "eq"):
            return self._reference(role, text, label)
        if role.startswith("py:"):
            return f"`{(text or label).removeprefix('~')}`"
        raise self._error(
            f"role {role!r} has no plain Markdown form; add it to book/_tools/myst.py"
        )

    def _reference(self, role: str, text: str, label: str) -> str:
        target = self._target(label, role)
        if target.text == "equation":
            shown = text or f"({target.number})"
        elif target.number:
            shown = text.replace("%s", target.number) or f"{target.text} {target.number}"
        else:
            shown = text or target.text
        # Anchors of headings differ between notebook viewers: no link within the page.
        same = target.page == self.page
        return shown if same else f"[{shown}]({self.references.link(target.page)})"

    def _cite(self, role: str, content: str) -> str:
        shown = []
        for key in content.split(","):
            entry = self._entry(key.strip())
            who, year = author_year(entry)
            name = f"{who} ({year})" if role == "cite:t" else f"{who}, {year}"
            link = address(entry)
            shown.append(f"[{name}]({link})" if link else name)
        return ", ".join(shown) if role == "cite:t" else f"({'; '.join(shown)})"

    def _entry(self, key: str) -> Entry:
        if key not in self.references.literature:
            raise self._error(f"citation of {key!r}, which is not in references.bib")
        return self.references.literature[key]

    def _target(self, label: str, what: str) -> Target:
        if label not in self.references.targets:
            raise self._error(f"{what} with an unknown label {label!r}")
        return self.references.targets[label]

    def _address(self, target: str) -> str:
        """What a link or image of the source points to, seen from the notebook."""
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return target
        path, _, anchor = target.partition("#")
        if not path:
            return self.references.link(self._target(anchor, "link").page)
        if path.endswith(".md"):
            page = path.removesuffix(".md")
            if page not in self.references.titles:
                raise self._error(f"link to an unknown page {page!r}")
            return self.references.link(page)
        repository = self.references.repository
        return repository.raw(path) if repository else target


def _quoted(title: str, text: str) -> str:
    if title:
        text = f"**{title}**\n\n{text}"
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _indented(text: str, indent: str) -> str:
    return "\n".join((indent + line).rstrip() for line in text.split("\n"))
