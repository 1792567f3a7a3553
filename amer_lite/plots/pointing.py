"""What the vectors of a query look at, and what they find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from amer_lite.plots.page import VERMILION, choice, shortened


def pointing(
    queries: Sequence[str],
    tokens: Sequence[Sequence[str]],
    attention: Sequence[ArrayLike],
    vectors: Sequence[str],
    found: Sequence[Sequence[str]],
) -> go.Figure:
    """Attention of every vector over the tokens of a query, and its first document; a menu.

    Args:
        queries: Q of them.
        tokens: per query its L tokens, L differing from query to query.
        attention: per query (R, L), rows that sum to one.
        vectors: R names.
        found: per query, per vector, the first document of its list.
    """
    fig = go.Figure()
    axes = []
    for names, weights, texts in zip(tokens, attention, found, strict=True):
        places = list(range(len(names)))
        fig.add_heatmap(
            z=np.round(np.asarray(weights, float), 3).tolist(),
            x=places,
            y=[
                f"{name}: {shortened(text, 34, 40)}"
                for name, text in zip(vectors, texts, strict=True)
            ],
            customdata=[list(names)] * len(vectors),
            hovertemplate="%{y}<br>looks at %{customdata}: %{z:.2f}<extra></extra>",
            colorscale=[[0, "rgba(138,143,152,0.10)"], [1, VERMILION]],
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=4,
            showscale=False,
        )
        axes.append({"xaxis.tickvals": places, "xaxis.ticktext": list(names)})
    choice(fig, [shortened(query, 60, 80) for query in queries], range(len(queries)))
    for button, axis in zip(fig.layout.updatemenus[0].buttons, axes, strict=True):
        button.args = (button.args[0], axis)
    fig.update_xaxes(
        tickangle=-60, showgrid=False, zeroline=False,
        tickvals=axes[0]["xaxis.tickvals"], ticktext=axes[0]["xaxis.ticktext"],
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig.update_layout(height=170 + 44 * len(vectors), margin={"t": 70})
