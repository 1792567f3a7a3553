from __future__ import annotations

import numpy as np
from amer_book.figures import assignment, trails


def test_assignment_follows_the_slider() -> None:
    shares = np.stack([np.full((2, 3), 1 / 3), [[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]]])
    fig = assignment(shares, ["a", "b", "c"], [0, 50])
    assert np.array(fig.data[0].z).tolist() == [[0.33] * 3] * 2
    assert list(fig.data[0].x) == ["a", "b", "c"] and list(fig.data[0].y) == ["v1", "v2"]
    slider = fig.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["0", "50"]
    change, traces = slider.steps[1].args
    assert change["z"] == [[[1, 0, 0], [0, 0.25, 0.75]]] and list(traces) == [0]


def test_trails_grow_with_the_slider_for_every_button() -> None:
    golds = np.array([[1.0, 0.0], [0.0, 1.0]])
    one = np.arange(6.0).reshape(3, 1, 2)
    two = -np.arange(12.0).reshape(3, 2, 2)
    fig = trails(golds, {"single": one, "multi": two}, [0, 10, 20], reach=12)
    assert [trace.visible for trace in fig.data] == [True, True, False, False]
    for number, button in enumerate(fig.layout.updatemenus[0].buttons):
        shown = button.args[0]["visible"]
        assert shown[0] and shown == [True] + [(number == 1) != (trace < 1) for trace in range(3)]
    slider = fig.layout.sliders[0]
    assert slider.active == 2 and list(fig.data[3].x) == [-2, -6, -10]  # drawn at the last step
    change, traces = slider.steps[1].args
    assert list(traces) == [1, 2, 3]
    assert change["x"] == [[0, 2], [0, -4], [-2, -6]] and change["y"][0] == [1, 3]
    assert change["marker.size"] == [[3, 13]] * 3


def test_trails_can_name_the_golds_and_offer_a_menu() -> None:
    golds, path = np.eye(2), np.zeros((1, 1, 2))
    fig = trails(golds, {"only": path}, [0], reach=1, names=["a", "b"], kind="dropdown")
    assert list(fig.data[0].text) == ["a", "b"] and fig.layout.updatemenus[0].type is None
    assert trails(golds, {"only": path}, [0], reach=1).data[0].mode == "markers"
