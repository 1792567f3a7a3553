"""Figures about one search with one vector (chapter 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import GREEN, GREY, ORANGE, PALETTE, SKY, VERMILION, choice, wrapped


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
    for query, plane in planes.items():
        ranks = np.asarray(plane.ranks)
        found = ranks <= k
        top = np.concatenate([plane.neighbours, plane.golds[found]])
        heights = np.concatenate([top, plane.golds, plane.background])[:, 1]
        low, high = float(heights.min()) - 0.08, float(heights.max()) + 0.12
        seen = {"hovertemplate": "%{customdata}<extra></extra>"}
        fig.add_scatter(
            **_points(plane.background),
            mode="markers",
            marker={"size": 4, "color": GREY, "opacity": 0.45},
            name="other",
            hoverinfo="skip",
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
    fig.update_xaxes(title="score v · d", range=[-0.22, 1.12], dtick=0.2)
    fig.update_yaxes(title=y_title, tickformat=".1f", zeroline=False)
    choice(fig, list(planes), [i // per_query for i in range(len(fig.data))])
    return fig.update_layout(
        height=580, margin={"t": 110}, legend={"y": 1.13, "font": {"size": 13}}
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
    for series in views.values():
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
    if len(views) > 1:
        owners = [number for number, series in enumerate(views.values()) for _ in series]
        choice(fig, list(views), owners, kind="buttons", x=1, xanchor="right")
    return fig


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
    return f"<b>{escape(head, quote=False)}</b><br>{wrapped(escape(text, quote=False), 38)}"
