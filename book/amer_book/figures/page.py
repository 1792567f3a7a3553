"""How a figure looks and how it gets onto the page: palette, template, ``show``.

Colours are those of Okabe and Ito (2008), told apart under the common forms of colour blindness.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY, YELLOW = "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW)
GREY = "#8A8F98"  # context and background points: visible on white and on black
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down")
FAINT = "rgba(138,143,152,0.12)"  # a cell with nothing in it
CELLS = {"xgap": 2, "ygap": 2, "showscale": False}  # of a heat map that says its values in words
PERCENT = {"range": [-4, 104], "zeroline": False}  # an axis on which marks at both ends are whole

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, GRID = "#24292F", "#D8DEE4"
_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "typesetMath": False,  # a text with two dollars is no formula
    "showSendToCloud": False,  # the button that uploads a chart
    "modeBarButtonsToRemove": ["lasso2d"],
}

_lines = {"gridcolor": GRID, "linecolor": GREY, "zerolinecolor": GREY}
_axis = _lines | {"zerolinewidth": 1, "automargin": True, "title": {"standoff": 8}}
_scene_axis = _lines | {"showbackground": False}
# Legend above the plot and narrow margins: the plot keeps its width on a phone.
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "font": {"family": FONT, "size": 14, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": 460,
        "margin": {"l": 48, "r": 16, "t": 40, "b": 48},
        "hoverlabel": {"font": {"family": FONT, "size": 13}, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": _axis,
        "yaxis": _axis,
        "scene": {
            "xaxis": _scene_axis,
            "yaxis": _scene_axis,
            "zaxis": _scene_axis,
            "camera": {"eye": {"x": 1.6, "y": 1.6, "z": 1.0}},  # all of it, on a phone too
        },
    }
)


def show(fig: go.Figure, alt: str) -> None:
    """Display a figure, in the book and in a live notebook alike.

    In the book build (environment variable ``AMER_LITE_BOOK``) this writes the figure as JSON and a
    place for it, of its height; the page's own script draws it there, in the reader's theme, once
    plotly is loaded. That needs no kernel and no network. Elsewhere the output holds both plotly's
    own form, for editors that draw it, and HTML that fetches plotly.js, for Colab and ``nbconvert
    --to html``.

    Args:
        fig: drawn with `TEMPLATE` unless it names a template of its own.
        alt: what the figure shows, in a sentence or two, for readers who do not see it.

    Raises:
        ValueError: empty ``alt``.
    """
    if not alt.strip():
        raise ValueError("show: empty alt; say in a sentence what the figure shows")
    if fig.layout.template == go.Figure().layout.template:
        fig = go.Figure(fig).update_layout(template=TEMPLATE)
    from IPython.display import display

    content = {**json.loads(pio.to_json(fig, validate=False)), "config": _CONFIG}
    bundle: dict[str, Any] = {"text/plain": alt}
    if os.environ.get("AMER_LITE_BOOK"):
        height = fig.layout.height or fig.layout.template.layout.height or 450  # plotly's own
        inside = (
            f'<div class="plotly-graph-div" style="height:{height}px"></div>'
            f'<script type="application/json">{_in_script(content)}</script>'
        )
    else:
        bundle["application/vnd.plotly.v1+json"] = content
        inside = pio.to_html(fig, config=_CONFIG, include_plotlyjs="cdn", full_html=False)
    bundle["text/html"] = f'<figure class="plot" aria-label="{escape(alt)}">{inside}</figure>'
    display(bundle, raw=True)


def _in_script(content: object) -> str:
    """JSON in which nothing ends the script element around it."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def write(fig: go.Figure, x: float, y: Sequence[float], texts: Sequence[str], where: str) -> None:
    """Texts in the plot, with plotly's ``textposition``; they are no marks of their own."""
    quiet = {"hoverinfo": "skip", "showlegend": False, "cliponaxis": False}
    line = {"x": [x] * len(texts), "y": list(y), "text": list(texts), "textposition": where}
    fig.add_scatter(mode="text", textfont_size=12, **line, **quiet)


def plain(text: str) -> str:
    """A text for a label or a template; nothing in it is markup, a link or a place to fill."""
    return escape(text, quote=False).replace("%{", "%&#123;")


def wrapped(text: str, width: int) -> str:
    """A plain text, broken into lines for a label."""
    return "<br>".join(map(plain, wrap(text, width)))


def cut(text: str, most: int) -> str:
    """A text of at most ``most`` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def shortened(text: str, most: int, width: int) -> str:
    """A plain text cut after about ``most`` characters, broken into lines."""
    return wrapped(cut(text, most), width)
