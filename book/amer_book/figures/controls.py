"""A menu of views and a slider: what a reader can set in a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from amer_book.figures.page import plain

_BESIDE = 44  # characters, three of them between two buttons, that fit beside each other on a phone


def choice(
    fig: go.Figure,
    labels: Sequence[str],
    owners: Sequence[int | None],
    *,
    height: int,
    above: int = 0,
    layouts: Sequence[Mapping[str, Any]] = (),
) -> go.Figure:
    """Let the reader choose which traces are seen; the first choice is the one that is shown.

    Buttons if they fit in a row, else a menu, above the plot, and the legend above that. A single
    choice gets neither buttons nor menu.

    Args:
        fig: changed in place and returned.
        labels: one a choice.
        owners: per trace, the number of the choice that shows it; None is shown by every one.
        height: of the figure in pixels.
        above: pixels between the plot and the menu, for what else stands there.
        layouts: per choice, what it changes in the layout, if anything.
    """
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner in (None, 0)
    menu = 44 if len(labels) > 1 else 0
    top = above + menu + (8 if fig.layout.showlegend is False else 46)
    legend = 1 + (8 + above + menu) / (height - top - 48)  # a share of the plot's height
    fig.update_layout(height=height, margin_t=top, legend_y=legend)
    if not menu:
        return fig
    buttons = []
    for number, label in enumerate(labels):
        shown = {"visible": [owner in (None, number) for owner in owners]}
        layout = dict(layouts[number]) if layouts else {}
        buttons.append({"label": plain(label), "method": "update", "args": [shown, layout]})
    kind: dict[str, Any] = {"type": "dropdown", "direction": "down"}
    if sum(len(label) + 3 for label in labels) <= _BESIDE:
        kind = {"type": "buttons", "direction": "right", "font": {"size": 12}}
    place = {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 8 + above}}
    return fig.update_layout(updatemenus=[{"buttons": buttons, **kind, **place}])


def slider(
    fig: go.Figure,
    labels: Sequence[object],
    states: Sequence[Sequence[Mapping[str, Any]]],
    *,
    prefix: str = "",
    active: int = 0,
) -> go.Figure:
    """Let the reader pull the traces from state to state. A single state gets no slider.

    Args:
        fig: changed in place and returned; its traces take the active state.
        labels: one a state.
        states: per state, per trace, the values of its attributes, by plotly's names, such as
            ``marker.color``. A trace without any stays as it is; of the others one that lacks an
            attribute which another has, loses it.
        prefix: what stands before the label of the active state.
        active: number of the state that is shown first.
    """
    for trace, state in zip(fig.data, states[active], strict=True):
        trace.update({name.replace(".", "_"): value for name, value in state.items()})
    moving = [number for number, state in enumerate(states[0]) if state]
    names = dict.fromkeys(name for state in states[0] for name in state)
    steps = []
    for label, traces in zip(labels, states, strict=True):
        change = {name: [traces[number].get(name) for number in moving] for name in names}
        steps.append({"label": plain(str(label)), "method": "restyle", "args": [change, moving]})
    if len(labels) > 1:
        look = {"x": 0.05, "len": 0.9, "pad": {"t": 40, "b": 8}, "currentvalue": {"prefix": prefix}}
        fig.update_layout(sliders=[{"steps": steps, "active": active, **look}])
    return fig
