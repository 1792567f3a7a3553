from __future__ import annotations

from amer_book.figures import training_curves


def test_training_curves_show_one_view_and_name_its_axis() -> None:
    views = {
        "loss": {"gold": [3.0, 1.0], "predicted": [4.0, 0.12345]},
        "Recall@10, %": {"predicted": [0.0, 99.0]},
    }
    fig = training_curves([0, 40], views)
    assert [trace.visible for trace in fig.data] == [True, True, False]
    assert [list(trace.y) for trace in fig.data] == [[3, 1], [4, 0.123], [0, 99]]
    assert list(fig.data[0].x) == [0, 40] and fig.layout.yaxis.title.text == "loss"
    shown, axis = fig.layout.updatemenus[0].buttons[1].args
    assert shown["visible"] == [False, False, True]
    assert axis == {"yaxis.title.text": "Recall@10, %"}


def test_a_line_keeps_its_look_in_every_view() -> None:
    fig = training_curves([0], {"a": {"x": [1.0], "y": [2.0]}, "b": {"y": [3.0]}}, y_title="loss")
    first, second, third = fig.data
    assert (second.line.color, second.marker.symbol) == (third.line.color, third.marker.symbol)
    assert first.line.color != second.line.color and first.marker.symbol != second.marker.symbol
    assert [button.args[1]["yaxis.title.text"] for button in fig.layout.updatemenus[0].buttons] == [
        "loss", "loss",
    ]  # fmt: skip
