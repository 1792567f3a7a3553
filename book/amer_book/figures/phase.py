"""Figures of the phase diagram: where one vector suffices, where several win, what predicts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import GREEN, GREY, PALETTE, VERMILION, choice

Curve = Sequence[tuple[float, float]]  # (dimension, golds)


def phase_diagram(
    dims: Sequence[int],
    golds: Sequence[int],
    views: Mapping[str, np.ndarray],
    worlds: Sequence[str],
    boundaries: Mapping[str, Sequence[Curve]],
) -> go.Figure:
    """Percentages by dimension and number of golds; a menu of views, a slider of kinds of world.

    Args:
        dims, golds: X columns and Y rows, evenly spaced on the figure.
        views: per view, percentages (W, Y, X) in W kinds of world.
        worlds: W labels of the slider.
        boundaries: per name, a curve for each kind of world, drawn over every view.
    """
    fig = go.Figure()
    for name, values in views.items():
        fig.add_heatmap(
            **_cells(values[0]),
            name=name,
            zmin=0,
            zmax=100,
            texttemplate="%{z:.0f}",
            colorscale="Cividis",
            showscale=False,  # the numbers are in the cells, and a phone is narrow
            xgap=2,
            ygap=2,
            hovertemplate=f"{name}: %{{z:.1f}} %<extra></extra>",
        )
    for (name, curves), colour, dash in zip(
        boundaries.items(), (VERMILION, GREEN), ("solid", "dash"), strict=False
    ):
        fig.add_scatter(
            **_line(curves[0], dims, golds),
            mode="lines",
            name=name,
            line={"color": colour, "width": 4, "dash": dash},
            hoverinfo="skip",
        )
    owners = [*range(len(views)), *[-1] * len(boundaries)]
    choice(fig, list(views), owners, y=1.16)
    for button in fig.layout.updatemenus[0].buttons:
        button.args[0]["visible"][len(views) :] = [True] * len(boundaries)
    for trace in fig.data[len(views) :]:
        trace.visible = True
    steps = []
    for number, world in enumerate(worlds):
        lines = [_line(curves[number], dims, golds) for curves in boundaries.values()]
        none = [None] * len(views)
        change: dict[str, Any] = {
            "z": [_cells(values[number])["z"] for values in views.values()] + [None] * len(lines),
            "x": none + [line["x"] for line in lines],
            "y": none + [line["y"] for line in lines],
        }
        # A null would wipe the heatmaps' own coordinates: they get the ones that they have.
        change["x"][: len(views)] = [list(range(len(dims)))] * len(views)
        change["y"][: len(views)] = [list(range(len(golds)))] * len(views)
        steps.append({"label": world, "method": "restyle", "args": [change]})
    fig.update_layout(sliders=[{"steps": steps, "x": 0.02, "len": 0.96, "pad": {"t": 40}}])
    for update, title, ticks in (
        (fig.update_xaxes, "dimension", dims),
        (fig.update_yaxes, "golds", golds),
    ):
        update(
            title=title,
            tickvals=list(range(len(ticks))),
            ticktext=[str(tick) for tick in ticks],
            range=[-0.5, len(ticks) - 0.5],
            showgrid=False,
            zeroline=False,
        )
    return fig.update_layout(height=620, margin={"t": 130})


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
    symbols = ("circle", "diamond", "square", "cross")
    for number, (predictor, values) in enumerate(predictors.items()):
        for place, (group, members) in enumerate(groups.items()):
            fig.add_scatter(
                x=[round(values[world], 4) for world in members],
                y=[measured[world] for world in members],
                mode="markers",
                name=group,
                marker={"size": 10, "symbol": symbols[place], "color": PALETTE[place]},
                customdata=[texts[world] for world in members],
                hovertemplate="%{customdata}<br>%{x:.2f} → %{y:.1f} %<extra></extra>",
            )
            owners.append(number)
        for limit in thresholds[predictor]:
            fig.add_scatter(
                x=[limit, limit],
                y=[-4, 104],
                mode="lines",
                line={"color": GREY, "dash": "dot", "width": 2.5},
                hovertemplate=f"{limit:.2f}<extra></extra>",
                showlegend=False,
            )
            owners.append(number)
    choice(fig, list(predictors), owners, kind="buttons", y=1.18)
    marks = [0.1, 0.2, 0.5, 1, 2, 5]
    fig.update_xaxes(type="log", title="predictor, logarithmic", tickvals=marks, ticktext=marks)
    fig.update_yaxes(title="MRecall, %", range=[-4, 104], zeroline=False)
    return fig.update_layout(height=500, margin={"t": 120})


def _cells(values: np.ndarray) -> dict[str, Any]:
    rows, columns = values.shape
    shown = {"x": list(range(columns)), "y": list(range(rows))}
    return shown | {"z": np.round(values, 1).tolist()}


def _line(curve: Curve, dims: Sequence[int], golds: Sequence[int]) -> dict[str, list[float]]:
    """The curve in places of columns and rows, logarithmic between them and half a cell beyond."""
    x, y = np.array(curve, float).T
    return {"x": _places(x, dims), "y": _places(y, golds)}


def _places(values: np.ndarray, ticks: Sequence[int]) -> list[float]:
    known = np.log(ticks)
    first, last = known[1] - known[0], known[-1] - known[-2]
    known = np.concatenate([[known[0] - first / 2], known, [known[-1] + last / 2]])
    place = np.concatenate([[-0.5], np.arange(len(ticks)), [len(ticks) - 0.5]])
    return np.round(np.interp(np.log(values), known, place), 3).tolist()
