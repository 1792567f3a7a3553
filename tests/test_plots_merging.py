from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from amer_book.figures import Turn, merge_steps

ROWS = np.array([[4, 7], [7, 9]])
RULES = {
    "by turns": [Turn(0, 0, True), Turn(1, 0, True), Turn(0, 1, False), Turn(1, 1, True)],
    "by votes": [Turn(1, 0, True), Turn(0, 1, False), Turn(0, 0, True), Turn(1, 1, True)],
}


def figure() -> go.Figure:
    texts = {4: "four & more", 7: "seven", 9: "nine"}
    return merge_steps(ROWS, RULES, texts, {9}, ["v1", "v2"])


def test_merge_is_drawn_after_its_last_turn() -> None:
    fig = figure()
    lists, merged, caption = fig.data[:3]
    assert list(lists.text) == ["A", "B", "B", "C★"]  # letters in turn order, a star for the gold
    assert list(merged.text) == ["A", "B", "C★"]
    assert list(lists.marker.symbol) == ["square", "square-x", "square", "square"]
    assert lists.customdata[0] == "<b>A</b> four &amp; more"
    assert "v2, rank 2: C★ taken as number 3" in caption.text[0]
    assert [list(fig.data[at].text) for at in (4,)] == [["B", "A", "C★"]]
    assert list(fig.layout.xaxis.ticktext) == ["v1", "v2", "<b>merged</b>"]


def test_buttons_show_one_rule_at_a_time() -> None:
    fig = figure()
    assert [trace.visible for trace in fig.data] == [True] * 3 + [False] * 3
    buttons = fig.layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == list(RULES)
    assert buttons[1].args[0]["visible"] == [False] * 3 + [True] * 3


def test_slider_goes_through_the_turns_of_every_rule() -> None:
    slider = figure().layout.sliders[0]
    assert [step.label for step in slider.steps] == ["0", "1", "2", "3", "4"] and slider.active == 4
    (start,), (third,), (end,) = (slider.steps[at].args for at in (0, 3, 4))
    assert start["text"][1] == ["", "", ""] and "Nothing taken" in start["text"][2][0]
    assert third["text"][1] == ["A", "B", ""] and "B there already" in third["text"][2][0]
    assert third["text"][4] == ["B", "A", ""]
    assert third["marker.line.width"][0] == [1, 4, 1, 1]  # the entry whose turn it is …
    assert third["marker.line.width"][1] == [1, 1, 1]  # … and nothing new beside it
    for at, trace in enumerate(figure().data):
        assert end["text"][at] == list(trace.text)
