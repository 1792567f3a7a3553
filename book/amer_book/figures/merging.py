"""The merge of several ranked lists, step by step (chapter 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.controls import choice, slider
from amer_book.figures.page import FAINT, GREY, PALETTE, VERMILION, plain, shortened, wrapped, write


class Turn(NamedTuple):
    """One entry of one list, looked at in its turn.

    Attributes:
        vector: number of the list, from 0.
        rank: place in that list, from 0.
        new: False if its document is in the merged list already.
    """

    vector: int
    rank: int
    new: bool


def merge_steps(
    rows: np.ndarray,
    rules: Mapping[str, Sequence[Turn]],
    texts: Mapping[int, str],
    golds: Collection[int],
    vectors: Sequence[str],
) -> go.Figure:
    """m ranked lists side by side and the list they become; buttons per rule, a slider of turns.

    Drawn after the last turn. A document is a letter, a gold has a star.

    Args:
        rows: (m, depth) documents, best first; at most 52 different ones.
        rules: ``{button: its turns in order}``, each rule with as many new documents as the others.
        texts: of each document.
        golds: documents that are right answers.
        vectors: m names.
    """
    m, depth = rows.shape
    order = list(dict.fromkeys(rows.T.ravel().tolist()))
    letters = zip(order, ascii_uppercase + ascii_lowercase, strict=False)
    names = {row: letter + "★" * (row in golds) for row, letter in letters}
    hover = {row: f"<b>{names[row]}</b> {wrapped(texts[row], 38)}" for row in order}
    k = sum(turn.new for turn in next(iter(rules.values())))
    last = max(map(len, rules.values()))
    bottom = max(depth, k)
    fig = go.Figure()
    for turns in rules.values():
        taken = [int(rows[turn.vector, turn.rank]) for turn in turns if turn.new]
        fig.add_scatter(
            x=[*(i for i in range(m) for _ in range(depth)), *[m + 0.4] * k],
            y=[*list(range(1, depth + 1)) * m, *range(1, k + 1)],
            customdata=[hover[row] for row in [*rows.ravel().tolist(), *taken]],
            mode="markers+text",
            textfont={"size": 13},
            marker={"size": 27},
            hovertemplate="%{customdata}<extra></extra>",
        )
        write(fig, -0.45, [bottom + 0.8], [""], "bottom right")
    numbers = range(last + 1)
    states = [
        [x for turns in rules.values() for x in _after(turns[:i], rows, k, names, texts, vectors)]
        for i in numbers
    ]
    slider(fig, numbers, states, prefix="after turn ", active=last)
    columns = {
        "tickvals": [*range(m), m + 0.4],
        "ticktext": [*map(plain, vectors), "<b>merged</b>"],
    }
    fig.update_xaxes(side="top", range=[-0.5, m + 0.95], **columns)
    fig.update_yaxes(tickvals=list(range(1, bottom + 1)), range=[bottom + 2.6, 0.4])
    fig.update_xaxes(showgrid=False, zeroline=False).update_yaxes(showgrid=False, zeroline=False)
    fig.update_layout(showlegend=False, margin={"l": 28, "r": 8, "b": 40})
    owners = [number for number in range(len(rules)) for _ in range(2)]
    return choice(fig, list(rules), owners, height=260 + 38 * (bottom + 2), above=24)


def _after(
    turns: Sequence[Turn],
    rows: np.ndarray,
    k: int,
    names: Mapping[int, str],
    texts: Mapping[int, str],
    vectors: Sequence[str],
) -> list[dict[str, Any]]:
    """The cells, first those of the lists, then the merged list's, and the caption below them."""
    listed = [names[row] for row in rows.ravel().tolist()]
    text = listed + [""] * k
    symbol, width = ["square"] * len(text), [1] * len(text)
    fill, edge = [FAINT] * len(text), [GREY] * len(text)
    free = len(listed)  # the next cell of the merged list
    touched, caption = [], "Nothing taken yet. Pull the slider."
    for turn in turns:
        at = turn.vector * rows.shape[1] + turn.rank
        row = int(rows[turn.vector, turn.rank])
        touched = [at, free] if turn.new else [at]
        if turn.new:
            colour = PALETTE[turn.vector % len(PALETTE)]
            shade = "rgba({}, {}, {}, 0.55)".format(*bytes.fromhex(colour[1:]))
            for cell in touched:
                fill[cell], edge[cell] = shade, colour
            text[free] = names[row]
            free += 1
        else:
            symbol[at] = "square-x"
        what = f"taken as number {free - len(listed)}" if turn.new else "there already, skipped"
        head = f"{plain(vectors[turn.vector])}, rank {turn.rank + 1}: {names[row]} {what}"
        caption = f"<b>{head}</b><br>{shortened(texts[row], 80, 44)}"
    for cell in touched:
        edge[cell], width[cell] = VERMILION, 4
    cells: dict[str, Any] = {"text": text, "marker.symbol": symbol, "marker.color": fill}
    cells |= {"marker.line.color": edge, "marker.line.width": width}
    return [cells, {"text": [caption]}]
