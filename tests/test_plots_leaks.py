from __future__ import annotations

from amer_book.figures import museum, scissors


def test_scissors_colour_the_data_and_dash_the_measure() -> None:
    curves = {
        "clean": {"in-batch": [1.0, 2.0], "corpus": [3.0, 4.0]},
        "leaked": {"in-batch": [5.0, 6.0], "corpus": [7.0, 8.125]},
    }
    fig = scissors([0, 40], curves, y_title="percent")
    assert [list(trace.y) for trace in fig.data] == [[1, 2], [3, 4], [5, 6], [7, 8.12]]
    assert [trace.name for trace in fig.data][:2] == ["clean: in-batch", "clean: corpus"]
    one, other, third, fourth = (trace.line for trace in fig.data)
    assert one.color == other.color != third.color == fourth.color
    assert one.dash == third.dash != other.dash == fourth.dash
    assert fig.layout.yaxis.title.text == "percent"


def test_museum_joins_each_pair() -> None:
    fig = museum({"space<br>in-batch": (70.0, 90.0), "copies": (50.0, 20.0)}, x_title="percent")
    first, second, clean, trapped = fig.data
    assert (list(first.x), list(second.x)) == ([70, 90], [50, 20])
    assert (list(clean.x), list(trapped.x)) == ([70, 50], [90, 20])
    assert list(clean.customdata) == ["space in-batch", "copies"]
    assert list(fig.layout.yaxis.ticktext) == ["space<br>in-batch", "copies"]
    assert clean.marker.symbol != trapped.marker.symbol
