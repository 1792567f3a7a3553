"""What every system reaches at what cost, and the frontier of those that nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from amer_book.figures.controls import choice
from amer_book.figures.page import GREY, PALETTE, SYMBOLS, plain


class Priced(NamedTuple):
    """A system: its quality with an interval, and its cost under each budget; None: not shown."""

    name: str
    quality: float
    low: float
    high: float
    costs: Sequence[float | None]


def quality_and_cost(
    views: Mapping[str, Mapping[str, Sequence[Priced]]],
    frontiers: Mapping[str, Sequence[Sequence[str]]],
    budgets: Mapping[str, str],
    y_title: str,
) -> go.Figure:
    """Quality against cost; a menu of views, and buttons that choose what cost is.

    Args:
        views: per view, per family, its systems. A family keeps its look in all views.
        frontiers: per view, per budget, the names of the systems on the frontier, cheapest first.
        budgets: per button, the title of its logarithmic axis.
        y_title: of quality.
    """
    families = list(dict.fromkeys(family for view in views.values() for family in view))
    fig, owners = go.Figure(), []
    states: list[list[dict[str, Any]]] = [[] for _ in budgets]
    for number, (view, groups) in enumerate(views.items()):
        known = {mark.name: mark for marks in groups.values() for mark in marks}
        fig.add_scatter(
            mode="lines+text", name="frontier", line={"dash": "dot", "color": GREY, "width": 2},
            textposition="top center", textfont_size=12, hoverinfo="skip", cliponaxis=False,
        )  # fmt: skip
        owners.append(number)
        for state, names, place in zip(states, frontiers[view], range(len(budgets)), strict=True):
            best = [known[name] for name in names]
            state.append({"x": [mark.costs[place] for mark in best],
                          "y": [mark.quality for mark in best],
                          "text": [plain(name) for name in names]})  # fmt: skip
        for family, marks in groups.items():
            look = families.index(family)
            fig.add_scatter(
                y=[mark.quality for mark in marks],
                mode="markers",
                name=plain(family),
                text=[plain(mark.name) for mark in marks],
                marker={"size": 10, "symbol": SYMBOLS[look], "color": PALETTE[look]},
                error_y={
                    "array": [mark.high - mark.quality for mark in marks],
                    "arrayminus": [mark.quality - mark.low for mark in marks],
                    "thickness": 1, "width": 0, "color": GREY,
                },
                hovertemplate="%{text}: %{y:+.1f} at %{x:.3~g}<extra></extra>",
            )  # fmt: skip
            owners.append(number)
            for place, state in enumerate(states):
                state.append({"x": [mark.costs[place] for mark in marks],
                              "y": [mark.quality for mark in marks],
                              "text": [plain(mark.name) for mark in marks]})  # fmt: skip
    for trace, first in zip(fig.data, states[0], strict=True):
        trace.update(first)
    fig.update_xaxes(title=plain(next(iter(budgets.values()))), type="log", nticks=8)
    fig.update_yaxes(title=plain(y_title), zeroline=True)
    fig.update_layout(showlegend=True)
    choice(fig, list(views), owners, height=560, above=44)
    buttons = []
    for (label, title), state in zip(budgets.items(), states, strict=True):
        moved = {key: [trace[key] for trace in state] for key in ("x", "y", "text")}
        axis = {"xaxis.title.text": plain(title), "xaxis.autorange": True}
        buttons.append({"label": plain(label), "method": "update", "args": [moved, axis]})
    menu = {"type": "buttons", "direction": "right", "font": {"size": 12}, "buttons": buttons}
    place_ = {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 8}}
    return fig.update_layout(updatemenus=[*fig.layout.updatemenus, {**menu, **place_}])
