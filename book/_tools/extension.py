"""A small Sphinx extension: the ``{badges}`` line of a chapter, plotly.js where it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from book._tools.repository import Repository


class Badges(SphinxDirective):
    """``{badges}``: open in Colab (when the repository's address is known), download."""

    def run(self) -> list[nodes.Node]:
        """Return the line as one paragraph."""
        name = f"{Path(self.env.docname).name}.ipynb"
        if not (Path(self.env.srcdir) / name).exists():
            raise self.error(f"{name} is missing; run `make notebooks` to write it")
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


def _load_plotly(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    # 5 MB: only on pages with a figure, and before the figures' own inline scripts.
    if "plotly-graph-div" in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=100)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("badges", Badges)
    app.connect("html-page-context", _load_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
