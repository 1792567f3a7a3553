"""What the vectors of a query look at, and what they find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from amer_book.figures.page import VERMILION, choice, shortened

_ROW, _GAP = 58, 30  # pixels of a vector's line, and of the text in it


def pointing(
    queries: Sequence[str],
    words: Sequence[Sequence[str]],
    attention: Sequence[ArrayLike],
    vectors: Sequence[str],
    found: Sequence[Sequence[str]],
) -> go.Figure:
    """Attention of every vector over the words of a query, and its first document; a menu.

    Args:
        queries: Q of them.
        words: per query its L words or tokens, L differing from query to query.
        attention: per query (R, L), rows that sum to one.
        vectors: R names.
        found: per query, per vector, the first document of its list: it stands below the line.
    """
    fig = go.Figure()
    axes = []
    lines = list(range(len(vectors)))
    for names, weights, texts in zip(words, attention, found, strict=True):
        places = list(range(len(names)))
        fig.add_heatmap(
            z=np.round(np.asarray(weights, float), 3).tolist(),
            x=places,
            y=lines,
            customdata=[list(names)] * len(vectors),
            hovertemplate="looks at %{customdata}: %{z:.2f}<extra></extra>",
            colorscale=[[0, "rgba(138,143,152,0.12)"], [1, VERMILION]],
            zmin=0,
            zmax=0.6,  # full colour: more than all other words together
            xgap=2,
            ygap=_GAP,
            showscale=False,
        )
        fig.add_scatter(
            x=[-0.5] * len(vectors),
            y=[line + 0.5 for line in lines],
            mode="text",
            text=[shortened(text, 34, 50) for text in texts],
            textposition="middle right",
            textfont={"size": 12},
            hoverinfo="skip",
            showlegend=False,
        )
        axes.append(
            {
                "xaxis.tickvals": places,
                "xaxis.ticktext": list(names),
                "xaxis.range": [-0.5, len(names) - 0.5],
            }
        )
    owners = [number for number in range(len(queries)) for _ in range(2)]
    choice(fig, [shortened(query, 28, 80) for query in queries], owners)
    for button, axis in zip(fig.layout.updatemenus[0].buttons, axes, strict=True):
        button.args = (button.args[0], axis)
    first = {key.removeprefix("xaxis."): value for key, value in axes[0].items()}
    fig.update_xaxes(tickangle=-60, showgrid=False, zeroline=False, **first)
    fig.update_yaxes(
        tickvals=lines, ticktext=list(vectors), range=[len(vectors) - 0.25, -0.5],
        showgrid=False, zeroline=False,
    )  # fmt: skip
    return fig.update_layout(height=190 + _ROW * len(vectors), margin={"t": 60})
