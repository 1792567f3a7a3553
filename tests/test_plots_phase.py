from __future__ import annotations

import numpy as np
import pytest
from amer_book.figures import phase_diagram, predictions


def test_phase_diagram_follows_menu_and_slider() -> None:
    gap = np.arange(12.0).reshape(2, 2, 3)
    curves = [[(8.0, 2.0), (32.0, 8.0)], [(16.0, 2.0), (16.0, 8.0)]]
    fig = phase_diagram(
        [8, 16, 32], [2, 8], {"gap": gap, "twice": 2 * gap}, ["a", "b"], {"e": curves}
    )
    assert [trace.visible for trace in fig.data] == [True, False, True]
    assert np.array(fig.data[0].z).tolist() == gap[0].tolist()
    assert list(fig.data[2].x) == [0, 2] and list(fig.data[2].y) == [0, 1]
    assert fig.layout.updatemenus[0].buttons[1].args[0]["visible"] == [False, True, True]
    slider = fig.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["a", "b"]
    change = slider.steps[1].args[0]
    assert change["z"][:2] == [gap[1].tolist(), (2 * gap[1]).tolist()]
    assert change["x"][2] == [1, 1] and change["y"][2] == [0, 1]  # the curve of the other world
    assert change["x"][0] == [0, 1, 2] and change["y"][0] == [0, 1]  # the cells stay in place


def test_curves_end_half_a_cell_beyond_the_outermost_ticks() -> None:
    far = [[(1.0, 1.0), (1000.0, 1000.0)]]
    fig = phase_diagram([8, 16], [2, 8], {"gap": np.zeros((1, 2, 2))}, ["a"], {"e": far})
    assert list(fig.data[1].x) == [-0.5, 1.5] and list(fig.data[1].y) == [-0.5, 1.5]


def test_predictions_show_one_predictor_at_a_time() -> None:
    fig = predictions(
        {"room": [0.5, 1.5, 2.0], "rho": [3.0, 1.0, 1.2]},
        {"quiet": [0, 1], "noisy": [2]},
        [0.0, 90.0, 80.0],
        {"room": [1.0], "rho": [1.4, 2.0]},
        ["w0", "w1", "w2"],
    )
    seen = [button.args[0]["visible"] for button in fig.layout.updatemenus[0].buttons]
    assert [sum(shown) for shown in seen] == [3, 4]  # two groups and the thresholds
    quiet, noisy, limit = fig.data[:3]
    assert list(quiet.x) == [0.5, 1.5] and list(quiet.y) == [0, 90] and list(noisy.x) == [2]
    assert list(noisy.customdata) == ["w2"] and list(limit.x) == [1, 1]
    assert quiet.marker.symbol != noisy.marker.symbol
    with pytest.raises(KeyError):
        predictions({"room": [1.0]}, {}, [1.0], {}, ["w0"])
