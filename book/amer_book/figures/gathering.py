"""Documents that move: gold sets on a circle while both sides are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import GREY, PALETTE


class Gathering(NamedTuple):
    """One training on the circle.

    Attributes:
        documents: (T, N, 2) at T steps; ``queries``: (T, Q, 2).
        sets: the rows of each query's golds.
    """

    documents: np.ndarray
    queries: np.ndarray
    sets: Sequence[Sequence[int]]


def gathering(views: Mapping[str, Gathering], steps: Sequence[int]) -> go.Figure:
    """Each query's vector and its golds in one colour; the reader chooses who moves, and the step.

    A document of two queries is drawn twice, the later one smaller.
    """
    fig = go.Figure()
    owners: list[int | None] = []
    for number, view in enumerate(views.values()):
        for q in range(len(view.sets)):
            look = {"size": 22 - 6 * q, "color": PALETTE[q], "opacity": 0.85}
            star = {"size": 17, "symbol": "star", "color": PALETTE[q], "line": {"width": 1}}
            for name, marker in ((f"golds of query {q + 1}", look), (f"vector {q + 1}", star)):
                fig.add_scatter(mode="markers", name=name, marker=marker, hoverinfo="name")
                owners.append(number)
    states = [
        [
            {"x": x, "y": y}
            for view in views.values()
            for q, golds in enumerate(view.sets)
            for x, y in (
                np.round(view.documents[t, list(golds)], 3).T.tolist(),
                np.round(0.82 * view.queries[t, [q]], 3).T.tolist(),
            )
        ]
        for t in range(len(steps))
    ]
    slider(fig, steps, states, prefix="training step ", active=len(steps) - 1)
    ring = {"x0": -1, "y0": -1, "x1": 1, "y1": 1, "line": {"color": GREY, "width": 1}}
    fig.add_shape(type="circle", layer="below", **ring)
    axis = {"range": [-1.25, 1.25], "showgrid": False, "zeroline": False, "showticklabels": False}
    fig.update_xaxes(**axis)
    fig.update_yaxes(scaleanchor="x", **axis)
    choice(fig, list(views), owners, height=640)
    return fig.update_layout(showlegend=False)
