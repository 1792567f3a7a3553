"""Figures of the synthetic worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from amer_book.figures.page import BLUE, GREEN, GREY, ORANGE, VERMILION, choice

_SYMBOLS = ("circle", "square", "diamond")
_COLOURS = (BLUE, ORANGE, GREY, GREEN, VERMILION)


def world_scores(
    worlds: Sequence[str],
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    limits: Mapping[str, Mapping[str, Sequence[float]]],
) -> go.Figure:
    """MRecall of several models in several worlds; a menu chooses the metric.

    Args:
        worlds: names, one a row.
        scores: per metric, per model, one value in percent for each world: a point.
        limits: per metric, per oracle, one value for each world: an upright line.
    """
    fig = go.Figure()
    owners = []
    rows = list(range(len(worlds)))
    for number, (metric, models) in enumerate(scores.items()):
        middle = (len(models) - 1) / 2
        looks: list[tuple[str, Sequence[float], float, dict[str, Any]]] = [
            (model, values, 0.18 * (i - middle), {"size": 11, "symbol": _SYMBOLS[i]})
            for i, (model, values) in enumerate(models.items())
        ]
        looks += [
            (oracle, values, 0, {"size": 30, "symbol": "line-ns", "line": {"width": 3}})
            for oracle, values in limits[metric].items()
        ]
        for (model, values, shift, marker), colour in zip(looks, _COLOURS, strict=False):
            if "line" in marker:
                marker["line"]["color"] = colour
            fig.add_scatter(
                x=list(values),
                y=[row + shift for row in rows],
                mode="markers",
                name=model,
                marker=marker | {"color": colour},
                customdata=list(worlds),
                hovertemplate=f"%{{customdata}}<br>{metric}: %{{x:.1f}}<extra>{model}</extra>",
            )
            owners.append(number)
    # 104 pixels up: above the legend, four lines of it on a phone
    choice(fig, list(scores), owners, y=1 + 104 / (22 + 52 * len(worlds)))
    fig.update_xaxes(title="percent of queries with all golds", range=[-4, 104])
    fig.update_yaxes(
        tickvals=rows,
        ticktext=list(worlds),
        range=[len(worlds) - 0.5, -0.5],
        zeroline=False,
    )
    return fig.update_layout(height=220 + 52 * len(worlds), margin={"t": 150}, legend={"y": 1.02})


def gold_cosines(golds: Sequence[str], cosines: Mapping[str, Sequence[float]]) -> go.Figure:
    """How near each model's prediction comes to each gold: one group of bars a gold."""
    fig = go.Figure()
    for (model, values), colour in zip(cosines.items(), _COLOURS, strict=False):
        fig.add_bar(
            x=list(golds),
            y=list(values),
            name=model,
            marker_color=colour,
            hovertemplate="%{x}: %{y:.2f}<extra>" + model + "</extra>",
        )
    fig.update_yaxes(title="mean cosine with the gold", range=[0, 1])
    fig.update_xaxes(title="transformation that makes the gold")
    return fig.update_layout(barmode="group", height=380)
