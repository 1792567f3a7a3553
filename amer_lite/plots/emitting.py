"""Figures about emitting several vectors and searching with them (chapter 4)."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from amer_lite.plots.page import GREY, SKY, VERMILION, choice, wrapped


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
    labels = [f"{name}: {sum(new for new, _ in steps)} computed" for name, steps in traces.items()]
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
    return fig.update_yaxes(title="milliseconds a batch", rangemode="tozero")


def who_finds_what(
    words: Sequence[str],
    cosines: Sequence[Sequence[Sequence[float]]],
    ranks: Sequence[Sequence[Sequence[int]]],
    definitions: Sequence[Sequence[str]],
    rows: Sequence[str],
    k: int,
) -> go.Figure:
    """Cosine of every vector with every definition of a word; a menu of words.

    Args:
        words: W of them.
        cosines: (W, R, n) for the R vectors named in ``rows`` and a word's n definitions.
        ranks: (W, R, n) rank of the definition in that vector's own list, from 1.
        definitions: (W, n) texts.
        rows: names of the vectors, top to bottom.
        k: ranks up to k are printed in full, greater ones as "> k".
    """
    fig = go.Figure()
    for number, texts in enumerate(definitions):
        labels = [wrapped(text, 34) for text in texts]
        fig.add_heatmap(
            z=list(zip(*cosines[number], strict=True)),
            x=list(rows),
            y=labels,
            text=[
                [f"{rank}" if rank <= k else f"> {k}" for rank in by_vector]
                for by_vector in zip(*ranks[number], strict=True)
            ],
            texttemplate="%{text}",
            hovertemplate="%{x}: cosine %{z:.2f}, rank %{text}<br>%{y}<extra></extra>",
            colorscale="Cividis",
            zmin=0,
            zmax=0.8,
            xgap=2,
            ygap=2,
            colorbar={"title": "cosine", "thickness": 12},
        )
    fig.update_xaxes(side="top", showgrid=False, tickangle=0)
    fig.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 12})
    choice(fig, words, range(len(words)), y=1.16)
    return fig.update_layout(height=520, margin={"t": 120, "r": 8})


def seed_dots(values: dict[str, Sequence[float]], baseline: str, title: str) -> go.Figure:
    """One dot per seed and model, and a line at the baseline's mean."""
    fig = go.Figure()
    for name, points in values.items():
        fig.add_scatter(
            x=list(points),
            y=[name] * len(points),
            mode="markers",
            marker={"size": 11, "opacity": 0.75},
            name=name,
            hovertemplate="%{x:.1f}<extra>" + name + "</extra>",
        )
    mean = sum(values[baseline]) / len(values[baseline])
    fig.add_vline(x=mean, line={"dash": "dash", "color": GREY})
    fig.update_xaxes(title=title)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig.update_layout(showlegend=False, height=110 + 45 * len(values))
