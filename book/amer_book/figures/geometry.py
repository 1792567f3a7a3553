"""Figures of gold sets on the sphere and of what one vector can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import BLUE, GREEN, GREY, ORANGE, VERMILION, choice


class Cap(NamedTuple):
    """One gold set in three dimensions, the vector that stands for it, and what the vector finds.

    Attributes:
        golds: (n, 3) unit vectors.
        found: (n,) bool, whether the gold is in the vector's top k.
        vector: (3,) unit vector.
        angle: of the cap that holds the top k, in radians.
    """

    golds: np.ndarray
    found: np.ndarray
    vector: np.ndarray
    angle: float


def caps(
    corpus: np.ndarray, sets: Mapping[int, Sequence[Cap]], spreads: Sequence[str]
) -> go.Figure:
    """Golds on the sphere, one vector and its cap; buttons choose n, a slider the spread.

    Args:
        corpus: (N, 3) unit vectors of the other documents.
        sets: per number of golds, one set for each spread.
        spreads: labels of the slider.
    """
    fig = go.Figure()
    fig.add_scatter3d(
        **_xyz(corpus),
        mode="markers",
        name="corpus",
        marker={"size": 2.5, "color": GREY},
        hoverinfo="skip",
    )
    for n, row in sets.items():
        first = row[0]
        fig.add_scatter3d(
            **_xyz(first.golds),
            mode="markers",
            name="golds: green found, red missed",
            marker={"size": 7, "symbol": "diamond", "color": _found(first)},
            hovertemplate=f"one of {n} golds<extra></extra>",
        )
        fig.add_scatter3d(
            **_xyz(np.stack([np.zeros(3), first.vector])),
            mode="lines",
            name="the one vector",
            line={"width": 7, "color": BLUE},
            hoverinfo="skip",
        )
        fig.add_scatter3d(
            **_xyz(_rim(first)),
            mode="lines",
            name="edge of its top k",
            line={"width": 5, "color": ORANGE},
            hoverinfo="skip",
        )
    owners = [-1] + [number for number in range(len(sets)) for _ in range(3)]
    choice(fig, [f"{n} golds" for n in sets], owners, kind="buttons", y=1.28)
    for button in fig.layout.updatemenus[0].buttons:
        button.args[0]["visible"][0] = True
    fig.data[0].visible = True
    steps = []
    for place, label in enumerate(spreads):
        points: list[np.ndarray] = []
        for row in sets.values():
            cap = row[place]
            points += [cap.golds, np.stack([np.zeros(3), cap.vector]), _rim(cap)]
        change: dict[str, Any] = {
            axis: [part[axis] for part in map(_xyz, points)] for axis in ("x", "y", "z")
        }
        colours: list[Any] = []
        for row in sets.values():
            colours += [_found(row[place]), None, None]
        change["marker.color"] = colours
        steps.append(
            {"label": label, "method": "restyle", "args": [change, [*range(1, len(owners))]]}
        )
    fig.update_layout(
        sliders=[
            {
                "steps": steps,
                "currentvalue": {"prefix": "spread of the golds: "},
                "x": 0.05,
                "len": 0.9,
            }
        ],
        height=600,
        margin={"l": 0, "r": 0, "t": 160, "b": 0},
        legend={"y": 1.0},  # four lines of it on a phone, below the buttons
    )
    axis = {"visible": False, "range": [-1.05, 1.05]}
    return fig.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis, aspectmode="cube")


def oracle_lines(
    counts: Sequence[int], values: Mapping[str, Mapping[str, Sequence[float]]]
) -> go.Figure:
    """MRecall of each oracle by number of golds; a menu chooses the space.

    Args:
        counts: numbers of golds.
        values: per space, per oracle, one percentage for each number.
    """
    fig = go.Figure()
    owners = []
    looks = zip((VERMILION, BLUE, GREEN), ("circle", "square", "diamond"), strict=True)
    styles = list(looks)
    for number, oracles in enumerate(values.values()):
        for (name, line), (colour, symbol) in zip(oracles.items(), styles, strict=False):
            fig.add_scatter(
                x=list(counts),
                y=list(line),
                name=name,
                mode="lines+markers",
                marker={"size": 10, "symbol": symbol},
                line={"color": colour},
                hovertemplate="%{x} golds: %{y:.1f}<extra>" + name + "</extra>",
            )
            owners.append(number)
    choice(fig, list(values), owners, y=1.28)
    fig.update_xaxes(title="golds of the word", tickvals=list(counts))
    fig.update_yaxes(title="MRecall@10, %", range=[-3, 104])
    return fig.update_layout(height=500, margin={"t": 140})


def boundary(
    dims: Sequence[int],
    counts: Sequence[int],
    measured: np.ndarray,
    predicted: Sequence[float],
) -> go.Figure:
    """How often the centroid finds all golds, and the predicted number that it can hold.

    Args:
        dims: dimensions, the columns.
        counts: numbers of golds, the rows.
        measured: (rows, columns) percentages.
        predicted: for each dimension, the number of golds at the boundary.
    """
    fig = go.Figure()
    columns = [str(dim) for dim in dims]
    fig.add_heatmap(
        x=columns,
        y=list(counts),
        z=np.round(measured, 1).tolist(),
        colorscale="Cividis",
        colorbar={"title": "%", "thickness": 12},
        hovertemplate="%{x} dimensions, %{y} golds: %{z:.0f} %<extra></extra>",
    )
    fig.add_scatter(
        x=columns,
        y=[min(value, max(counts) + 0.5) for value in predicted],
        mode="lines+markers",
        name="predicted boundary",
        line={"color": VERMILION, "width": 4},
        hovertemplate="%{x} dimensions: up to %{customdata:.1f} golds<extra></extra>",
        customdata=list(predicted),
    )
    fig.update_xaxes(title="dimension", type="category")
    fig.update_yaxes(title="golds", range=[min(counts) - 0.5, max(counts) + 0.5])
    return fig


def _xyz(points: np.ndarray) -> dict[str, list[float]]:
    x, y, z = np.round(points, 3).T.tolist()
    return {"x": x, "y": y, "z": z}


def _found(cap: Cap) -> list[str]:
    return [GREEN if found else VERMILION for found in cap.found]


def _rim(cap: Cap) -> np.ndarray:
    """The circle in which the cap meets the sphere, (49, 3)."""
    side = np.cross(cap.vector, np.eye(3)[np.abs(cap.vector).argmin()])
    side /= np.linalg.norm(side)
    turn = np.linspace(0, 2 * np.pi, 49)[:, None]
    across = np.cos(turn) * side + np.sin(turn) * np.cross(cap.vector, side)
    return np.cos(cap.angle) * cap.vector + np.sin(cap.angle) * across
