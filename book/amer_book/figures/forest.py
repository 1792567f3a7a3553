"""A forest plot: differences with their intervals, one line a world (chapters 11 and 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import GREY, PALETTE, VERMILION, wrapped

_TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up")


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
        clear = (points[:, 1] > 0) | (points[:, 2] < 0)
        symbol = _SYMBOLS[i % len(_SYMBOLS)]
        fig.add_scatter(
            x=value.tolist(),
            y=[at + 0.28 * (i - (len(measures) - 1) / 2) for at, _ in there],
            error_x={
                "array": (high - value).tolist(),
                "arrayminus": (value - low).tolist(),
                "thickness": 2,
                "width": 4,
            },
            mode="markers",
            marker={
                "size": 11,
                "color": PALETTE[i],
                "symbol": [symbol if filled else f"{symbol}-open" for filled in clear],
                "line": {"width": 2, "color": PALETTE[i]},
            },
            name=measure,
            customdata=[[name, *rows[name][measure]] for _, name in there],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:+.1f} points, "
            "%{customdata[2]:+.1f} to %{customdata[3]:+.1f}<extra>" + measure + "</extra>",
        )
    fig.add_vline(x=0, line={"color": GREY, "width": 2})
    if tolerated is not None:
        fig.add_vline(
            x=float(_stretched([tolerated])[0]), line={"color": VERMILION, "dash": "dash"}
        )
    ends = [end for row in rows.values() for point in row.values() for end in point]
    least, most = min([*ends, tolerated or 0, -1]), max([*ends, 1])
    shown = [tick for tick in _TICKS if least <= tick <= most]
    fig.update_xaxes(
        title=x_title,
        tickvals=_stretched(shown).tolist(),
        ticktext=[f"{tick:+d}" if tick else "0" for tick in shown],
        range=(_stretched([least, most]) + np.array([-0.2, 0.2])).tolist(),
        zeroline=False,
    )
    fig.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[wrapped(name, 14) for name in rows],
        range=[len(rows) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    return fig.update_layout(height=140 + 62 * len(rows))


def _stretched(points: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.arcsinh(2 * np.asarray(points, float))
