"""Gold sets on the sphere, and what one vector can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import BLUE, GREEN, GREY, ORANGE, VERMILION


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
    marker: dict[str, Any] = {"size": 2.5, "color": GREY}
    fig.add_scatter3d(
        **_xyz(corpus), mode="markers", name="corpus", marker=marker, hoverinfo="skip"
    )
    for n in sets:
        fig.add_scatter3d(
            mode="markers",
            name="golds: green found, red missed",
            marker={"size": 7, "symbol": "diamond"},
            hovertemplate=f"one of {n} golds<extra></extra>",
        )
        for name, width, colour in (("the one vector", 7, BLUE), ("edge of its top k", 5, ORANGE)):
            line = {"width": width, "color": colour}
            fig.add_scatter3d(mode="lines", name=name, line=line, hoverinfo="skip")
    states = [
        [{}, *(state for row in sets.values() for state in _state(row[place]))]
        for place in range(len(spreads))
    ]
    slider(fig, spreads, states, prefix="spread of the golds: ")
    fig.update_layout(margin={"l": 0, "r": 0, "b": 130})
    axis = {"visible": False, "range": [-1.05, 1.05]}
    fig.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis, aspectmode="cube")
    owners = [None, *(number for number in range(len(sets)) for _ in range(3))]
    return choice(fig, [f"{n} golds" for n in sets], owners, height=620)


def _state(cap: Cap) -> list[dict[str, Any]]:
    """Where the golds, the vector and the edge of its top k are."""
    found = [GREEN if found else VERMILION for found in cap.found]
    arrow = np.stack([np.zeros(3), cap.vector])
    return [_xyz(cap.golds) | {"marker.color": found}, _xyz(arrow), _xyz(_rim(cap))]


def _xyz(points: np.ndarray) -> dict[str, list[float]]:
    x, y, z = np.round(points, 3).T.tolist()
    return {"x": x, "y": y, "z": z}


def _rim(cap: Cap) -> np.ndarray:
    """The circle in which the cap meets the sphere, (49, 3)."""
    side = np.cross(cap.vector, np.eye(3)[np.abs(cap.vector).argmin()])
    side /= np.linalg.norm(side)
    turn = np.linspace(0, 2 * np.pi, 49)[:, None]
    across = np.cos(turn) * side + np.sin(turn) * np.cross(cap.vector, side)
    return np.cos(cap.angle) * cap.vector + np.sin(cap.angle) * across
