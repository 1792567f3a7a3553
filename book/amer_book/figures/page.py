"""How a figure looks and how it gets onto the page: palette, template, ``show``, menus.

Colours are those of Okabe and Ito (2008), told apart under the common forms of colour blindness.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any, Literal

import plotly.graph_objects as go
import plotly.io as pio

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY, YELLOW = "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW)
GREY = "#8A8F98"  # context and background points: visible on white and on black

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, GRID = "#24292F", "#D8DEE4"
_CONFIG = {"responsive": True, "displaylogo": False, "modeBarButtonsToRemove": ["lasso2d"]}

_axis = {
    "gridcolor": GRID,
    "linecolor": GREY,
    "zerolinecolor": GREY,
    "zerolinewidth": 1,
    "automargin": True,
    "title": {"standoff": 8},
}
_scene_axis = {
    "gridcolor": GRID,
    "linecolor": GREY,
    "zerolinecolor": GREY,
    "showbackground": False,
}
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
        "colorscale": {"sequential": "Cividis", "sequentialminus": "Cividis"},
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

    In the book build (environment variable ``AMER_LITE_BOOK``) this writes HTML that needs no
    kernel and no network; the page's own script then gives it the colours of the reader's theme.
    Elsewhere plotly's default renderer displays it.

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
    if not os.environ.get("AMER_LITE_BOOK"):
        fig.show(config=_CONFIG)
        return
    from IPython.display import HTML, display

    body = pio.to_html(
        fig,
        config=_CONFIG,
        include_plotlyjs=False,
        include_mathjax=False,
        full_html=False,
        default_width="100%",
        auto_play=False,
    )
    label = escape(alt, quote=True)
    display(HTML(f'<figure class="plot" role="img" aria-label="{label}">\n{body}\n</figure>'))


def choice(
    fig: go.Figure,
    labels: Sequence[str],
    owners: Sequence[int],
    *,
    kind: Literal["dropdown", "buttons"] = "dropdown",
    **place: Any,
) -> None:
    """Let the reader choose which traces are seen; the first choice is the one that is shown.

    Args:
        fig: changed in place.
        labels: one a choice.
        owners: per trace, the number of the choice that shows it.
        kind: a menu, or buttons in a row.
        place: further fields of plotly's updatemenu, such as ``x`` and ``y``.
    """
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner == 0
    menu = {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "direction": "down"}
    if kind == "buttons":
        menu |= {"type": "buttons", "direction": "right"}
    menu["buttons"] = [
        {
            "label": label,
            "method": "update",
            "args": [{"visible": [owner == number for owner in owners]}],
        }
        for number, label in enumerate(labels)
    ]
    fig.update_layout(updatemenus=[menu | place])


def wrapped(text: str, width: int) -> str:
    """``text``, broken into lines for a label."""
    return "<br>".join(wrap(text, width))


def shortened(text: str, most: int, width: int) -> str:
    """``text`` cut after about ``most`` characters, broken into lines."""
    return wrapped(text if len(text) <= most else text[: most - 1].rstrip() + "…", width)
