"""Figures of what a query costs: its bill, recall against time, and the bill of other corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import PALETTE, SYMBOLS, plain

_SHAPES = ("", "/", "x", ".")  # of the parts of a bill


def bill(
    views: Mapping[str, Mapping[str, Sequence[float]]], many: Sequence[int], unit: str
) -> go.Figure:
    """Stacked bars: what each part of a query costs, a bar for each number of vectors.

    Args:
        views: per view, per part, its cost for each of ``many``; the same parts in every view.
        many: numbers of vectors.
        unit: of the cost, the y axis' title.
    """
    fig, owners = go.Figure(), []
    pattern = {"fillmode": "overlay", "fgopacity": 0.5}
    for number, parts in enumerate(views.values()):
        for place, (part, costs) in enumerate(parts.items()):
            fig.add_bar(
                x=[str(m) for m in many],
                y=[float(f"{cost:.4g}") for cost in costs],
                name=plain(part),
                marker={"color": PALETTE[place], "pattern": pattern | {"shape": _SHAPES[place]}},
                hovertemplate=f"%{{x}} vectors: %{{y:.3~g}}<extra>{plain(part)}</extra>",
            )
            owners.append(number)
    fig.update_layout(barmode="stack", showlegend=True)
    fig.update_xaxes(title="vectors a query", type="category").update_yaxes(title=plain(unit))
    return choice(fig, list(views), owners, height=480)


def tradeoff(
    views: Mapping[str, Mapping[str, Sequence[tuple[float, float, str]]]], x_title: str
) -> go.Figure:
    """Recall against time, a line for each index and a mark for each of its settings.

    Args:
        views: per view, per index, points (time, recall in percent, setting); the same indexes in
            every view.
        x_title: of the logarithmic axis of time.
    """
    fig, owners = go.Figure(), []
    for number, indexes in enumerate(views.values()):
        for place, (index, points) in enumerate(indexes.items()):
            times, recalls, settings = zip(*points, strict=True)
            fig.add_scatter(
                x=times,
                y=recalls,
                mode="lines+markers",
                name=plain(index),
                line={"color": PALETTE[place], "width": 2},
                marker={"size": 9, "symbol": SYMBOLS[place]},
                customdata=[plain(setting) for setting in settings],
                hovertemplate="%{customdata}: %{y:.1f} % in %{x:.3~g} ms"
                f"<extra>{plain(index)}</extra>",
            )
            owners.append(number)
    fig.update_xaxes(title=plain(x_title), type="log", dtick=1)
    fig.update_yaxes(title="of the exact ten, %", range=[-4, 104], zeroline=False)
    fig.update_layout(showlegend=True)
    return choice(fig, list(views), owners, height=500)


def estimate(
    series: Mapping[str, np.ndarray], sizes: Sequence[str], many: Sequence[int], y_title: str
) -> go.Figure:
    """Lines over the number of vectors, and a slider of sizes that moves them.

    Args:
        series: per index, a value above 0 for each size and number of vectors, (S, M).
        sizes: S labels of the slider.
        many: M numbers of vectors.
        y_title: of the logarithmic axis, which is the same for all sizes.
    """
    fig = go.Figure()
    for place, name in enumerate(series):
        fig.add_scatter(
            x=list(many),
            mode="lines+markers",
            name=plain(name),
            line={"color": PALETTE[place], "width": 2},
            marker={"size": 9, "symbol": SYMBOLS[place]},
            hovertemplate=f"%{{x}} vectors: %{{y:.3~g}}<extra>{plain(name)}</extra>",
        )
    states = [
        [{"y": [float(f"{y:.4g}") for y in values[size]]} for values in series.values()]
        for size in range(len(sizes))
    ]
    slider(fig, sizes, states, prefix="documents: ", active=len(sizes) // 2)
    every = np.log10(np.concatenate([values.ravel() for values in series.values()]))
    fig.update_xaxes(title="vectors a query", tickvals=list(many))
    fig.update_yaxes(
        title=plain(y_title), type="log", dtick=1, range=[every.min() - 0.1, every.max() + 0.1]
    )
    fig.update_layout(showlegend=True)
    return choice(fig, [""], [None] * len(series), height=560)
