from __future__ import annotations

import numpy as np
from amer_book.figures import pointing


def test_a_query_at_a_time_with_its_own_words_on_the_axis() -> None:
    fig = pointing(
        ["osprey and sonnet", "gasket"],
        [["osprey", "and", "sonnet"], ["gasket"]],
        [np.array([[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]), np.ones((2, 1))],
        ["v1", "v2"],
        [["osprey: a hawk", "sonnet: a verse form"], ["gasket: a seal", "gasket: a seal"]],
    )
    assert [trace.visible for trace in fig.data] == [True, True, False, False]
    assert list(fig.data[0].z[1]) == [0.0, 0.1, 0.9]
    assert list(fig.data[1].text) == ["osprey: a hawk", "sonnet: a verse form"]
    assert list(fig.layout.xaxis.ticktext) == ["osprey", "and", "sonnet"]
    assert list(fig.layout.xaxis.range) == [-0.5, 2.5]
    shown, axis = fig.layout.updatemenus[0].buttons[1].args
    assert shown["visible"] == [False, False, True, True]
    assert axis["xaxis.ticktext"] == ["gasket"] and axis["xaxis.range"] == [-0.5, 0.5]
