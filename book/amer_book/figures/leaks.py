"""Figures about leaks: what the number in training says, and what a search says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from amer_book.figures.page import BLUE, GREY, PALETTE, VERMILION

_DASHES = ("solid", "dash", "dot")


def scissors(
    steps: Sequence[int], curves: Mapping[str, Mapping[str, Sequence[float]]], *, y_title: str
) -> go.Figure:
    """Several measures over the steps of training: a colour for each data set, a dash a measure.

    Args:
        steps: T numbers of training steps.
        curves: per data set, per measure, T values.
        y_title: of the y axis.
    """
    measures = list(dict.fromkeys(name for lines in curves.values() for name in lines))
    fig = go.Figure()
    for (data, lines), colour in zip(curves.items(), PALETTE[:: len(_DASHES)], strict=False):
        for measure, values in lines.items():
            fig.add_scatter(
                x=list(steps),
                y=[round(float(value), 2) for value in values],
                name=f"{data}: {measure}",
                mode="lines+markers",
                line={"color": colour, "width": 2.5, "dash": _DASHES[measures.index(measure)]},
                marker={"size": 7},
                hovertemplate=f"step %{{x}}: %{{y:.0f}}<extra>{data}: {measure}</extra>",
            )
    fig.update_xaxes(title="training step")
    fig.update_yaxes(title=y_title, rangemode="tozero")
    return fig.update_layout(  # the legend, up to one line an entry on a phone, below the plot
        height=400 + 26 * len(fig.data),
        margin={"t": 20, "b": 60 + 26 * len(fig.data)},
        legend={"orientation": "v", "y": -0.2, "yanchor": "top"},
    )


def museum(labels: Mapping[str, tuple[float, float]], *, x_title: str) -> go.Figure:
    """What a trap makes of a figure: per label a point without the trap, and an arrow from it.

    Args:
        labels: per label, which may hold ``<br>``, the figure without and with the trap.
        x_title: of the x axis, in percent.
    """
    rows = list(range(len(labels)))
    clean, trapped = zip(*labels.values(), strict=True)
    fig = go.Figure()
    for row, a, b in zip(rows, clean, trapped, strict=True):
        fig.add_scatter(
            x=[a, b], y=[row, row], mode="lines", line={"color": GREY, "width": 3},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    plain = [label.replace("<br>", " ") for label in labels]
    for name, values, colour, symbol in (
        ("without the trap", clean, BLUE, "circle"),
        ("with the trap", trapped, VERMILION, "x"),
    ):
        fig.add_scatter(
            x=list(values), y=rows, mode="markers", name=name, customdata=plain,
            marker={"size": 13, "color": colour, "symbol": symbol},
            hovertemplate="%{customdata}: %{x:.0f}<extra>" + name + "</extra>",
        )  # fmt: skip
    fig.update_xaxes(title=x_title, range=[0, 104])
    fig.update_yaxes(
        tickvals=rows, ticktext=list(labels), range=[len(labels) - 0.5, -0.5], zeroline=False
    )
    return fig.update_layout(height=150 + 52 * len(labels))
