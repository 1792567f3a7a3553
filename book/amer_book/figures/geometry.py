"""Gold sets on the sphere, and what one vector can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION

_TURN = np.linspace(0, 2 * np.pi, 49)
_RINGS = 12  # of the mesh that shades a cap


class Cap(NamedTuple):
    """One gold set in three dimensions, the vector that stands for it, and what the vector finds.

    Attributes:
        golds: (n, 3) unit vectors.
        found: (n,) bool, whether the gold is in the vector's top k.
        vector: (3,) unit vector.
        reach: angle of the cap that holds the top k, in radians.
        needed: angle of the cap that holds all golds, in radians.
        inside: documents in the cap that holds all golds, the golds among them.
    """

    golds: np.ndarray
    found: np.ndarray
    vector: np.ndarray
    reach: float
    needed: float
    inside: int


def caps(
    corpus: np.ndarray, sets: Mapping[str, Sequence[Cap]], spreads: Sequence[str]
) -> go.Figure:
    """Golds on the sphere, a vector, the cap that it needs and the one that its top k reaches.

    Args:
        corpus: (N, 3) unit vectors of the other documents.
        sets: per choice of a menu, one set for each spread.
        spreads: labels of the slider.
    """
    fig = go.Figure()
    marker: dict[str, Any] = {"size": 3, "color": GREY}
    fig.add_scatter3d(
        **_xyz(corpus), mode="markers", name="documents", marker=marker, showlegend=False
    )
    for _ in sets:
        fig.add_scatter3d(mode="markers", marker={"size": 9, "symbol": "diamond"})
        for width, colour in ((8, BLUE), (7, ORANGE)):
            line = {"width": width, "color": colour}
            fig.add_scatter3d(mode="lines", line=line, showlegend=colour == ORANGE)
        flat = {"ambient": 1, "diffuse": 0, "specular": 0}
        fig.add_mesh3d(**_corners(), color=SKY, opacity=0.35, lighting=flat, showlegend=True)
    states = [
        [{}, *(state for row in sets.values() for state in _state(row[place]))]
        for place in range(len(spreads))
    ]
    slider(fig, spreads, states, prefix="spread of the golds: ", active=len(spreads) // 3)
    fig.update_traces(hoverinfo="skip")
    fig.update_layout(margin={"l": 0, "r": 0, "b": 90})
    axis = {"visible": False, "range": [-1.06, 1.06]}
    # From close by, so that the sphere fills the plot.
    eye = {"x": 0.88, "y": 0.6, "z": 0.74}
    fig.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis, aspectmode="cube", camera={"eye": eye})
    fig.update_scenes(domain={"y": [0, 0.89]})  # the legend has three lines on a phone
    owners = [None, *(number for number in range(len(sets)) for _ in range(4))]
    choice(fig, list(sets), owners, height=760)
    return fig.update_layout(margin_t=52, legend={"y": 1, "yanchor": "top"})


def _state(cap: Cap) -> list[dict[str, Any]]:
    """Where the golds, the vector, the edge of its top k and the cap around all golds are."""
    found = [GREEN if found else VERMILION for found in cap.found]
    arrow = np.stack([np.zeros(3), cap.vector])
    disc = [_rim(cap.vector, angle)[:-1] for angle in np.linspace(0, cap.needed, _RINGS)]
    # Each layer a little above the one below it.
    return [
        _xyz(1.04 * cap.golds) | {"marker.color": found, "name": "golds: green found, red missed"},
        _xyz(arrow) | {"name": "the vector"},
        _xyz(1.02 * _rim(cap.vector, cap.reach)) | {"name": "reach of its list"},
        _xyz(1.01 * np.concatenate(disc))
        | {"name": f"cap around all golds: {cap.inside} documents"},
    ]


def _xyz(points: np.ndarray) -> dict[str, list[float]]:
    x, y, z = np.round(points, 3).T.tolist()
    return {"x": x, "y": y, "z": z}


def _rim(vector: np.ndarray, angle: float) -> np.ndarray:
    """The circle in which the cap of this angle ends, (49, 3); its last point is its first."""
    side = np.cross(vector, np.eye(3)[np.abs(vector).argmin()])
    side /= np.linalg.norm(side)
    across = np.outer(np.cos(_TURN), side) + np.outer(np.sin(_TURN), np.cross(vector, side))
    return np.cos(angle) * vector + np.sin(angle) * across


def _corners() -> dict[str, list[int]]:
    """Triangles between the rings of a shaded cap."""
    around = len(_TURN) - 1
    ring, place = np.divmod(np.arange((_RINGS - 1) * around), around)
    inner, beside = ring * around + place, ring * around + (place + 1) % around
    i, j = np.concatenate([inner, beside]), np.concatenate([inner + around, inner + around])
    k = np.concatenate([beside, beside + around])
    return {"i": i.tolist(), "j": j.tolist(), "k": k.tolist()}
