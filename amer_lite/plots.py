"""Every figure of the book, one function each; and ``show``, which puts a figure on the page.

Colours are those of Okabe and Ito (2008), told apart under the common forms of colour blindness.
Functions here draw what they are given: no computing inside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import NamedTuple

import numpy as np
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


class ScorePlane(NamedTuple):
    """What `score_planes` draws for one query; a point is (score, second coordinate).

    Attributes:
        background: (S, 2) documents for context.
        neighbours: (r, 2) documents of the top k that are no golds.
        neighbour_texts: r texts.
        golds: (n, 2).
        gold_texts: n texts.
        ranks: n ranks of the golds, from 1.
    """

    background: np.ndarray
    neighbours: np.ndarray
    neighbour_texts: Sequence[str]
    golds: np.ndarray
    gold_texts: Sequence[str]
    ranks: Sequence[int]


def score_planes(planes: Mapping[str, ScorePlane], k: int, y_title: str) -> go.Figure:
    """The top k of one query in a plane whose x axis is the score; a menu of queries.

    Args:
        planes: ``{query: its plane}``, at least one.
        k: ranks up to k count as found. The boundary is the lowest score drawn among them.
        y_title: what the second coordinate means.
    """
    fig = go.Figure()
    for number, (query, plane) in enumerate(planes.items()):
        ranks = np.asarray(plane.ranks)
        found = ranks <= k
        top = np.concatenate([plane.neighbours, plane.golds[found]])
        heights = np.concatenate([top, plane.golds, plane.background])[:, 1]
        low, high = float(heights.min()) - 0.08, float(heights.max()) + 0.12
        seen = {"visible": number == 0, "hovertemplate": "%{customdata}<extra></extra>"}
        fig.add_scatter(
            **_points(plane.background),
            mode="markers",
            marker={"size": 4, "color": GREY, "opacity": 0.45},
            name="other",
            hoverinfo="skip",
            visible=number == 0,
        )
        fig.add_scatter(
            x=[float(top[:, 0].min())] * 2,
            y=[low, high],
            mode="lines+text",
            line={"dash": "dash", "color": GREY, "width": 1.5},
            text=["", f"top {k} →"],
            textposition="middle right",
            showlegend=False,
            hoverinfo="skip",
            visible=number == 0,
        )
        fig.add_scatter(
            **_points(plane.neighbours),
            mode="markers",
            marker={"size": 10, "symbol": "circle-open", "color": SKY, "line": {"width": 2}},
            name=f"top {k}, wrong",
            customdata=[
                _hover(f"score {score:.2f}, no sense of “{query}”", text)
                for score, text in zip(plane.neighbours[:, 0], plane.neighbour_texts, strict=True)
            ],
            **seen,
        )
        for name, chosen, symbol, colour in (
            ("sense found", found, "circle", GREEN),
            ("sense missed", ~found, "x", VERMILION),
        ):
            rows = np.flatnonzero(chosen).tolist()
            fig.add_scatter(
                **_points(plane.golds[rows]),
                mode="markers+text",
                marker={"size": 12, "symbol": symbol, "color": colour},
                text=[f"{ranks[row]:,}" for row in rows],
                textfont={"size": 12},
                textposition=[_side(plane.golds, row) for row in rows],
                name=name,
                customdata=[
                    _hover(
                        f"rank {ranks[row]:,}, score {plane.golds[row, 0]:.2f}",
                        plane.gold_texts[row],
                    )
                    for row in rows
                ],
                **seen,
            )
        fig.add_scatter(
            x=[1],
            y=[0],
            mode="markers+text",
            marker={"size": 17, "symbol": "star", "color": ORANGE},
            text=["query"],
            textposition="bottom center",
            showlegend=False,
            customdata=[_hover("the query vector", query)],
            **seen,
        )
    per_query = len(fig.data) // len(planes)
    buttons = [
        {
            "label": query,
            "method": "update",
            "args": [{"visible": [i // per_query == number for i in range(len(fig.data))]}],
        }
        for number, query in enumerate(planes)
    ]
    fig.update_xaxes(title="score v · d", range=[-0.22, 1.12], dtick=0.2)
    fig.update_yaxes(title=y_title, tickformat=".1f", zeroline=False)
    menu = {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "buttons": buttons}
    return fig.update_layout(
        height=580, margin={"t": 110}, updatemenus=[menu], legend={"y": 1.13, "font": {"size": 13}}
    )


def intervals(
    views: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]],
    ticks: Sequence[str],
    x_title: str,
    y_title: str,
) -> go.Figure:
    """Shares with their intervals, one line per series; buttons when there are several views.

    Args:
        views: ``{button: {series: [(mean, low, high) per tick]}}``, each with the same series.
        ticks: T labels of the x axis.
        x_title, y_title: of the axes.
    """
    fig = go.Figure()
    symbols = ("circle", "square", "diamond", "triangle-up")
    for number, series in enumerate(views.values()):
        middle = (len(series) - 1) / 2
        for i, (name, values) in enumerate(series.items()):
            means, lows, highs = np.array(values).T
            fig.add_scatter(
                x=np.arange(len(ticks)) + 0.06 * (i - middle),  # side by side, so that both show
                y=means,
                error_y={"array": highs - means, "arrayminus": means - lows, "thickness": 1.5},
                mode="lines+markers",
                marker={"size": 9, "symbol": symbols[i % len(symbols)]},
                line={"color": PALETTE[i % len(PALETTE)]},
                name=name,
                customdata=np.stack([lows, highs], axis=1),
                hovertemplate="%{y:.1%}, interval %{customdata[0]:.1%} to %{customdata[1]:.1%}"
                "<extra>" + name + "</extra>",
                visible=number == 0,
            )
    fig.update_xaxes(
        title=x_title,
        tickvals=list(range(len(ticks))),
        ticktext=list(ticks),
        tickangle=0,
        range=[-0.4, len(ticks) - 0.6],
        zeroline=False,
    )
    fig.update_yaxes(title=y_title, range=[-0.02, 1.05], tickformat=".0%")
    if len(views) == 1:
        return fig
    owners = [number for number, series in enumerate(views.values()) for _ in series]
    buttons = [
        {
            "label": label,
            "method": "update",
            "args": [{"visible": [owner == number for owner in owners]}],
        }
        for number, label in enumerate(views)
    ]
    menu = {"type": "buttons", "direction": "right", "x": 1, "xanchor": "right"}
    return fig.update_layout(
        updatemenus=[{**menu, "y": 1.02, "yanchor": "bottom", "buttons": buttons}]
    )


def _points(points: np.ndarray) -> dict[str, list[float | None]]:
    """Coordinates rounded to what a screen can show; of no point, a gap that keeps its legend."""
    x, y = np.round(points.astype(float), 3).T.tolist()
    return {"x": x or [None], "y": y or [None]}


def _side(points: np.ndarray, row: int) -> str:
    """Where a point's label goes so that those of close points do not cover it."""
    x, y = (points - points[row]).T
    close = (np.abs(x) < 0.15) & (np.abs(y) < 0.1)
    above = close & ((y > 0) | ((y == 0) & (np.arange(len(points)) < row)))
    below = close & ~above
    below[row] = False
    if not above.any():
        return "top center"
    return "middle right" if below.any() else "bottom center"


def _hover(head: str, text: str) -> str:
    """A bold head and a text in lines that fit a phone."""
    return f"<b>{escape(head, quote=False)}</b><br>{_wrapped(escape(text, quote=False), 38)}"


def cache_work(traces: dict[str, list[tuple[int, int]]]) -> go.Figure:
    """Which positions each step computes and which it reads from the cache; buttons per trace.

    Args:
        traces: ``{button: [(computed, cached) positions of step 1, …]}``.
    """
    width = max(new + old for steps in traces.values() for new, old in steps)
    fig = go.Figure()
    for number, steps in enumerate(traces.values()):
        rows = [[1] * old + [2] * new + [0] * (width - old - new) for new, old in steps]
        words = {0: "not there yet", 1: "read from the cache", 2: "computed"}
        fig.add_heatmap(
            z=rows,
            x=[str(position + 1) for position in range(width)],
            y=[f"v{step + 1}" for step in range(len(steps))],
            text=[[words[cell] for cell in row] for row in rows],
            hovertemplate="position %{x} in the step of %{y}: %{text}<extra></extra>",
            colorscale=[[0, "rgba(138,143,152,0.12)"], [0.5, SKY], [1, VERMILION]],
            zmin=0,
            zmax=2,
            xgap=2,
            ygap=2,
            showscale=False,
            visible=number == 0,
        )
    buttons = [
        {
            "label": f"{name}: {sum(new for new, _ in steps)} computed",
            "method": "update",
            "args": [{"visible": [i == number for i in range(len(traces))]}],
        }
        for number, (name, steps) in enumerate(traces.items())
    ]
    fig.update_xaxes(title="position in the sequence", type="category", showgrid=False, dtick=2)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    menu = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.05}
    return fig.update_layout(
        height=360,
        margin={"t": 80},
        updatemenus=[{**menu, "yanchor": "bottom", "buttons": buttons}],
    )


def cost_lines(lengths: Sequence[int], times: dict[str, Sequence[float]]) -> go.Figure:
    """Milliseconds against the length of the prefix, one line per way of generating."""
    fig = go.Figure()
    for (name, milliseconds), dash in zip(times.items(), ("solid", "dash", "dot"), strict=False):
        fig.add_scatter(
            x=list(lengths),
            y=list(milliseconds),
            name=name,
            mode="lines+markers",
            line={"dash": dash},
            hovertemplate="%{x} tokens: %{y:.1f} ms<extra>" + name + "</extra>",
        )
    fig.update_xaxes(title="tokens in the prefix", type="log", tickvals=list(lengths))
    return fig.update_yaxes(title="milliseconds a batch", rangemode="tozero")


def who_finds_what(
    words: Sequence[str],
    cosines: Sequence[Sequence[Sequence[float]]],
    ranks: Sequence[Sequence[Sequence[int]]],
    definitions: Sequence[Sequence[str]],
    rows: Sequence[str],
    k: int,
) -> go.Figure:
    """Cosine of every vector with every definition of a word; a menu of words.

    Args:
        words: W of them.
        cosines: (W, R, n) for the R vectors named in ``rows`` and a word's n definitions.
        ranks: (W, R, n) rank of the definition in that vector's own list, from 1.
        definitions: (W, n) texts.
        rows: names of the vectors, top to bottom.
        k: ranks up to k are printed in full, greater ones as "> k".
    """
    fig = go.Figure()
    for number, texts in enumerate(definitions):
        labels = [_wrapped(text, 34) for text in texts]
        fig.add_heatmap(
            z=list(zip(*cosines[number], strict=True)),
            x=list(rows),
            y=labels,
            text=[
                [f"{rank}" if rank <= k else f">{k}" for rank in by_vector]
                for by_vector in zip(*ranks[number], strict=True)
            ],
            texttemplate="%{text}",
            hovertemplate="%{x}: cosine %{z:.2f}, rank %{text}<br>%{y}<extra></extra>",
            colorscale="Cividis",
            zmin=0,
            zmax=0.8,
            xgap=2,
            ygap=2,
            colorbar={"title": "cosine", "thickness": 12},
            visible=number == 0,
        )
    buttons = [
        {
            "label": word,
            "method": "update",
            "args": [{"visible": [i == number for i in range(len(words))]}],
        }
        for number, word in enumerate(words)
    ]
    fig.update_xaxes(side="top", showgrid=False, tickangle=0)
    fig.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 12})
    menu = {"x": 0, "xanchor": "left", "y": 1.16, "yanchor": "bottom", "buttons": buttons}
    return fig.update_layout(height=520, margin={"t": 120, "r": 8}, updatemenus=[menu])


def seed_dots(values: dict[str, Sequence[float]], baseline: str, title: str) -> go.Figure:
    """One dot per seed and model, and a line at the baseline's mean."""
    fig = go.Figure()
    for name, points in values.items():
        fig.add_scatter(
            x=list(points),
            y=[name] * len(points),
            mode="markers",
            marker={"size": 11, "opacity": 0.75},
            name=name,
            hovertemplate="%{x:.1f}<extra>" + name + "</extra>",
        )
    mean = sum(values[baseline]) / len(values[baseline])
    fig.add_vline(x=mean, line={"dash": "dash", "color": GREY})
    fig.update_xaxes(title=title)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig.update_layout(showlegend=False, height=110 + 45 * len(values))


def _wrapped(text: str, width: int) -> str:
    """``text`` broken into lines for a label."""
    return "<br>".join(wrap(text, width))
