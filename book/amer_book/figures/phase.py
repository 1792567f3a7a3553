"""Figures of the phase diagram: where one vector suffices, where several win, what predicts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import CELLS, GREEN, GREY, PALETTE, PERCENT, SYMBOLS, VERMILION, plain


def phase_diagram(
    dims: Sequence[int],
    golds: Sequence[int],
    views: Mapping[str, np.ndarray],
    worlds: Sequence[str],
    boundaries: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
) -> go.Figure:
    """Percentages by dimension and number of golds; a menu of views, a slider of kinds of world.

    Args:
        dims, golds: X columns and Y rows, on logarithmic axes.
        views: per view, percentages (W, Y, X) in W kinds of world.
        worlds: W labels of the slider.
        boundaries: per name, a curve (dimension, golds) for each kind of world, over every view.
    """
    fig = go.Figure()
    for name in views:
        fig.add_heatmap(
            name=plain(name),
            zmin=0,
            zmax=100,
            texttemplate="%{z:.0f}",
            colorscale="Cividis",
            hovertemplate=f"{plain(name)}: %{{z:.1f}} %<extra></extra>",
            **CELLS,
        )
    for name, colour, dash in zip(boundaries, (VERMILION, GREEN), ("solid", "dash"), strict=False):
        line = {"color": colour, "width": 4, "dash": dash}
        fig.add_scatter(
            mode="lines", name=plain(name), line=line, hoverinfo="skip", showlegend=True
        )
    cells = {"x": list(dims), "y": list(golds)}
    states = [
        [cells | {"z": np.round(values[world], 1).tolist()} for values in views.values()]
        + [
            dict(zip("xy", np.transpose(curves[world]).tolist(), strict=True))
            for curves in boundaries.values()
        ]
        for world in range(len(worlds))
    ]
    slider(fig, worlds, states)
    fig.update_xaxes(title="dimension", **_logarithmic(dims))
    fig.update_yaxes(title="golds", **_logarithmic(golds))
    return choice(fig, list(views), [*range(len(views)), *[None] * len(boundaries)], height=600)


def predictions(
    predictors: Mapping[str, Sequence[float]],
    groups: Mapping[str, Sequence[int]],
    measured: Sequence[float],
    thresholds: Mapping[str, Sequence[float]],
    texts: Sequence[str],
) -> go.Figure:
    """What was measured against what was predicted, a point a world; buttons choose the predictor.

    Args:
        predictors: per predictor, a value for each world.
        groups: per name, the worlds that share a colour and a symbol.
        measured: percentage of each world.
        thresholds: per predictor, where dotted lines are drawn.
        texts: what each world is.
    """
    fig = go.Figure()
    owners = []
    for number, (predictor, values) in enumerate(predictors.items()):
        for place, (group, members) in enumerate(groups.items()):
            fig.add_scatter(
                x=[round(values[world], 4) for world in members],
                y=[measured[world] for world in members],
                mode="markers",
                name=plain(group),
                marker={"size": 10, "symbol": SYMBOLS[place], "color": PALETTE[place]},
                customdata=[plain(texts[world]) for world in members],
                hovertemplate="%{customdata}<br>%{x:.2f} → %{y:.1f} %<extra></extra>",
            )
            owners.append(number)
        for limit in thresholds[predictor]:
            line = {"color": GREY, "dash": "dot", "width": 2.5}
            ends = {"x": [limit, limit], "y": [-4, 104]}
            fig.add_scatter(mode="lines", line=line, hoverinfo="x", showlegend=False, **ends)
            owners.append(number)
    marks = [0.1, 0.2, 0.5, 1, 2, 5]
    fig.update_xaxes(type="log", title="predictor, logarithmic", tickvals=marks, ticktext=marks)
    fig.update_yaxes(title="MRecall, %", **PERCENT)
    return choice(fig, list(predictors), owners, height=500)


def _logarithmic(ticks: Sequence[int]) -> dict[str, Any]:
    """An axis that ends half a cell beyond its outermost ticks."""
    known = np.log10(ticks)
    low, high = known[0] - (known[1] - known[0]) / 2, known[-1] + (known[-1] - known[-2]) / 2
    shown = {"type": "log", "tickvals": list(ticks), "ticktext": [str(tick) for tick in ticks]}
    return shown | {"range": [low, high], "showgrid": False, "zeroline": False}
