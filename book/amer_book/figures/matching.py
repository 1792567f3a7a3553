"""Figures of vectors that learn: which gold each is matched with, and where they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import GREY, PALETTE, choice


def assignment(shares: np.ndarray, golds: Sequence[str], steps: Sequence[int]) -> go.Figure:
    """How often each vector is matched with each gold, as training proceeds: a slider of steps.

    Args:
        shares: (T, m, n) in [0, 1], at each of T steps.
        golds: n names.
        steps: T numbers of training steps.
    """
    fig = go.Figure()
    fig.add_heatmap(
        z=np.round(shares[0], 2).tolist(),
        x=list(golds),
        y=[f"v{i + 1}" for i in range(shares.shape[1])],
        zmin=0,
        zmax=1,
        texttemplate="%{z:.0%}",
        colorscale="Cividis",
        colorbar={"thickness": 12, "tickformat": ".0%"},
        xgap=2,
        ygap=2,
        hovertemplate="%{y} answers for %{x} in %{z:.0%} of the queries<extra></extra>",
    )
    fig.update_xaxes(title="gold", side="top", showgrid=False)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    changes = [{"z": [np.round(share, 2).tolist()]} for share in shares]
    fig.update_layout(sliders=[_slider(steps, changes, [0])])
    return fig.update_layout(height=460, margin={"t": 70})


def trails(
    golds: np.ndarray,
    views: Mapping[str, np.ndarray],
    steps: Sequence[int],
    *,
    reach: float,
    names: Sequence[str] = (),
    kind: Literal["dropdown", "buttons"] = "buttons",
) -> go.Figure:
    """Vectors moving towards golds in a plane; the reader chooses who moves, and the step.

    Args:
        golds: (n, 2).
        views: per button, positions (T, m, 2) of m vectors at T steps.
        steps: T numbers of training steps.
        reach: half the width of the plane that is drawn.
        names: n labels that stand beside the golds, if any.
        kind: buttons for a few views, a menu for many; a slider has the steps.
    """
    fig = go.Figure()
    fig.add_scatter(
        x=golds[:, 0].tolist(),
        y=golds[:, 1].tolist(),
        mode="markers+text" if names else "markers",
        name="gold",
        text=list(names) or None,
        textposition="bottom center",
        marker={"size": 17, "symbol": "diamond-open", "color": GREY, "line": {"width": 3}},
        hovertemplate="a gold<extra></extra>",
    )
    for path in views.values():
        for i in range(path.shape[1]):
            fig.add_scatter(
                **_path(path, i, len(path) - 1),
                mode="lines+markers",
                name=f"v{i + 1}",
                line={"color": PALETTE[i], "width": 1.5},
                marker={"color": PALETTE[i], "size": [3] * (len(path) - 1) + [13]},
                hovertemplate=f"v{i + 1}<extra></extra>",
            )
    owners = [-1] + [
        number for number, path in enumerate(views.values()) for _ in range(path.shape[1])
    ]
    choice(fig, list(views), owners, kind=kind, y=1.2)
    for button in fig.layout.updatemenus[0].buttons:
        button.args[0]["visible"][0] = True
    fig.data[0].visible = True
    changes: list[dict[str, Any]] = []
    for place in range(len(steps)):
        parts = [_path(path, i, place) for path in views.values() for i in range(path.shape[1])]
        changes.append(
            {
                "x": [part["x"] for part in parts],
                "y": [part["y"] for part in parts],
                "marker.size": [[3] * place + [13]] * len(parts),
            }
        )
    slider = _slider(steps, changes, [*range(1, len(owners))])
    fig.update_layout(sliders=[slider | {"active": len(steps) - 1}])
    fig.update_xaxes(range=[-reach, reach], zeroline=False)
    fig.update_yaxes(range=[-reach, reach], zeroline=False, scaleanchor="x")
    return fig.update_layout(height=620, margin={"t": 130})


def _path(path: np.ndarray, vector: int, place: int) -> dict[str, list[float]]:
    x, y = np.round(path[: place + 1, vector], 3).T.tolist()
    return {"x": x, "y": y}


def _slider(steps: Sequence[int], changes: list[dict[str, Any]], traces: list[int]) -> dict:
    return {
        "steps": [
            {"label": str(step), "method": "restyle", "args": [change, traces]}
            for step, change in zip(steps, changes, strict=True)
        ],
        "currentvalue": {"prefix": "training step "},
        "x": 0.05,
        "len": 0.9,
        "pad": {"t": 40},
    }
