"""The splits of the recorded runs: what is drawn later was not measured before."""

from __future__ import annotations

from amer_book.runs.settings import _unseen

from amer_lite.datasets.types import Dataset, Example


def draw(**splits: str) -> Dataset:
    parts = {part: [Example(q, q, ["d"]) for q in queries] for part, queries in splits.items()}
    return Dataset("letters", {"d": "a document"}, parts)


def test_a_later_draw_has_no_query_of_an_earlier_dev_or_test() -> None:
    fresh = _unseen(draw(train="adx", dev="bcy", test="ezw"), draw(train="yz", dev="ab", test="ce"))
    assert fresh == draw(train="adx", dev="y", test="zw")
