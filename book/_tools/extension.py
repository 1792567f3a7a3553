"""A small Sphinx extension: ``{badges}``, ``{drawing}``, a package's ``{modules}``, plotly.js."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, ClassVar

from docutils import nodes  # type: ignore[import-untyped]
from docutils.parsers.rst import directives  # type: ignore[import-untyped]
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from book._tools.repository import Repository


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
        path = Path(self.env.srcdir) / "_assets" / f"{self.arguments[0]}.svg"
        if not path.exists():
            raise self.error(f"drawing: there is no {path}")
        if not self.content:
            raise self.error(f"drawing {self.arguments[0]}: say in a caption what to see")
        self.env.note_dependency(str(path))
        figure = nodes.figure(classes=["drawing", *(["autoplay"] * ("autoplay" in self.options))])
        figure += nodes.raw("", path.read_text(encoding="utf-8"), format="html")
        text, messages = self.parse_inline(" ".join(self.content))
        figure += nodes.caption("", "", *text)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *messages]


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


def _load_plotly(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    # 5 MB: only on pages with a figure, and before the figures' own inline scripts.
    if "plotly-graph-div" in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=100)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("badges", Badges)
    app.add_directive("drawing", Drawing)
    app.add_directive("modules", Modules)
    app.connect("html-page-context", _load_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
