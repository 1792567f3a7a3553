"""Merges against plain loops (tests/slow_merge.py), formulas and hand-made cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logsumexp

from amer_lite.search import merge
from amer_lite.search.index import Rows, Scores, Vectors
from amer_lite.search.merge import Merged
from tests import slow_merge


@st.composite
def ragged(draw: st.DrawFn) -> tuple[Rows, Scores, int]:
    """Lists without repeats, −1 anywhere; scores with many ties, nonsense beside a −1; a k."""
    b, m, depth = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6)))
    pool = draw(st.sampled_from([6, 9, 30]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = np.array([[generator.permutation(pool)[:depth] for _ in range(m)] for _ in range(b)])
    rows[draw(hnp.arrays(bool, rows.shape))] = -1
    values = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1e-30, 0.5, 3.0])
    scores = draw(hnp.arrays(np.float32, rows.shape, elements=values))
    scores[rows < 0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 9.0]))
    return rows, scores, draw(st.integers(1, m * depth + 2))


def ones(rows: Rows, width: int = 5, value: float = 1) -> Vectors:
    return np.full((len(rows), width), value, dtype=np.float32)


def assert_same(ours: Merged, slow: Merged) -> None:
    for name in Merged._fields:
        np.testing.assert_array_equal(getattr(ours, name), getattr(slow, name), err_msg=name)
    assert [array.dtype for array in ours] == [np.int64, np.float32, np.int64]


RULES: list[Callable[..., Merged]] = [
    lambda rules, rows, scores, k: rules.round_robin(rows, k),
    lambda rules, rows, scores, k: rules.max_score(scores, rows, k),
    *[lambda rules, rows, scores, k, c=c: rules.rrf(rows, k, c) for c in (0, 1, 60)],
]


@settings(max_examples=400)
@given(st.sampled_from(RULES), ragged())
def test_a_rule_is_the_loop(rule: Callable[..., Merged], case: tuple[Rows, Scores, int]) -> None:
    assert_same(rule(merge, *case), rule(slow_merge, *case))


@pytest.mark.parametrize("rule", RULES)
def test_a_large_case_needs_every_rank(rule: Callable[..., Merged]) -> None:
    generator = np.random.default_rng(0)
    rows = np.array([[generator.permutation(70)[:60] for _ in range(5)] for _ in range(40)])
    rows[::7, :, 2:] = -1
    rows[::20] = -1
    scores = -np.sort(-generator.random(rows.shape, dtype=np.float32), axis=2)
    for k in (1, 20, 64, 100):
        assert_same(rule(merge, rows, scores, k), rule(slow_merge, rows, scores, k))


@given(ragged(), st.sampled_from([0.05, 1.0, 1e6]))
def test_mixture_is_the_loop(case: tuple[Rows, Scores, int], tau: float) -> None:
    rows, scores, k = case
    ours, slow = merge.mixture(scores, rows, k, tau), slow_merge.mixture(scores, rows, k, tau)
    # Sums of equal shares in another order may differ in their last digit, and so may their rank.
    np.testing.assert_allclose(ours.scores, slow.scores, rtol=1e-5, atol=1e-30)
    for found, score, expected in zip(ours.rows, ours.scores, slow.rows, strict=True):
        score = score[found >= 0]
        if (score[1:] < 0.999 * score[:-1]).all():  # no ties: the same order
            np.testing.assert_array_equal(found, expected)


def test_mixture_takes_turns_where_lists_differ_and_votes_where_they_agree() -> None:
    apart = np.array([[[0, 1, 2], [3, 4, 5]]])
    sure_and_unsure = np.array([[[0.9, 0.3, 0.2], [0.51, 0.5, 0.49]]], np.float32)
    merged = merge.mixture(sure_and_unsure, apart, 6)
    # the sure list has its first place at once, then the unsure one has all of its hits
    assert merged.rows.tolist() == [[0, 3, 4, 5, 1, 2]]
    assert merged.found_by.tolist() == [[0, 1, 1, 1, 0, 0]]
    assert merged.scores.sum() == pytest.approx(1)
    agreed = np.array([[[0, 1, 2], [3, 1, 4]]])
    even = np.array([[[0.5, 0.49, 0.1], [0.5, 0.49, 0.1]]], np.float32)
    assert merge.mixture(even, agreed, 3).rows.tolist() == [[1, 0, 3]]


def test_mixture_weighs_its_lists() -> None:
    rows, scores = np.array([[[0, 1], [2, 3]]]), np.array([[[0.9, 0.1], [0.9, 0.1]]], np.float32)
    merged = merge.mixture(scores, rows, 4, weights=np.array([[0.2, 0.8]], np.float32))
    assert merged.rows.tolist() == [[2, 0, 3, 1]]
    np.testing.assert_allclose(merged.scores[0, :2], [0.8, 0.2], rtol=1e-6)
    alone = merge.mixture(scores, rows, 4, weights=np.array([[1, 0]], np.float32))
    assert alone.rows[0, :2].tolist() == [0, 1]
    assert alone.scores[0, 2:].tolist() == [0, 0]


@given(ragged(), st.integers(0, 2**32), st.sampled_from([1e-6, 0.25]))
def test_soft_sum_is_the_loop(case: tuple[Rows, Scores, int], seed: int, tau: float) -> None:
    rows, _, k = case
    generator = np.random.default_rng(seed)
    # halves and quarters: similarities are exact, so that ties are ties in both versions
    documents = generator.integers(-4, 5, (30, 3)).astype(np.float32) / np.float32(4)
    queries = generator.integers(-2, 3, (*rows.shape[:2], 3)).astype(np.float32) / np.float32(2)
    ours = merge.soft_sum(rows, queries, lambda r: documents[r], k, tau)
    slow = slow_merge.soft_sum(rows, queries, lambda r: documents[r], k, tau)
    np.testing.assert_allclose(ours.scores, slow.scores, rtol=1e-6, atol=1e-6)
    for b, mine in enumerate(ours.rows):
        assert (mine >= 0).sum() == (slow.rows[b] >= 0).sum() == len({*mine.tolist()} - {-1})
        mine = mine[mine >= 0]
        similar = documents[mine] @ queries[b].T
        similar[:, (rows[b] < 0).all(1)] = -np.inf  # who has no list has no voice
        exact = logsumexp(similar / tau, axis=1)
        np.testing.assert_allclose(ours.scores[b, : len(mine)], exact, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(ours.found_by[b, : len(mine)], similar.argmax(axis=1))


def test_by_hand() -> None:
    rows = np.array([[[7, 3, 5], [7, 8, 3]]])
    scores = np.array([[[0.9, 0.5, 0.4], [0.8, 0.7, 0.6]]], dtype=np.float32)
    turns = merge.round_robin(rows, 6)
    # list 1 loses its first turn (7 is taken) and does not jump ahead to 8
    assert turns.rows.tolist() == [[7, 3, 8, 5, -1, -1]]
    assert turns.found_by.tolist() == [[0, 0, 1, 0, -1, -1]]
    assert (np.diff(turns.scores[0, :4]) < 0).all() and (turns.scores[0, 4:] == -np.inf).all()
    best = merge.max_score(scores, rows, 4)
    assert (best.rows.tolist(), best.found_by.tolist()) == ([[7, 8, 3, 5]], [[0, 1, 1, 0]])
    fused = merge.rrf(rows, 4)
    assert (fused.rows.tolist(), fused.found_by.tolist()) == ([[7, 3, 8, 5]], [[0, 0, 1, 0]])
    wanted = [2 / 61, 1 / 62 + 1 / 63, 1 / 62, 1 / 63]
    np.testing.assert_allclose(fused.scores[0], wanted, rtol=1e-6)


def test_soft_sum_asks_for_distinct_rows() -> None:
    asked: list[int] = []

    def vectors_of(rows: Rows) -> Vectors:
        assert (rows >= 0).all() and len(set(rows.tolist())) == len(rows)
        asked.append(len(rows))
        return ones(rows)

    rows = np.arange(2 * 12).reshape(2, 1, 12).repeat(3, axis=1) - 1
    rows = np.concatenate([rows, np.full_like(rows, -1)])  # two queries that found nothing
    merge.soft_sum(rows, ones(np.arange(12)).reshape(4, 3, 5), vectors_of, 3)
    assert asked == [11, 12]


def test_a_document_twice_in_a_list_counts_at_its_best_rank() -> None:
    rows = np.array([[[7, 7, 3, 7], [3, 8, 8, 9]]])
    scores = np.array([[[0.9, 0.9, 0.5, 0.4], [0.8, 0.7, 0.7, 0.6]]], np.float32)
    once = np.array([[[7, -1, 3, -1], [3, 8, -1, 9]]])
    fused = merge.rrf(rows, 4)
    assert fused.rows.tolist() == [[3, 7, 8, 9]]
    np.testing.assert_allclose(fused.scores[0], [1 / 61 + 1 / 63, 1 / 61, 1 / 62, 1 / 64])
    assert_same(fused, merge.rrf(once, 4))
    assert_same(merge.mixture(scores, rows, 4), merge.mixture(scores, once, 4))
    assert_same(merge.max_score(scores, rows, 4), merge.max_score(scores, once, 4))
    assert_same(merge.round_robin(rows, 4), merge.round_robin(once, 4))


@pytest.mark.parametrize("tau", [1e-30, 1e-310])
def test_a_tiny_temperature_leaves_the_first_of_each_list(tau: float) -> None:
    rows, scores = np.array([[[0, 1], [2, 3]]]), np.array([[[0.9, 0.1], [0.8, 0.7]]], np.float32)
    merged = merge.mixture(scores, rows, 4, tau)
    assert (merged.rows[0, :2].tolist(), merged.scores.tolist()) == ([0, 2], [[0.5, 0.5, 0, 0]])


def test_input_is_left_alone() -> None:
    rows = np.array([[[1, -1], [1, 2]]])
    scores = np.array([[[1, np.nan], [2, 0]]], dtype=np.float32)
    kept = rows.copy(), scores.copy()
    merge.max_score(scores, rows, 2), merge.rrf(rows, 2), merge.round_robin(rows, 2)
    np.testing.assert_array_equal(rows, kept[0])
    np.testing.assert_array_equal(scores, kept[1])


ROWS = np.zeros((2, 3, 4), dtype=np.int64)
SCORES = np.zeros(ROWS.shape, dtype=np.float32)
QUERIES = np.ones((2, 3, 5), dtype=np.float32)


def with_nan(values: Scores) -> Scores:
    values = values.copy()
    values[1, 2, 3] = np.nan
    return values


@pytest.mark.parametrize(
    ("rows", "k", "message"),
    [
        (ROWS, 0, "k=0"),
        (ROWS[0], 1, r"\(3, 4\)"),
        *[(np.empty(shape, np.int64), 1, "none of them 0") for shape in ((0, 3, 4), (2, 3, 0))],
        (ROWS.astype(float), 1, "float64"),
        (ROWS - 2, 1, "≥ −1"),
        (ROWS, 1.5, r"k=1\.5"),
    ],
)
def test_bad_rows(rows: Rows, k: int, message: str) -> None:
    scores = np.zeros(rows.shape, np.float32)
    for rule in (
        *RULES,
        lambda rules, rows, scores, k: rules.mixture(scores, rows, k),
        lambda rules, rows, scores, k: rules.soft_sum(rows, QUERIES, ones, k),
    ):
        with pytest.raises(ValueError, match=message):
            rule(merge, rows, scores, k)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: merge.max_score(SCORES[:, :, :2], ROWS, 1), "differ in shape"),
        (lambda: merge.max_score(with_nan(SCORES), ROWS, 1), "NaN"),
        (lambda: merge.mixture(with_nan(SCORES), ROWS, 1), "NaN"),
        (lambda: merge.mixture(SCORES, ROWS, 1, weights=-np.ones(SCORES.shape[:2])), "weights"),
        (lambda: merge.mixture(SCORES, ROWS, 1, weights=np.ones(3, np.float32)), "weights"),
        *[(lambda c=c: merge.rrf(ROWS, 1, c), "c=") for c in (-1.0, np.inf, np.nan)],
        *[(lambda t=t: merge.soft_sum(ROWS, QUERIES, ones, 1, t), "tau=") for t in (0, np.nan)],
        *[(lambda t=t: merge.mixture(SCORES, ROWS, 1, t), "tau=") for t in (-1, np.inf)],
        (lambda: merge.soft_sum(ROWS, QUERIES[:, :2], ones, 1), "do not fit"),
        (lambda: merge.soft_sum(ROWS, QUERIES, lambda r: ones(r, 5, np.nan), 1), "of query 0"),
        (lambda: merge.soft_sum(ROWS, with_nan(QUERIES), ones, 1), "of query 1"),
        (lambda: merge.soft_sum(ROWS, QUERIES, ones, 1, 1e-40), "or tau=1e-40 is too small"),
    ],
)
def test_other_bad_input(call: Callable[[], Merged], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
