from __future__ import annotations

import numpy as np
import pytest
from amer_book.figures import Cap, boundary, caps, oracle_lines
from amer_book.figures.geometry import _rim

POLE = np.array([0.0, 0.0, 1.0])


def cap(n: int, found: int, angle: float = 0.5) -> Cap:
    golds = np.tile(POLE, (n, 1))
    return Cap(golds, np.arange(n) < found, POLE, angle)


def test_the_rim_lies_on_the_sphere_at_the_cap_s_angle() -> None:
    rim = _rim(Cap(POLE[None], np.array([True]), np.array([0.6, 0.0, 0.8]), 0.7))
    np.testing.assert_allclose(np.linalg.norm(rim, axis=1), 1)
    np.testing.assert_allclose(rim @ [0.6, 0.0, 0.8], np.cos(0.7))
    np.testing.assert_allclose(rim[0], rim[-1], atol=1e-12)


def test_caps_moves_every_set_with_the_slider_and_shows_one() -> None:
    sets = {2: [cap(2, 2), cap(2, 1, 0.9)], 3: [cap(3, 3), cap(3, 0, 0.9)]}
    fig = caps(np.eye(3), sets, ["10°", "20°"])
    assert [trace.visible for trace in fig.data] == [True] * 4 + [False] * 3
    for number, button in enumerate(fig.layout.updatemenus[0].buttons):
        shown = button.args[0]["visible"]
        assert shown[0] and shown[1 + 3 * number] and sum(shown) == 4  # the corpus and one set
    change, traces = fig.layout.sliders[0].steps[1].args
    assert list(traces) == [1, 2, 3, 4, 5, 6]
    assert [len(x) for x in change["x"]] == [2, 2, 49, 3, 2, 49]
    first, second = change["marker.color"][0], change["marker.color"][3]
    assert len(set(first)) == 2 and len(set(second)) == 1  # one of two missed; all three missed
    assert fig.data[1].marker.color[0] == first[0] != second[0]
    assert change["z"][2][0] == pytest.approx(np.cos(0.9), abs=1e-3)


def test_oracle_lines_shows_one_space_at_a_time() -> None:
    values = {"384": {"centroid": [100, 20]}, "64": {"centroid": [90, 10]}}
    fig = oracle_lines([2, 5], values)
    assert [list(line.y) for line in fig.data] == [[100, 20], [90, 10]]
    assert [line.visible for line in fig.data] == [True, False]


def test_boundary_draws_the_prediction_inside_the_picture() -> None:
    fig = boundary([8, 128], [2, 3], np.array([[10.0, 100.0], [0.0, 100.0]]), [1.2, 12.0])
    heat, line = fig.data
    assert np.array(heat.z).shape == (2, 2) and list(heat.x) == list(line.x) == ["8", "128"]
    assert list(line.y) == [1.2, 3.5] and list(line.customdata) == [1.2, 12.0]
