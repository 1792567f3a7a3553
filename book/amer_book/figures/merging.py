"""The merge of several ranked lists, step by step (chapter 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from amer_book.figures.page import GREY, PALETTE, VERMILION, choice, shortened, wrapped

_EMPTY = "rgba(138,143,152,0.10)"


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
    letters = {
        row: letter + "★" * (row in golds)
        for row, letter in zip(order, ascii_uppercase + ascii_lowercase, strict=False)
    }
    k = sum(turn.new for turn in next(iter(rules.values())))
    last = max(map(len, rules.values()))
    hover = {row: f"<b>{letters[row]}</b> {wrapped(escape(texts[row]), 38)}" for row in order}
    fig = go.Figure()
    for turns in rules.values():
        cells, merged, caption = _after(rows, turns, len(turns), k, letters, texts, vectors)
        shown = [turn for turn in turns if turn.new]
        for state, places, words in (
            (
                cells,
                [(i, rank + 1) for i in range(m) for rank in range(depth)],
                [hover[row] for row in rows.ravel().tolist()],
            ),
            (
                merged,
                [(m + 0.4, place + 1) for place in range(k)],
                [hover[int(rows[turn.vector, turn.rank])] for turn in shown],
            ),
        ):
            x, y = zip(*places, strict=True)
            fig.add_scatter(
                x=x,
                y=y,
                mode="markers+text",
                text=state["text"],
                textfont={"size": 13},
                marker={
                    "size": 27,
                    "symbol": state["marker.symbol"],
                    "color": state["marker.color"],
                    "line": {
                        "color": state["marker.line.color"],
                        "width": state["marker.line.width"],
                    },
                },
                customdata=words,
                hovertemplate="%{customdata}<extra></extra>",
            )
        fig.add_scatter(
            x=[-0.45],
            y=[max(depth, k) + 0.8],
            mode="text",
            text=caption["text"],
            textposition="bottom right",
            cliponaxis=False,
            hoverinfo="skip",
        )
    choice(
        fig,
        list(rules),
        [number for number in range(len(rules)) for _ in range(3)],
        kind="buttons",
        x=-0.08,
        y=1.12,
        font={"size": 12},
    )
    steps = []
    for done in range(last + 1):
        states = [
            state
            for turns in rules.values()
            for state in _after(rows, turns, done, k, letters, texts, vectors)
        ]
        change = {name: [state[name] for state in states] for name in states[0]}
        steps.append({"label": str(done), "method": "restyle", "args": [change]})
    fig.update_layout(
        sliders=[
            {
                "steps": steps,
                "active": last,
                "currentvalue": {"prefix": "after turn "},
                "x": 0.05,
                "len": 0.9,
                "pad": {"t": 12},
            }
        ]
    )
    fig.update_xaxes(
        side="top",
        tickvals=[*range(m), m + 0.4],
        ticktext=[*vectors, "<b>merged</b>"],
        range=[-0.5, m + 0.95],
        showgrid=False,
        zeroline=False,
    )
    fig.update_yaxes(
        tickvals=list(range(1, max(depth, k) + 1)),
        range=[max(depth, k) + 2.6, 0.4],
        showgrid=False,
        zeroline=False,
    )
    return fig.update_layout(
        showlegend=False,
        height=230 + 38 * (max(depth, k) + 2),
        margin={"t": 100, "l": 28, "r": 8, "b": 40},
    )


def _after(
    rows: np.ndarray,
    turns: Sequence[Turn],
    done: int,
    k: int,
    letters: Mapping[int, str],
    texts: Mapping[int, str],
    vectors: Sequence[str],
) -> list[dict[str, Any]]:
    """What the lists, the merged list and the caption look like after so many turns."""
    depth = rows.shape[1]
    done = min(done, len(turns))
    text = [letters[row] for row in rows.ravel().tolist()]
    cells = _blank(text)
    merged = _blank([""] * k)
    caption = ["Nothing taken yet. Pull the slider."]
    place = 0
    for number, turn in enumerate(turns[:done], start=1):
        at = turn.vector * depth + turn.rank
        colour = PALETTE[turn.vector % len(PALETTE)]
        fill = "rgba({}, {}, {}, 0.55)".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))
        row = int(rows[turn.vector, turn.rank])
        if turn.new:
            for state, where in ((cells, at), (merged, place)):
                state["marker.color"][where] = fill
                state["marker.line.color"][where] = colour
            merged["text"][place] = letters[row]
            place += 1
        else:
            cells["marker.symbol"][at] = "square-x"
        if number == done:
            for state, where in ((cells, at), (merged, place - 1)):
                if state is cells or turn.new:
                    state["marker.line.color"][where] = VERMILION
                    state["marker.line.width"][where] = 4
            what = f"taken as number {place}" if turn.new else "there already, skipped"
            head = f"<b>{vectors[turn.vector]}, rank {turn.rank + 1}: {letters[row]} {what}</b>"
            caption = [f"{head}<br>{shortened(escape(texts[row], quote=False), 80, 44)}"]
    return [cells, merged, dict.fromkeys(cells) | {"text": caption}]


def _blank(text: list[str]) -> dict[str, Any]:
    return {
        "text": text,
        "marker.symbol": ["square"] * len(text),
        "marker.color": [_EMPTY] * len(text),
        "marker.line.color": [GREY] * len(text),
        "marker.line.width": [1] * len(text),
    }
