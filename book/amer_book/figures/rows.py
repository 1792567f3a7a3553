"""Marks in rows: a label at the left of each row, values from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice
from amer_book.figures.page import GREY, PALETTE, SYMBOLS, VERMILION, plain, wrapped

_TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)


def dots(
    views: Mapping[str, Mapping[str, Sequence[float]]],
    labels: Sequence[str],
    x_title: str,
    *,
    limits: Sequence[str] = (),
    joined: bool = False,
) -> go.Figure:
    """A mark for each series in every row; a menu of views.

    Args:
        views: per view, per series, a value in percent for each row.
        labels: of the rows; they may hold ``<br>``.
        x_title: of the x axis.
        limits: series that say what is possible, drawn as upright lines.
        joined: a line leads from the first mark of a row to its last; the marks stand level.
    """
    fig = go.Figure()
    owners = []
    broken = ["<br>".join(map(plain, label.split("<br>"))) for label in labels]
    for number, series in enumerate(views.values()):
        if joined:
            x = [x for row in zip(*series.values(), strict=True) for x in (row[0], row[-1], None)]
            y = np.repeat(range(len(labels)), 3)
            line = {"color": GREY, "width": 3}
            fig.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
            owners.append(number)
        middle = (len(series) - len(limits) - 1) / 2
        for i, (name, values) in enumerate(series.items()):
            marker = {"size": 12, "color": PALETTE[i], "symbol": SYMBOLS[i]}
            if name in limits:
                upright = {"size": 30, "symbol": "line-ns", "line_width": 3}
                marker |= upright | {"line_color": PALETTE[i]}
            shift = 0 if joined or name in limits else 0.18 * (i - middle)
            fig.add_scatter(
                x=list(values),
                y=[row + shift for row in range(len(labels))],
                mode="markers",
                name=plain(name),
                marker=marker,
                customdata=[label.replace("<br>", " ") for label in broken],
                hovertemplate=f"%{{customdata}}: %{{x:.4~g}}<extra>{plain(name)}</extra>",
            )
            owners.append(number)
    fig.update_xaxes(title=plain(x_title), range=[-4, 104])
    return choice(_rows(fig, broken), list(views), owners, height=140 + 52 * len(labels))


def seed_dots(values: Mapping[str, Sequence[float]], baseline: str, x_title: str) -> go.Figure:
    """A row for each model, a dot for each of its seeds, and a line at the baseline's mean."""
    fig = go.Figure()
    for row, (name, points) in enumerate(values.items()):
        fig.add_scatter(
            x=list(points),
            y=row + np.linspace(-0.2, 0.2, len(points)),  # equal values all show
            mode="markers",
            marker={"size": 11},
            name=plain(name),
            hovertemplate="%{x:.1f}<extra>" + plain(name) + "</extra>",
        )
    fig.add_vline(x=float(np.mean(values[baseline])), line={"dash": "dash", "color": GREY})
    fig.update_xaxes(title=plain(x_title))
    fig.update_layout(height=120 + 50 * len(values), showlegend=False)
    return _rows(fig, [wrapped(name, 14) for name in values])


def forest(
    rows: Mapping[str, Mapping[str, tuple[float, float, float]]],
    x_title: str,
    tolerated: float | None = None,
) -> go.Figure:
    """Differences per world and measure; a mark is filled if its interval leaves out zero.

    The axis is stretched around zero (by asinh), since a point there and thirty points elsewhere
    are to be seen in one picture.

    Args:
        rows: per world, per measure, difference and interval (value, low, high) in points; a
            measure that a world lacks is left out there.
        x_title: of the axis.
        tolerated: a difference, below zero, at which a line says how much worse is still accepted.
    """
    fig = go.Figure()
    measures = list(dict.fromkeys(name for row in rows.values() for name in row))
    for i, measure in enumerate(measures):
        there = [(at, name) for at, name in enumerate(rows) if measure in rows[name]]
        points = np.array([rows[name][measure] for _, name in there], float)
        value, low, high = _stretched(points).T
        filled = (points[:, 1] > 0) | (points[:, 2] < 0)
        edge = {"width": 2, "color": PALETTE[i]}
        symbols = [SYMBOLS[i] + "-open" * (not clear) for clear in filled]
        fig.add_scatter(
            x=value,
            y=[at + 0.28 * (i - (len(measures) - 1) / 2) for at, _ in there],
            error_x={"array": high - value, "arrayminus": value - low, "width": 4},
            mode="markers",
            marker={"size": 11, "color": PALETTE[i], "symbol": symbols, "line": edge},
            name=plain(measure),
            customdata=[[plain(name), *rows[name][measure]] for _, name in there],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:+.1f} points, "
            "%{customdata[2]:+.1f} to %{customdata[3]:+.1f}<extra>" + plain(measure) + "</extra>",
        )
    fig.add_vline(x=0, line={"color": GREY, "width": 2})
    if tolerated is not None:
        dashed = {"color": VERMILION, "dash": "dash"}
        fig.add_vline(x=float(_stretched([tolerated])[0]), line=dashed)
    ends = [end for row in rows.values() for point in row.values() for end in point]
    least, most = min([*ends, tolerated or 0, -1]), max([*ends, 1])
    shown = [tick for tick in _TICKS if least <= tick <= most]
    fig.update_xaxes(
        title=plain(x_title),
        tickvals=_stretched(shown),
        ticktext=[f"{tick:+d}" if tick else "0" for tick in shown],
        range=(_stretched([least, most]) + np.array([-0.2, 0.2])).tolist(),
        zeroline=False,
    )
    fig.update_layout(height=140 + 62 * len(rows))
    return _rows(fig, [wrapped(name, 14) for name in rows]).update_yaxes(showgrid=False)


def _rows(fig: go.Figure, labels: Sequence[str]) -> go.Figure:
    """Rows with their labels, the first one on top."""
    named = {"tickvals": list(range(len(labels))), "ticktext": list(labels)}
    return fig.update_yaxes(range=[len(labels) - 0.5, -0.5], zeroline=False, **named)


def _stretched(points: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.arcsinh(2 * np.asarray(points, float))
