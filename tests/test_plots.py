from __future__ import annotations

import numpy as np
import pytest
from amer_book.figures import (
    ScorePlane,
    cache_work,
    cost_lines,
    intervals,
    score_planes,
    seed_dots,
    who_finds_what,
)
from amer_book.figures.searching import _side


def plane(ranks: list[int], seed: int = 0) -> ScorePlane:
    """Golds left of all neighbours unless their rank is within 10."""
    rng = np.random.default_rng(seed)
    found = np.array(ranks) <= 10
    scores = np.where(found, 0.6, 0.2)
    wrong = 10 - int(found.sum())
    return ScorePlane(
        background=rng.uniform(-0.1, 0.3, (20, 2)),
        neighbours=np.stack([np.linspace(0.5, 0.7, wrong), rng.uniform(-1, 1, wrong)], axis=1),
        neighbour_texts=[f"wrong <{i}> & more" for i in range(wrong)],
        golds=np.stack([scores, np.linspace(-0.5, 0.5, len(ranks))], axis=1),
        gold_texts=[f"sense {i}, " + "long " * 30 for i in range(len(ranks))],
        ranks=ranks,
    )


PLANES = {"crane": plane([7, 1234]), "bass": plane([1, 2, 3], seed=1), "pen": plane([99], seed=2)}


def traces(fig, query: str) -> dict:  # type: ignore[no-untyped-def]
    """A query's traces by name, as its menu entry shows them."""
    menu = fig.layout.updatemenus[0]
    button = next(b for b in menu.buttons if b.label == query)
    shown = [t for t, seen in zip(fig.data, button.args[0]["visible"], strict=True) if seen]
    return {t.name or t.text[-1]: t for t in shown}


def test_the_menu_shows_each_query_alone_and_the_figure_starts_with_the_first() -> None:
    fig = score_planes(PLANES, k=10, y_title="across")
    assert [b.label for b in fig.layout.updatemenus[0].buttons] == list(PLANES)
    masks = np.array([b.args[0]["visible"] for b in fig.layout.updatemenus[0].buttons])
    assert (masks.sum(axis=0) == 1).all()
    assert [t.visible for t in fig.data] == masks[0].tolist()
    # The legend must not change its size from query to query, or the plot would jump.
    entries = [{n for n, t in traces(fig, q).items() if t.showlegend is not False} for q in PLANES]
    assert entries[0] == entries[1] == entries[2] and len(entries[0]) == 4


def test_golds_are_sorted_into_found_and_missed_by_rank() -> None:
    fig = score_planes(PLANES, k=10, y_title="across")
    crane, bass, pen = (traces(fig, query) for query in PLANES)
    assert crane["sense found"].text == ("7",) and crane["sense missed"].text == ("1,234",)
    assert bass["sense found"].text == ("1", "2", "3") and bass["sense missed"].x == (None,)
    assert pen["sense found"].x == (None,)
    np.testing.assert_allclose(crane["sense missed"].x, [0.2])


def test_the_line_parts_the_top_k_from_the_rest() -> None:
    fig = score_planes(PLANES, k=10, y_title="across")
    for query in PLANES:
        shown = traces(fig, query)
        cut = shown["top 10 →"].x[0]
        inside = [*shown["top 10, wrong"].x, *(x for x in shown["sense found"].x if x is not None)]
        assert len(inside) == 10 and min(inside) == pytest.approx(cut, abs=1e-3)
        assert all(x < cut for x in shown["sense missed"].x if x is not None)
        assert (shown["query"].x, shown["query"].y) == ((1,), (0,))


def test_hover_texts_fit_a_phone_and_are_no_markup() -> None:
    shown = traces(score_planes(PLANES, k=10, y_title="across"), "crane")
    for name in ("sense found", "sense missed", "top 10, wrong"):
        for text in shown[name].customdata:
            lines = text.removeprefix("<b>").split("<br>")
            assert max(map(len, lines)) <= 55  # the bold head included
            assert all(len(line) <= 38 for line in lines[1:])
    assert "wrong &lt;0&gt; &amp; more" in shown["top 10, wrong"].customdata[0]


def test_labels_of_close_points_take_different_sides() -> None:
    points = np.array([[0.3, 0.5], [0.3, 0.45], [0.3, 0.4], [0.9, 0.45]])
    assert [_side(points, row) for row in range(4)] == [
        "top center", "middle right", "bottom center", "top center",
    ]  # fmt: skip
    same = np.zeros((2, 2))
    assert _side(same, 0) != _side(same, 1)


SERIES = {"one": [(0.5, 0.4, 0.7), (0.2, 0.1, 0.25)], "both": [(0.3, 0.2, 0.4), (0.0, 0.0, 0.0)]}


def test_intervals_reach_from_low_to_high() -> None:
    fig = intervals({"only": SERIES}, ["near", "far"], "distance", "share")
    assert not fig.layout.updatemenus
    assert tuple(fig.layout.xaxis.ticktext) == ("near", "far")
    for trace, values in zip(fig.data, SERIES.values(), strict=True):
        means, lows, highs = np.array(values).T
        np.testing.assert_allclose(np.asarray(trace.y) + trace.error_y.array, highs)
        np.testing.assert_allclose(np.asarray(trace.y) - trace.error_y.arrayminus, lows, atol=1e-12)
        np.testing.assert_allclose(trace.y, means)
    assert not np.allclose(fig.data[0].x, fig.data[1].x)  # neither hides the other's bars
    assert fig.data[0].marker.symbol != fig.data[1].marker.symbol


def test_interval_views_switch_whole_sets_of_series() -> None:
    fig = intervals({"k = 10": SERIES, "k = 100": SERIES}, ["near", "far"], "distance", "share")
    buttons = fig.layout.updatemenus[0].buttons
    assert [b.label for b in buttons] == ["k = 10", "k = 100"]
    assert [t.visible for t in fig.data] == [True, True, False, False]
    assert buttons[1].args[0]["visible"] == [False, False, True, True]
    assert fig.data[0].line.color == fig.data[2].line.color != fig.data[1].line.color


def test_cache_work_colours_what_each_step_computes() -> None:
    fig = cache_work({"cached": [(3, 0), (1, 3)], "not": [(3, 0), (4, 0)]})
    assert [list(map(int, row)) for row in fig.data[0].z] == [[2, 2, 2, 0], [1, 1, 1, 2]]
    assert [list(map(int, row)) for row in fig.data[1].z] == [[2, 2, 2, 0], [2, 2, 2, 2]]
    buttons = fig.layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == ["cached: 4", "not: 7"]
    assert [trace.visible for trace in fig.data] == [True, False]


def test_cost_lines_are_told_apart_without_colour() -> None:
    fig = cost_lines([4, 16], {"cached": [1.0, 2.0], "not": [3.0, 9.0]})
    assert [trace.line.dash for trace in fig.data] == ["solid", "dash"]
    assert list(fig.data[1].y) == [3.0, 9.0]


def test_who_finds_what_draws_every_vectors_rank_of_every_definition() -> None:
    fig = who_finds_what(
        ["crane", "pen"],
        [["a bird " + "x" * 200, "a machine"], ["a tool"]],
        [[[2000, 1], [7, 300]], [[3], [4]]],
        ["single", "v1"],
        k=100,
    )
    crane = [
        t
        for t, seen in zip(
            fig.data, fig.layout.updatemenus[0].buttons[0].args[0]["visible"], strict=True
        )
        if seen
    ]
    assert [t.name for t in crane[1:]] == ["single", "v1"]
    assert list(crane[2].x) == [7, 300] and list(crane[2].y) == [0, 1]
    assert all(len(line) <= 46 for text in crane[0].text for line in text.split("<br>"))
    assert crane[0].text[0].endswith("…") and fig.layout.shapes[0].x0 == 100


def test_who_finds_what_tells_seven_vectors_apart() -> None:
    names = ["single", *(f"v{j}" for j in range(1, 7))]
    marks = who_finds_what(["pen"], [["a tool"]], [[[j + 1] for j in range(7)]], names, 10).data[1:]
    assert len({(t.marker.symbol, t.marker.color) for t in marks}) == 7
    assert len({t.marker.symbol for t in marks}) == 7


def test_seed_dots_draw_the_baselines_mean() -> None:
    fig = seed_dots({"one": [1.0, 3.0], "two": [2.5, 3.5]}, "one", "MRecall")
    assert fig.layout.shapes[0].x0 == 2.0
    assert [list(trace.x) for trace in fig.data] == [[1.0, 3.0], [2.5, 3.5]]
