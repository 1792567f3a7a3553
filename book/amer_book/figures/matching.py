"""Figures of vectors that learn: which gold each is matched with, and where they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import CELLS, GREY, PALETTE, plain

_STEP = "training step "


def assignment(shares: np.ndarray, golds: Sequence[str], steps: Sequence[int]) -> go.Figure:
    """How often each vector is matched with each gold, as training proceeds: a slider of steps.

    Args:
        shares: (T, m, n) in [0, 1], at each of T steps.
        golds: n names.
        steps: T numbers of training steps.
    """
    fig = go.Figure()
    fig.add_heatmap(
        x=[*map(plain, golds)],
        y=[f"v{i + 1}" for i in range(shares.shape[1])],
        zmin=0,
        zmax=1,
        texttemplate="%{z:.0%}",
        colorscale="Cividis",
        hovertemplate="%{y} answers for %{x} in %{z:.0%} of the queries<extra></extra>",
        **CELLS,
    )
    fig.update_xaxes(title="gold", side="top", showgrid=False)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    states = [[{"z": np.round(share, 2).tolist()}] for share in shares]
    slider(fig, steps, states, prefix=_STEP, active=len(steps) - 1)
    return fig.update_layout(height=460, margin={"t": 70})


def trails(
    golds: np.ndarray,
    views: Mapping[str, np.ndarray],
    steps: Sequence[int],
    *,
    reach: float,
    names: Sequence[str] = (),
) -> go.Figure:
    """Vectors moving towards golds in a plane; the reader chooses who moves, and the step.

    Args:
        golds: (n, 2).
        views: per choice, positions (T, m, 2) of m vectors at T steps.
        steps: T numbers of training steps.
        reach: half the width of the plane that is drawn.
        names: n labels that stand beside the golds, if any.
    """
    fig = go.Figure()
    fig.add_scatter(
        x=golds[:, 0].tolist(),
        y=golds[:, 1].tolist(),
        mode="markers+text" if names else "markers",
        name="gold",
        text=[*map(plain, names)] or None,
        textposition="bottom center",
        marker={"size": 17, "symbol": "diamond-open", "color": GREY, "line": {"width": 3}},
        hovertemplate="a gold<extra></extra>",
    )
    owners: list[int | None] = [None]
    for number, path in enumerate(views.values()):
        for i in range(path.shape[1]):
            fig.add_scatter(
                mode="lines+markers",
                name=f"v{i + 1}",
                line={"color": PALETTE[i], "width": 1.5},
                marker={"color": PALETTE[i]},
                hovertemplate=f"v{i + 1}<extra></extra>",
            )
            owners.append(number)
    states = [
        [{}, *(_trail(path[: t + 1, i]) for path in views.values() for i in range(path.shape[1]))]
        for t in range(len(steps))
    ]
    slider(fig, steps, states, prefix=_STEP, active=len(steps) - 1)
    fig.update_xaxes(range=[-reach, reach], zeroline=False)
    fig.update_yaxes(range=[-reach, reach], zeroline=False, scaleanchor="x")
    return choice(fig, list(views), owners, height=620)


def _trail(points: np.ndarray) -> dict[str, list[float]]:
    """The way (t, 2) that a vector has come, its end larger than the rest."""
    x, y = np.round(points, 3).T.tolist()
    return {"x": x, "y": y, "marker.size": [3] * (len(x) - 1) + [13]}
