"""A small Sphinx extension: ``{badges}``, two kinds of figures, ``{modules}``, and a page's duties.

That is a description, a word on a chapter that was not computed, a page for addresses that lead
nowhere and, where ``html: baseurl`` in ``_config.yml`` says where the book is published, a sitemap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, ClassVar

from docutils import nodes  # type: ignore[import-untyped]
from docutils.parsers.rst import directives  # type: ignore[import-untyped]
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from book._tools.repository import Repository

FAILED = """<div class="admonition danger"><p class="admonition-title">Not computed</p>
<p>A cell of this chapter failed, so results and figures are missing: <code>{error}</code>.
The output of the build says which cell; <code>make book</code> tries again.</p></div>
"""
LOST = """<section><h1>No such page</h1>
<p>The address leads nowhere: the page has moved, or there never was one. The book starts
<a href="index.html">here</a>; its <a href="search.html">search</a> knows all of it.</p></section>
"""
SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{}</urlset>
"""


class Badges(SphinxDirective):
    """``{badges}``: open in Colab (when the repository's address is known), download."""

    def run(self) -> list[nodes.Node]:
        """Return the line as one paragraph."""
        name = f"{Path(self.env.docname).name}.ipynb"
        line = nodes.paragraph(classes=["badges"])
        url = self.config.html_theme_options.get("repository_url")
        if url:
            branch = self.config.html_theme_options.get("repository_branch") or "main"
            target = Repository(url, branch).colab(name)
            line += nodes.reference("", "Open in Colab", refuri=target, internal=False)
        download = addnodes.download_reference(
            "", "", reftarget=name, refdoc=self.env.docname, refexplicit=True
        )
        download += nodes.Text("Download the notebook")
        line += download
        return [line]


class Drawing(SphinxDirective):
    """``{drawing} name``: the picture ``_assets/name.svg`` in the page, with its caption.

    It stands in the page itself, no image behind a link, so that it follows the page's theme, its
    links work and its steps can be played (``stepper.js``; with ``:autoplay:`` once when it comes
    into view). Its ``<desc>`` is its alternative text.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "name": directives.unchanged,
        "autoplay": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return a figure, numbered as any other."""
        if not self.content:
            raise self.error(
                f"{' '.join([self.name, *self.arguments])}: say in a caption what to see"
            )
        figure = nodes.figure(classes=[self.name, *(["autoplay"] * ("autoplay" in self.options))])
        figure += nodes.raw("", self.picture(), format="html")
        text, messages = self.parse_inline(" ".join(self.content))
        figure += nodes.caption("", "", *text)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *messages]

    def picture(self) -> str:
        """The HTML of the picture."""
        path = Path(self.env.srcdir) / "_assets" / f"{self.arguments[0]}.svg"
        if not path.exists():
            raise self.error(f"drawing: there is no {path}")
        self.env.note_dependency(str(path))
        return path.read_text(encoding="utf-8")


class Playground(Drawing):
    """``{playground}``: AMER's answers to a few queries, drawn by ``playground.js``.

    With ``:typed:`` it is larger, and the reader may load the model and type queries.
    """

    required_arguments = 0
    option_spec: ClassVar[dict[str, Any]] = Drawing.option_spec | {"typed": directives.flag}

    def picture(self) -> str:
        """A place for the script."""
        settings = "data-k=10 data-typed" if "typed" in self.options else "data-k=5"
        return f"<div id=playground {settings}><noscript>It needs JavaScript.</noscript></div>"


class Modules(SphinxDirective):
    """``{modules} amer_lite.search``: a package and all modules in it, from their docstrings."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return one section a module, below what the package says of itself."""
        root = import_module(self.arguments[0])
        inside = walk_packages(getattr(root, "__path__", []), f"{root.__name__}.")
        text = ""
        for name in [root.__name__, *(module.name for module in inside)]:
            heading = f"## {name.partition('.')[2]}\n" if text else ""
            members = "" if hasattr(import_module(name), "__path__") else "   :members:\n"
            text += f"{heading}```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n"
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _finish_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    body = context.get("body") or ""
    if "id=playground" in body:
        app.add_css_file("playground.css")
        for script in ("playground/examples.js", "playground.js"):
            app.add_js_file(script, priority=900, loading_method="defer")  # after stepper.js
    ran = NbMetadataCollector.get_exec_data(app.env, pagename)
    if ran and not ran["succeeded"]:
        said = re.sub(r"\x1b\[[\d;]*m", "", ran["traceback"]).split("\n")
        last = next(filter(str.strip, reversed(said)), ran["error"])
        body = FAILED.format(error=escape(last)) + body
    # A header without words names nothing to a screen reader; entries of a bibliography have a role
    # that no list may hold.
    body = re.sub(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>", "<td></td>", body)
    context["body"] = body.replace('<div role="list" class="citation-list">', "<div>")
    title = unescape(re.sub(r"<[^>]*>", "", context.get("title") or ""))
    tags = {"og:title": title, "og:type": "article", "og:site_name": app.config.html_title}
    if summary := _summary(doctree):
        tags |= {"description": summary, "og:description": summary}
    if context.get("pageurl"):
        tags["og:url"] = context["pageurl"]
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {"property" if name.startswith("og:") else "name"}="{name}" '
        f'content="{escape(text)}" />\n'
        for name, text in tags.items()
    )


def _summary(doctree: Any, most: int = 200) -> str:
    """The first words of a page, cut between two of them."""
    if doctree is None:
        return ""
    prose = (
        node.astext()
        for node in doctree.findall(nodes.paragraph)
        if "badges" not in node["classes"]
        and isinstance(node.parent, nodes.section | nodes.list_item)
    )
    words = " ".join(" ".join(prose).split())
    return words if len(words) <= most else words[:most].rsplit(" ", 1)[0] + " …"


def _lost_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    # A server sends it for any address: its links start from the address of the book.
    base = app.config.html_baseurl
    tag = f'<base href="{escape(base)}" />\n' if base else ""
    yield "404", {"title": "No such page", "body": LOST, "metatags": tag}, "page.html"


def _write_sitemap(app: Sphinx, error: Exception | None) -> None:
    base = app.config.html_baseurl
    if base and not error:
        pages = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
        places = "".join(f"<url><loc>{escape(base + page)}</loc></url>\n" for page in pages)
        (Path(app.outdir) / "sitemap.xml").write_text(SITEMAP.format(places), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("badges", Badges)
    app.add_directive("drawing", Drawing)
    app.add_directive("modules", Modules)
    app.add_directive("playground", Playground)
    app.connect("html-page-context", _finish_page)
    app.connect("html-collect-pages", _lost_page)
    app.connect("build-finished", _write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
