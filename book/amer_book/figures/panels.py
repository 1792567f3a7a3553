"""Small multiples: the same lines for several systems side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from amer_book.figures.page import GREY, PALETTE, choice

Points = Sequence[tuple[float, float, float]]  # value, low, high, in percent
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")


def panels(
    views: Mapping[str, Mapping[str, Mapping[str, Points]]],
    ticks: Sequence[str],
    x_title: str,
    y_title: str,
    dotted: Mapping[str, str | None] | None = None,
) -> go.Figure:
    """One panel a system, two in a row, with the same axes; a menu of views.

    Args:
        views: per view, per panel, per series, a point for each tick; the same panels and series
            in every view. A point without an interval has its value three times.
        ticks: labels of the x axis, T of them.
        x_title, y_title: of the outer axes.
        dotted: what a series is to be compared with, drawn dotted and without intervals: the name
            of a series to the one whose colour it takes, None for grey. Those with a colour are
            left out of the legend: say in the title or the text what they are.
    """
    dotted = dotted or {}
    names = list(next(iter(views.values())))
    rows = -(-len(names) // 2)
    fig = make_subplots(
        rows,
        2,
        subplot_titles=names,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.16 / rows,
        x_title=x_title,
        y_title=y_title,
    )
    owners = []
    for number, view in enumerate(views.values()):
        for place, name in enumerate(names):
            solid = [series for series in view[name] if series not in dotted]
            for series, points in view[name].items():
                value, low, high = np.round(np.array(points, float), 2).T
                plain = series in dotted
                partner = dotted.get(series, series)
                i = solid.index(partner) if partner else -1
                shift = 0 if partner is None else 0.05 * (i - (len(solid) - 1) / 2)
                fig.add_scatter(
                    row=place // 2 + 1,
                    col=place % 2 + 1,
                    x=(np.arange(len(ticks)) + shift).tolist(),
                    y=value.tolist(),
                    error_y=None
                    if plain
                    else {
                        "array": (high - value).tolist(),
                        "arrayminus": (value - low).tolist(),
                        "thickness": 1.5,
                        "width": 2,
                    },
                    mode="lines" if plain else "lines+markers",
                    line={
                        "color": GREY if partner is None else PALETTE[i],
                        "dash": "dot" if plain else "solid",
                        "width": 3 if plain else 2,
                    },
                    marker={"size": 7, "symbol": _SYMBOLS[i % len(_SYMBOLS)]},
                    name=series,
                    legendgroup=series,
                    showlegend=place == 0 and (not plain or partner is None),
                    customdata=np.stack([low, high], axis=1).tolist(),
                    hovertemplate=f"{name}, {series}: %{{y:.1f}} %"
                    + ("" if plain else " (%{customdata[0]:.1f} to %{customdata[1]:.1f})")
                    + "<extra></extra>",
                )
                owners.append(number)
    if len(views) > 1:
        choice(fig, list(views), owners, y=1 + 40 / (230 * rows))  # above the panels' titles
    fig.update_xaxes(
        tickvals=list(range(len(ticks))),
        ticktext=list(ticks),
        tickangle=0,
        tickfont={"size": 12},
        range=[-0.35, len(ticks) - 0.65],
        zeroline=False,
    )
    fig.update_yaxes(range=[-4, 104], zeroline=False, dtick=25)
    for note in fig.layout.annotations:
        note.font.size = 14
    return fig.update_layout(
        height=220 + 230 * rows,
        margin={"t": 160, "l": 58, "b": 60},
        legend={"y": 1 + 78 / (230 * rows)},
    )
