"""The splits of the recorded runs: what is drawn later was not measured before."""

from __future__ import annotations

from amer_book.runs.settings import _unseen

from amer_lite.datasets import wordnet


def test_a_later_draw_has_no_query_of_an_earlier_dev_or_test() -> None:
    first, second = (wordnet.load(documents=3_000, seed=seed) for seed in (0, 1))
    measured = {example.query for part in ("dev", "test") for example in first.splits[part]}
    fresh = _unseen(second, first)
    assert fresh.splits["train"] == second.splits["train"] and fresh.corpus == second.corpus
    for part in ("dev", "test"):
        drawn, kept = second.splits[part], fresh.splits[part]
        assert 0 < len(kept) < len(drawn)  # some had been measured, and only those are gone
        assert kept == [example for example in drawn if example.query not in measured]
        assert not measured & {example.query for example in kept}
