"""Vectors that a model emits: what it computes for them, what they look at, what they find."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from amer_book.figures.controls import choice
from amer_book.figures.page import (
    CELLS,
    FAINT,
    GREY,
    PALETTE,
    SKY,
    SYMBOLS,
    VERMILION,
    cut,
    plain,
    shortened,
    wrapped,
    write,
)


def cache_work(traces: dict[str, list[tuple[int, int]]]) -> go.Figure:
    """Which positions each step computes and which it reads from the cache; buttons per trace.

    Args:
        traces: ``{button: [(computed, cached) positions of step 1, …]}``.
    """
    width = max(new + old for steps in traces.values() for new, old in steps)
    fig = go.Figure()
    for steps in traces.values():
        rows = [[1] * old + [2] * new + [0] * (width - old - new) for new, old in steps]
        words = ("not there yet", "read from the cache", "computed")
        fig.add_heatmap(
            z=rows,
            x=[str(position + 1) for position in range(width)],
            y=[f"v{step + 1}" for step in range(len(steps))],
            text=[[words[cell] for cell in row] for row in rows],
            hovertemplate="position %{x} in the step of %{y}: %{text}<extra></extra>",
            colorscale=[[0, FAINT], [0.5, SKY], [1, VERMILION]],
            zmin=0,
            zmax=2,
            **CELLS,
        )
    fig.update_xaxes(title="position in the sequence", type="category", showgrid=False, dtick=2)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    labels = [f"{name}: {sum(new for new, _ in steps)}" for name, steps in traces.items()]
    return choice(fig, labels, range(len(traces)), height=380)


def who_finds_what(
    words: Sequence[str],
    definitions: Sequence[Sequence[str]],
    ranks: Sequence[Sequence[Sequence[int]]],
    vectors: Sequence[str],
    k: int,
) -> go.Figure:
    """Rank of every definition of a word in every vector's own list; a menu of words.

    Args:
        words: W of them.
        definitions: (W, n) texts, n differing from word to word.
        ranks: (W, R, n) from 1, for R vectors.
        vectors: R names; the first is the baseline and drawn apart.
        k: ranks up to k count as found: a line marks it.
    """
    fig = go.Figure()
    others = zip(SYMBOLS, PALETTE, [10] * len(PALETTE), strict=True)
    looks = [("star", GREY, 14), *others]
    worst = max(rank for word in ranks for vector in word for rank in vector)
    deepest = max(len(texts) for texts in definitions)
    for texts, by_vector in zip(definitions, ranks, strict=True):
        lines = list(range(len(texts)))
        short = [shortened(text, 84, 46) for text in texts]
        write(fig, 1, [line - 0.22 for line in lines], short, "top right")
        names = map(plain, vectors)
        for name, places, (symbol, colour, size) in zip(names, by_vector, looks, strict=False):
            fig.add_scatter(
                x=list(places),
                y=lines,
                mode="markers",
                name=name,
                marker={"size": size, "symbol": symbol, "color": colour},
                customdata=[wrapped(text, 38) for text in texts],
                hovertemplate=f"<b>{name}: rank %{{x:,}}</b><br>%{{customdata}}<extra></extra>",
            )
    fig.add_vline(x=k, line={"dash": "dash", "color": GREY})
    ticks = [10**i for i in range(6) if 10**i <= worst]
    fig.update_xaxes(type="log", range=[-0.1, math.log10(worst) + 0.1], tickvals=ticks)
    fig.update_xaxes(title="rank in the vector's own list")
    fig.update_yaxes(range=[deepest - 0.6, -0.95], showticklabels=False, zeroline=False)
    fig.update_layout(margin_l=12)
    owners = [number for number in range(len(words)) for _ in range(1 + len(vectors))]
    return choice(fig, words, owners, height=180 + 66 * deepest)


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
    for given, weights, texts in zip(words, attention, found, strict=True):
        names = [*map(plain, given)]
        places = list(range(len(names)))
        fig.add_heatmap(
            z=np.round(np.asarray(weights, float), 3).tolist(),
            x=places,
            y=lines,
            customdata=[names] * len(vectors),
            hovertemplate="looks at %{customdata}: %{z:.2f}<extra></extra>",
            colorscale=[[0, FAINT], [1, VERMILION]],
            zmin=0,
            zmax=0.6,  # full colour: more than all other words together
            **CELLS | {"ygap": 30},  # pixels, for the text
        )
        short = [shortened(text, 34, 50) for text in texts]
        write(fig, -0.5, [line + 0.5 for line in lines], short, "middle right")
        reach = [-0.5, len(names) - 0.5]
        axes.append({"tickvals": places, "ticktext": names, "range": reach})
    fig.update_xaxes(tickangle=-60, showgrid=False, zeroline=False, **axes[0])
    fig.update_yaxes(
        tickvals=lines, ticktext=[*map(plain, vectors)], range=[len(vectors) - 0.25, -0.5]
    )
    fig.update_yaxes(showgrid=False, zeroline=False)
    layouts = [{f"xaxis.{key}": value for key, value in axis.items()} for axis in axes]
    owners = [number for number in range(len(queries)) for _ in range(2)]
    labels, height = [cut(query, 28) for query in queries], 220 + 58 * len(vectors)
    return choice(fig, labels, owners, height=height, layouts=layouts)
