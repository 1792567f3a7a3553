"""Figures of training with feedback: what a model sees in training, what it does alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from amer_book.figures.page import PALETTE, choice

_SYMBOLS = ("circle", "square", "diamond", "x", "triangle-up", "cross")


def training_curves(
    steps: Sequence[int], views: Mapping[str, Mapping[str, Sequence[float]]], *, y_title: str = ""
) -> go.Figure:
    """Lines over the steps of training; a menu chooses the view.

    Args:
        steps: T numbers of training steps.
        views: per choice of the menu, per line, T values. A line keeps its look in every view.
        y_title: of the y axis; the name of the chosen view if empty.
    """
    names = dict.fromkeys(name for lines in views.values() for name in lines)
    looks = {name: i for i, name in enumerate(names)}
    fig = go.Figure()
    owners = []
    for number, lines in enumerate(views.values()):
        for name, values in lines.items():
            look = looks[name]
            fig.add_scatter(
                x=list(steps),
                y=[round(float(value), 3) for value in values],
                name=name,
                mode="lines+markers",
                line={"color": PALETTE[look % len(PALETTE)], "width": 2},
                marker={"size": 8, "symbol": _SYMBOLS[look % len(_SYMBOLS)]},
                hovertemplate="step %{x}: %{y:.2f}<extra>" + name + "</extra>",
            )
            owners.append(number)
    choice(fig, list(views), owners)
    for view, button in zip(views, fig.layout.updatemenus[0].buttons, strict=True):
        button.args = (button.args[0], {"yaxis.title.text": y_title or view})
    fig.update_xaxes(title="training step")
    fig.update_yaxes(title=y_title or next(iter(views)), rangemode="tozero")
    return fig.update_layout(  # the legend, up to three lines on a phone, below the plot
        height=520, margin={"t": 70}, legend={"y": -0.22, "yanchor": "top"}, showlegend=True
    )
