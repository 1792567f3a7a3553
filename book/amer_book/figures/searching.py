"""Figures about one search with one vector (chapter 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice
from amer_book.figures.page import GREEN, GREY, ORANGE, SKY, VERMILION, plain, wrapped


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
        grey = {"size": 4, "color": GREY, "opacity": 0.45}
        _add(fig, plane.background, "other", grey, hoverinfo="skip")
        ends = {"x": [top[:, 0].min()] * 2, "y": [heights.min() - 0.08, heights.max() + 0.12]}
        label = {"text": ["", f"top {k} →"], "textposition": "middle right"}
        dashed = {"dash": "dash", "color": GREY, "width": 1.5}
        edge = {"mode": "lines+text", "line": dashed, "hoverinfo": "skip", "showlegend": False}
        fig.add_scatter(**ends, **label, **edge)
        open_disc = {"size": 10, "symbol": "circle-open", "color": SKY, "line": {"width": 2}}
        near = zip(plane.neighbours[:, 0], plane.neighbour_texts, strict=True)
        hover = [_hover(f"score {score:.2f}, no sense of “{query}”", text) for score, text in near]
        _add(fig, plane.neighbours, f"top {k}, wrong", open_disc, customdata=hover)
        kinds = (("sense found", found, "circle", GREEN), ("sense missed", ~found, "x", VERMILION))
        for name, chosen, symbol, colour in kinds:
            rows = np.flatnonzero(chosen).tolist()
            heads = [f"rank {ranks[row]:,}, score {plane.golds[row, 0]:.2f}" for row in rows]
            marker = {"size": 12, "symbol": symbol, "color": colour}
            hover = [_hover(heads[i], plane.gold_texts[row]) for i, row in enumerate(rows)]
            text = [f"{ranks[row]:,}" for row in rows]
            sides = [_side(plane.golds, row) for row in rows]
            said = {"customdata": hover, "text": text, "textposition": sides}
            _add(fig, plane.golds[rows], name, marker, **said)
        star = {"size": 17, "symbol": "star", "color": ORANGE}
        here = {"customdata": [_hover("the query vector", query)], "textposition": "bottom center"}
        _add(fig, np.array([[1, 0]]), "query", star, text=["query"], showlegend=False, **here)
    fig.update_xaxes(title="score v · d", range=[-0.22, 1.12], dtick=0.2)
    fig.update_yaxes(title=plain(y_title), tickformat=".1f", zeroline=False)
    fig.update_layout(legend_font_size=13)
    per_query = len(fig.data) // len(planes)
    return choice(fig, list(planes), [i // per_query for i in range(len(fig.data))], height=580)


def _add(
    fig: go.Figure, points: np.ndarray, name: str, marker: dict[str, Any], **look: Any
) -> None:
    """Marks at points (r, 2), rounded to what a screen shows; none leaves a place in the legend."""
    x, y = np.round(points.astype(float), 3).T.tolist()
    look = {"mode": "markers+text", "hovertemplate": "%{customdata}<extra></extra>"} | look
    fig.add_scatter(x=x or [None], y=y or [None], name=name, marker=marker, **look)


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
    return f"<b>{wrapped(head, 55)}</b><br>{wrapped(text, 38)}"
