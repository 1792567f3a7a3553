from __future__ import annotations

import pytest
from amer_book.figures import forest

ROWS = {
    "many intents": {"@10": (20.0, 17.0, 23.0), "@100": (8.0, 5.0, 11.0)},
    "words with one sense": {"@10": (-0.2, -0.9, 0.5)},
    "kinds": {"@10": (-1.0, -1.5, -0.5), "@100": (0.0, 0.0, 0.0)},
}


def test_marks_are_filled_where_the_interval_leaves_out_zero() -> None:
    ten, hundred = forest(ROWS, "points").data
    assert (ten.name, hundred.name) == ("@10", "@100")
    assert list(ten.marker.symbol) == ["circle", "circle-open", "circle"]
    assert list(hundred.marker.symbol) == ["square", "square-open"]


def test_marks_of_a_world_stand_in_its_line() -> None:
    fig = forest(ROWS, "points")
    ten, hundred = fig.data
    assert [round(y) for y in ten.y] == [0, 1, 2] and [round(y) for y in hundred.y] == [0, 2]
    assert ten.y[0] < hundred.y[0]  # both show
    assert list(fig.layout.yaxis.ticktext) == ["many intents", "words with one<br>sense", "kinds"]
    assert tuple(ten.customdata[1]) == ("words with one sense", -0.2, -0.9, 0.5)


def test_axis_is_stretched_around_zero_and_keeps_the_order() -> None:
    fig = forest(ROWS, "points")
    values = {name: x for (name, *_), x in zip(fig.data[0].customdata, fig.data[0].x, strict=True)}
    x = [values["kinds"], values["words with one sense"], 0, values["many intents"]]
    assert x == sorted(x)
    low, high = (fig.data[0].error_x[end][0] for end in ("arrayminus", "array"))
    assert low > high > 0  # three points to either side, the nearer to zero the wider
    ticks = dict(zip(fig.layout.xaxis.ticktext, fig.layout.xaxis.tickvals, strict=True))
    assert list(ticks) == ["-1", "0", "+1", "+3", "+10"] and ticks["0"] == 0
    assert ticks["+1"] == pytest.approx(-ticks["-1"])
    assert ticks["+10"] - ticks["+3"] < 10 * (ticks["+1"] - ticks["0"]) / 3
    assert fig.layout.xaxis.range[0] < min(x) and fig.layout.xaxis.range[1] > max(x)


def test_tolerated_loss_is_a_line() -> None:
    without, given = forest(ROWS, "points"), forest(ROWS, "points", tolerated=-0.5)
    assert len(given.layout.shapes) == len(without.layout.shapes) + 1
    ticks = dict(zip(given.layout.xaxis.ticktext, given.layout.xaxis.tickvals, strict=True))
    assert ticks["-1"] < given.layout.shapes[-1].x0 < 0
