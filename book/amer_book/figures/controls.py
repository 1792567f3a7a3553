"""A menu of views and a slider: what a reader can set in a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

_BESIDE = 44  # characters, three of them between two buttons, that fit beside each other on a phone


def choice(
    fig: go.Figure,
    labels: Sequence[str],
    owners: Sequence[int | None],
    layouts: Sequence[Mapping[str, Any]] = (),
    *,
    above: int = 0,
) -> go.Figure:
    """Let the reader choose which traces are seen; the first choice is the one that is shown.

    Buttons if they fit in a row, else a menu, above the plot, and the legend above that. A single
    choice gets neither.

    Args:
        fig: changed in place and returned; its height and upper margin are set already.
        labels: one a choice.
        owners: per trace, the number of the choice that shows it; None is shown by every one.
        layouts: per choice, what it changes in the layout, if anything.
        above: pixels between plot and menu, for what else stands there.
    """
    for trace, owner in zip(fig.data, owners, strict=True):
        trace.visible = owner in (None, 0)
    if len(labels) == 1:
        return fig
    buttons = sum(len(label) + 3 for label in labels) <= _BESIDE
    menu = {
        "type": "buttons" if buttons else "dropdown",
        "direction": "right" if buttons else "down",
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 8 + above},
        "buttons": [
            {
                "label": label,
                "method": "update",
                "args": [
                    {"visible": [owner in (None, number) for owner in owners]},
                    dict(layouts[number]) if layouts else {},
                ],
            }
            for number, label in enumerate(labels)
        ],
    }
    plot = fig.layout.height - fig.layout.margin.t - 48  # pixels
    return fig.update_layout(updatemenus=[menu], legend_y=1 + (52 + above) / plot)


def slider(
    fig: go.Figure,
    labels: Sequence[str],
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
        steps.append({"label": label, "method": "restyle", "args": [change, moving]})
    if len(labels) > 1:
        look = {"x": 0.05, "len": 0.9, "pad": {"t": 40}, "currentvalue": {"prefix": prefix}}
        fig.update_layout(sliders=[{"steps": steps, "active": active, **look}])
    return fig
