from __future__ import annotations

from amer_book.figures import panels

POINTS = [(50.0, 40.0, 65.0), (20.0, 10.0, 30.0)]
HIGHER = [(60.0, 60.0, 60.0), (30.0, 30.0, 30.0)]


def test_panels_show_one_view_and_one_legend() -> None:
    view = {name: {"2 golds": POINTS, "by chance": HIGHER} for name in ("a", "b", "c")}
    fig = panels({"k = 10": view, "k = 100": view}, ["near", "far"], "x", "y", {"by chance": None})
    assert [trace.visible for trace in fig.data] == [True] * 6 + [False] * 6
    assert [trace.showlegend for trace in fig.data[:6]] == [True, True] + [False] * 4
    assert {trace.legendgroup for trace in fig.data} == {"2 golds", "by chance"}
    second = fig.layout.updatemenus[0].buttons[1]
    assert second.label == "k = 100" and second.args[0]["visible"] == [False] * 6 + [True] * 6
    titles = [note.text for note in fig.layout.annotations]
    assert titles == ["a", "b", "c", "x", "y"]


def test_panels_draw_the_interval_of_a_series_and_none_of_what_it_is_compared_with() -> None:
    fig = panels(
        {"": {"a": {"both": POINTS, "one": HIGHER}}}, ["1", "2"], "x", "y", {"one": "both"}
    )
    both, one = fig.data
    assert list(both.y) == [50, 20] and list(both.error_y.array) == [15, 10]
    assert list(both.error_y.arrayminus) == [10, 10]
    assert one.error_y.array is None and one.line.dash == "dot"
    assert one.line.color == both.line.color and list(one.x) == list(both.x)
    assert both.showlegend and not one.showlegend
    assert not fig.layout.updatemenus


def test_panels_keep_neighbouring_series_apart() -> None:
    fig = panels({"": {"a": {"p": POINTS, "q": HIGHER}}}, ["1", "2"], "x", "y")
    assert fig.data[0].x[0] < 0 < fig.data[1].x[0]
    assert fig.data[0].marker.symbol != fig.data[1].marker.symbol
