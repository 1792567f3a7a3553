"""What lies around a query: distance from it is true, direction is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice
from amer_book.figures.page import GREY, PALETTE, SYMBOLS, VERMILION, plain, wrapped


class Mark(NamedTuple):
    """What lies somewhere: its place (x, y), what the pointer says of it, and its kind."""

    place: Sequence[float]
    text: str
    kind: str


def around(
    views: Mapping[str, Sequence[Mark]],
    kinds: Sequence[str],
    reach: Mapping[str, Mapping[str, float]],
) -> go.Figure:
    """A star in the middle for the query, and all marks around it; the reader chooses a query.

    Args:
        views: per query, its marks.
        kinds: of the marks, each with its symbol. The first is small and grey; one that starts
            with "missed" is the open twin of the kind before it.
        reach: per query, per name, the radius of a ring.
    """
    fig = go.Figure()
    owners: list[int | None] = []
    rings = []
    for number, (query, marks) in enumerate(views.items()):
        colour = 0
        for at, kind in enumerate(kinds):
            missed = kind.startswith("missed")
            colour += not missed and at > 0
            own = [mark for mark in marks if mark.kind == kind]
            look: dict[str, Any] = {"size": 14, "color": PALETTE[colour - 1]}
            look["symbol"] = SYMBOLS[colour - 1] + "-open" * missed
            look["line"] = {"width": 2, "color": PALETTE[colour - 1]}
            if not at:
                look = {"size": 5, "color": GREY}
            places = np.round(np.array([mark.place for mark in own]).reshape(-1, 2), 3)
            fig.add_scatter(
                x=places[:, 0],
                y=places[:, 1],
                mode="markers",
                name=plain(kind),
                marker=look,
                customdata=[wrapped(mark.text, 44) for mark in own],
                hovertemplate="%{customdata}<extra></extra>",
            )
            owners.append(number)
        star = {"size": 20, "symbol": "star", "color": VERMILION}
        hover = f"{plain(query)}<extra></extra>"
        fig.add_scatter(
            x=[0], y=[0], name="the word", mode="markers", marker=star, hovertemplate=hover
        )
        owners.append(number)
        rings.append(_rings(reach[query]))
    marks = [mark for some in views.values() for mark in some]
    span = 1.08 * max(float(np.linalg.norm(mark.place)) for mark in marks)
    axis = {"range": [-span, span], "showgrid": False, "zeroline": False, "showticklabels": False}
    fig.update_xaxes(**axis)
    fig.update_yaxes(scaleanchor="x", **axis)
    fig.update_layout(**rings[0])
    return choice(fig, list(views), owners, height=660, layouts=rings)


def _rings(reach: Mapping[str, float]) -> dict[str, Any]:
    """Shapes and annotations: a ring for each name, its label at its lower edge."""
    line = {"color": GREY, "width": 1, "dash": "dot"}
    shapes = [
        {"type": "circle", "x0": -r, "y0": -r, "x1": r, "y1": r, "line": line, "layer": "below"}
        for r in reach.values()
    ]
    labels = [
        {"x": 0, "y": -r, "text": plain(name), "showarrow": False, "yanchor": "top"}
        for name, r in reach.items()
    ]
    return {"shapes": shapes, "annotations": labels}
