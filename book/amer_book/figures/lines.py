"""Lines over ticks or steps: in one plot, or in a panel for each of several systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from amer_book.figures.controls import choice
from amer_book.figures.page import GREY, PALETTE, PERCENT, SYMBOLS, plain

Points = Sequence[float] | Sequence[tuple[float, float, float]]  # values; or value, low, high
Ticks = Sequence[float] | Sequence[str]  # numbers; or labels, evenly spaced


def lines(
    views: Mapping[str, Mapping[str, Points]],
    x: Ticks,
    x_title: str,
    y_title: str = "",
    *,
    percent: bool = False,
) -> go.Figure:
    """A line for each series, with intervals where there are any; a menu of views.

    Args:
        views: per view, per series, a point for each of ``x``. A series keeps its look in all.
        x: of T points, numbers or labels.
        x_title: of the x axis.
        y_title: of the y axis; the name of the view if empty.
        percent: the y axis goes from 0 to 100 in every view.
    """
    names = list(dict.fromkeys(name for series in views.values() for name in series))
    fig = go.Figure([t for series in views.values() for t in _curves(series, x, names, {})])
    fig.update_xaxes(title=plain(x_title), **_ticks(x))
    fig.update_yaxes(**PERCENT if percent else {"rangemode": "tozero"})
    fig.update_yaxes(title=plain(y_title or next(iter(views))))
    fig.update_layout(showlegend=True)
    owners = [number for number, series in enumerate(views.values()) for _ in series]
    layouts = [{"yaxis.title.text": plain(y_title or view)} for view in views]
    return choice(fig, list(views), owners, height=500, layouts=layouts)


def panels(
    views: Mapping[str, Mapping[str, Mapping[str, Points]]],
    x: Ticks,
    x_title: str,
    y_title: str,
    dotted: Mapping[str, str | None] | None = None,
) -> go.Figure:
    """One panel a system, two in a row, with the same axes in percent; a menu of views.

    Args:
        views: per view, per panel, per series, a point for each of ``x``; the same panels in every
            view.
        x: of T points, numbers or labels.
        x_title, y_title: of the outer axes.
        dotted: what a series is to be compared with, drawn dotted and without marks: the name of a
            series to the one whose colour it takes, None for grey. Those with a colour are left
            out of the legend: say in the title or the text what they are.
    """
    dotted = dotted or {}
    titles = list(next(iter(views.values())))
    rows = -(-len(titles) // 2)
    outer = {"x_title": plain(x_title), "y_title": plain(y_title)}
    named = {"subplot_titles": [*map(plain, titles)], **outer}
    shared = {"shared_xaxes": True, "shared_yaxes": True}
    spacing = {"horizontal_spacing": 0.04, "vertical_spacing": 0.16 / rows}
    fig = make_subplots(rows, 2, **named, **shared, **spacing)
    everywhere = (name for view in views.values() for series in view.values() for name in series)
    names = list(dict.fromkeys(name for name in everywhere if name not in dotted))
    owners = []
    for number, view in enumerate(views.values()):
        silent = {plain(name) for name, like in dotted.items() if like is not None}
        for place, title in enumerate(titles):
            for trace in _curves(view[title], x, names, dotted):
                trace.update(legendgroup=trace.name, showlegend=trace.name not in silent)
                fig.add_trace(trace, place // 2 + 1, place % 2 + 1)
                silent.add(trace.name)
                owners.append(number)
    fig.update_xaxes(tickfont={"size": 12}, **_ticks(x))
    fig.update_yaxes(dtick=25, **PERCENT)
    fig.update_annotations(font_size=14)
    fig.update_layout(margin={"l": 58, "b": 60})
    return choice(fig, list(views), owners, height=200 + 230 * rows, above=24)


def frontier(
    views: Mapping[str, Mapping[str, Sequence[tuple[float, float, str]]]],
    x_title: str,
    y_title: str,
    *,
    dotted: Sequence[str] = (),
) -> go.Figure:
    """What each system reaches at what cost: a path of settings for each; a menu of views.

    Args:
        views: per view, per system, (cost, quality, setting), in the order of the path. A system
            keeps its look in all views; with a single setting it is a large mark.
        x_title, y_title: of the axes.
        dotted: systems to compare the others with.
    """
    names = list(dict.fromkeys(name for paths in views.values() for name in paths))
    fig, owners = go.Figure(), []
    for number, paths in enumerate(views.values()):
        for name, points in paths.items():
            look, (cost, quality, settings) = names.index(name), zip(*points, strict=True)
            fig.add_scatter(
                x=cost,
                y=np.round(quality, 3),
                name=plain(name),
                text=[plain(setting) for setting in settings],
                mode="lines+markers",
                line={"width": 2, "dash": "dot" if name in dotted else "solid"},
                marker={
                    "size": 14 if len(points) == 1 else 8,
                    "symbol": SYMBOLS[look % len(SYMBOLS)],
                    "color": PALETTE[look % len(PALETTE)],
                },
                hovertemplate="%{text}: %{y:.1f} at %{x:.2f}<extra>" + plain(name) + "</extra>",
            )
            owners.append(number)
    fig.update_xaxes(title=plain(x_title))
    fig.update_yaxes(title=plain(y_title))
    fig.update_layout(showlegend=True)
    return choice(fig, list(views), owners, height=520)


def _curves(
    series: Mapping[str, Points], x: Ticks, names: Sequence[str], dotted: Mapping[str, str | None]
) -> list[go.Scatter]:
    """A trace for each series; its place in ``names`` gives it colour, symbol and offset."""
    labels = isinstance(x[0], str)
    at = np.arange(len(x)) if labels else np.array(x, float)
    # Intervals at the same tick stand side by side.
    apart = 0.05 * (labels and any(np.ndim(points) == 2 for points in series.values()))
    traces = []
    for name, points in series.items():
        values = np.round(np.array(points, float), 3)
        like = dotted.get(name, name)
        look = names.index(like) if like is not None else -1
        marks: dict[str, Any] = {"mode": "lines", "line": {"dash": "dot", "width": 3}}
        if name not in dotted:
            symbol = {"size": 8, "symbol": SYMBOLS[look % len(SYMBOLS)]}
            marks = {"mode": "lines+markers", "line": {"width": 2}, "marker": symbol}
        hover = "%{text}: %{y:.2f}"
        if values.ndim == 2:
            low, high = values[:, 1:].T
            values = values[:, 0]
            marks["error_y"] = {"array": high - values, "arrayminus": values - low, "width": 3}
            marks["customdata"] = np.stack([low, high], axis=1)
            hover = "%{text}: %{y:.1f}, interval %{customdata[0]:.1f} to %{customdata[1]:.1f}"
        marks["line"]["color"] = GREY if like is None else PALETTE[look % len(PALETTE)]
        traces.append(
            go.Scatter(
                x=at if like is None else at + apart * (look - (len(names) - 1) / 2),
                y=values,
                name=plain(name),
                text=[plain(str(tick)) for tick in x],
                hovertemplate=f"{hover}<extra>{plain(name)}</extra>",
                **marks,
            )
        )
    return traces


def _ticks(x: Ticks) -> dict[str, Any]:
    if not isinstance(x[0], str):
        return {}
    shown = {
        "tickvals": list(range(len(x))),
        "ticktext": [plain(str(tick)) for tick in x],
        "tickangle": 0,
    }
    return shown | {"range": [-0.4, len(x) - 0.6], "zeroline": False}
