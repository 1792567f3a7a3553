"""Figures about emitting several vectors and searching with them (chapter 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from amer_book.figures.page import GREY, PALETTE, SKY, VERMILION, choice, shortened, wrapped


def cache_work(traces: dict[str, list[tuple[int, int]]]) -> go.Figure:
    """Which positions each step computes and which it reads from the cache; buttons per trace.

    Args:
        traces: ``{button: [(computed, cached) positions of step 1, …]}``.
    """
    width = max(new + old for steps in traces.values() for new, old in steps)
    fig = go.Figure()
    for steps in traces.values():
        rows = [[1] * old + [2] * new + [0] * (width - old - new) for new, old in steps]
        words = {0: "not there yet", 1: "read from the cache", 2: "computed"}
        fig.add_heatmap(
            z=rows,
            x=[str(position + 1) for position in range(width)],
            y=[f"v{step + 1}" for step in range(len(steps))],
            text=[[words[cell] for cell in row] for row in rows],
            hovertemplate="position %{x} in the step of %{y}: %{text}<extra></extra>",
            colorscale=[[0, "rgba(138,143,152,0.12)"], [0.5, SKY], [1, VERMILION]],
            zmin=0,
            zmax=2,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    fig.update_xaxes(title="position in the sequence", type="category", showgrid=False, dtick=2)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    labels = [f"{name}: {sum(new for new, _ in steps)}" for name, steps in traces.items()]
    choice(fig, labels, range(len(traces)), kind="buttons", y=1.05)
    return fig.update_layout(height=360, margin={"t": 80})


def cost_lines(lengths: Sequence[int], times: dict[str, Sequence[float]]) -> go.Figure:
    """Milliseconds against the length of the prefix, one line per way of generating."""
    fig = go.Figure()
    for (name, milliseconds), dash in zip(times.items(), ("solid", "dash", "dot"), strict=False):
        fig.add_scatter(
            x=list(lengths),
            y=list(milliseconds),
            name=name,
            mode="lines+markers",
            line={"dash": dash},
            hovertemplate="%{x} tokens: %{y:.1f} ms<extra>" + name + "</extra>",
        )
    fig.update_xaxes(title="tokens in the prefix", type="log", tickvals=list(lengths))
    return fig.update_yaxes(title="milliseconds a batch", type="log", dtick=1)


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
    symbols = ("star", "circle", "square", "diamond", "cross", "triangle-up", "x", "triangle-down")
    colours = (GREY, *PALETTE)
    worst = max(rank for word in ranks for vector in word for rank in vector)
    deepest = max(len(texts) for texts in definitions)
    for texts, by_vector in zip(definitions, ranks, strict=True):
        lines = list(range(len(texts)))
        fig.add_scatter(
            x=[1] * len(texts),
            y=[line - 0.22 for line in lines],
            mode="text",
            text=[shortened(text, 84, 46) for text in texts],
            textposition="top right",
            textfont={"size": 12},
            hoverinfo="skip",
            showlegend=False,
        )
        for i, (name, places) in enumerate(zip(vectors, by_vector, strict=True)):
            fig.add_scatter(
                x=list(places),
                y=lines,
                mode="markers",
                name=name,
                marker={"size": 14 if i == 0 else 10, "symbol": symbols[i], "color": colours[i]},
                customdata=[wrapped(text, 38) for text in texts],
                hovertemplate=f"<b>{name}: rank %{{x:,}}</b><br>%{{customdata}}<extra></extra>",
            )
    owners = [number for number in range(len(words)) for _ in range(1 + len(vectors))]
    choice(fig, words, owners)
    fig.add_vline(x=k, line={"dash": "dash", "color": GREY})
    fig.update_xaxes(
        title="rank in the vector's own list",
        type="log",
        range=[-0.1, math.log10(worst) + 0.1],
        tickvals=[10**i for i in range(6) if 10**i <= worst],
    )
    fig.update_yaxes(range=[deepest - 0.6, -0.95], showticklabels=False, zeroline=False)
    return fig.update_layout(
        height=180 + 66 * deepest,
        margin={"t": 110, "l": 12},
        legend={"y": 1 + 46 / (10 + 66 * deepest)},  # 46 pixels up: above the menu
    )


def seed_dots(values: dict[str, Sequence[float]], baseline: str, title: str) -> go.Figure:
    """One dot per seed and model, and a line at the baseline's mean."""
    fig = go.Figure()
    for line, (name, points) in enumerate(values.items()):
        middle = (len(points) - 1) / 2
        fig.add_scatter(
            x=list(points),
            y=[line + 0.1 * (i - middle) for i in range(len(points))],  # equal values both show
            mode="markers",
            marker={"size": 11},
            name=name,
            hovertemplate="%{x:.1f}<extra>" + name + "</extra>",
        )
    mean = sum(values[baseline]) / len(values[baseline])
    fig.add_vline(x=mean, line={"dash": "dash", "color": GREY})
    fig.update_xaxes(title=title)
    lines = list(range(len(values)))
    fig.update_yaxes(
        tickvals=lines, ticktext=list(values), range=[len(values) - 0.5, -0.5], zeroline=False
    )
    return fig.update_layout(showlegend=False, height=120 + 50 * len(values))
