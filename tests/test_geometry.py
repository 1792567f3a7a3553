"""Oracles and measures of geometry against slow, obvious versions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from amer_lite import FaissIndex
from amer_lite.evaluation import geometry

RNG = np.random.default_rng(0)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def ragged(dim: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Sets of one to four golds; the padding holds nonsense."""
    golds = RNG.standard_normal((4, 4, dim)) * 3
    mask = np.arange(4) < np.arange(1, 5)[:, None]
    golds[~mask] = np.nan
    return golds.astype(np.float32), mask


def corpus(count: int, dim: int) -> tuple[np.ndarray, FaissIndex]:
    documents = unit(RNG.standard_normal((count, dim))).astype(np.float32)
    index = FaissIndex(dim)
    index.add(documents, [str(i) for i in range(count)])
    return documents, index


def test_cosine_and_diameter_against_loops() -> None:
    golds, mask = ragged()
    cosine, width = geometry.gold_cosine(golds, mask), geometry.diameter(golds, mask)
    assert np.isnan(cosine[0]) and width[0] == 0
    for b in range(1, 4):
        pairs = list(combinations(unit(golds[b, mask[b]].astype(np.float64)), 2))
        assert cosine[b] == pytest.approx(np.mean([p @ q for p, q in pairs]), abs=1e-6)
        assert width[b] == pytest.approx(max(np.linalg.norm(p - q) for p, q in pairs), abs=1e-6)


def test_every_oracle_reads_a_padded_set_as_the_set_alone() -> None:
    golds, mask = ragged()
    for b in range(4):
        alone = golds[b : b + 1, mask[b]]
        for oracle in (geometry.centroid, geometry.equalised):
            np.testing.assert_allclose(oracle(golds, mask)[b], oracle(alone)[0], atol=1e-5)
        for padded, single in zip(
            geometry.smallest_cap(golds, mask), geometry.smallest_cap(alone), strict=True
        ):
            np.testing.assert_allclose(padded[b], single[0], atol=1e-5)
        two = geometry.set_oracle(golds, 2, mask)[b]
        np.testing.assert_allclose(two, geometry.set_oracle(alone, 2)[0], atol=1e-5)


def test_centroid_is_the_normalised_mean_of_directions() -> None:
    golds = RNG.standard_normal((3, 4, 5)).astype(np.float32)
    expected = unit(unit(golds).mean(1))
    np.testing.assert_allclose(geometry.centroid(golds), expected, atol=1e-5)
    np.testing.assert_allclose(geometry.centroid(7 * golds), expected, atol=1e-5)


def test_equalised_scores_all_golds_alike_with_the_least_length() -> None:
    golds = unit(RNG.standard_normal((5, 3, 8))).astype(np.float32)
    found = geometry.equalised(golds)
    scores = np.einsum("bnd,bd->bn", golds, found)
    np.testing.assert_allclose(scores, scores[:, :1].repeat(3, 1), atol=1e-5)
    for rows, vector in zip(golds, found, strict=True):
        least = np.linalg.lstsq(rows.astype(np.float64), np.ones(3), rcond=None)[0]
        np.testing.assert_allclose(vector, unit(least), atol=1e-5)


def test_opposite_golds_have_no_vector_and_do_not_break_the_oracles() -> None:
    x = unit(RNG.standard_normal(6)).astype(np.float32)
    golds = np.stack([x, -x])[None]
    for vector in (geometry.centroid(golds), geometry.equalised(golds)):
        np.testing.assert_allclose(vector[0], x, atol=1e-5)  # a gold itself
    vector, worst = geometry.smallest_cap(golds)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) and worst[0] <= 1e-6


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_smallest_cap_on_the_circle_against_a_grid(n: int) -> None:
    angle = RNG.uniform(-1.2, 1.2, (20, n))  # within a half circle: a cap exists
    golds = np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)
    grid = np.linspace(-np.pi, np.pi, 20_001)
    points = np.stack([np.cos(grid), np.sin(grid)], -1)
    expected = (golds @ points.T).min(1).max(1)
    vectors, worst = geometry.smallest_cap(golds)
    np.testing.assert_allclose(worst, expected, atol=2e-4)  # the grid's steps are 3e-4
    np.testing.assert_allclose(np.einsum("bnd,bd->bn", golds, vectors).min(1), worst, atol=1e-5)


def test_smallest_cap_against_a_general_optimiser() -> None:
    golds = unit(RNG.standard_normal((6, 5, 4)) + 1.5 * np.eye(4)[0])
    worst = geometry.smallest_cap(golds.astype(np.float32))[1]
    for rows, found in zip(golds, worst, strict=True):
        # shortest v with v·g ≥ 1 for all golds: the least cosine is then 1 / |v|
        solved = minimize(  # type: ignore[call-overload]
            lambda v: float(v @ v),
            5 * rows.mean(0),
            method="SLSQP",
            constraints=[LinearConstraint(rows, lb=1)],
            tol=1e-12,
        )
        assert solved.success
        assert found == pytest.approx(1 / np.sqrt(solved.fun), abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 10_000))
def test_no_vector_beats_the_smallest_cap(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    golds = unit(rng.standard_normal((1, n, dim)))
    worst = geometry.smallest_cap(golds.astype(np.float32))[1][0]
    tried = unit(rng.standard_normal((2000, dim)))
    best = (tried @ golds[0].T).min(1).max()
    assert best <= max(worst, 0) + 1e-5  # no cap: every vector has a gold at cosine ≤ 0


def test_rho_is_diameter_over_radius_and_above_two_a_gold_is_missing() -> None:
    documents, index = corpus(400, 3)
    golds = documents[RNG.integers(400, size=(60, 3))]
    ks = (1, 5, 50, 400)
    found = geometry.rho(golds, index, ks)
    centre = geometry.centroid(golds)
    distance = np.linalg.norm(documents[None] - centre[:, None], axis=2)
    nearest = distance.argsort(1)
    for column, k in enumerate(ks):
        radius = np.sort(distance, 1)[:, k - 1]
        np.testing.assert_allclose(found[:, column] * radius, geometry.diameter(golds), atol=1e-3)
        top = documents[nearest[:, :k]]
        for b in np.flatnonzero(found[:, column] > 2):
            inside = [(np.abs(top[b] - gold).max(1) < 1e-6).any() for gold in golds[b]]
            assert not all(inside)
    assert (found[:, 1] > 2).any() and (found[:, -1] <= 2).all()


def test_best_vector_finds_what_the_cap_misses() -> None:
    """An intruder at the centre of the cap: a ranking of two holds both golds only beside it."""
    golds = unit(np.array([[1, 0.5, 0], [1, -0.5, 0]]))
    others = unit(np.array([[1, 0, 0.3], [-1, 0, 0], [0, 0, 1], [0, -1, 1]]))
    index = FaissIndex(3)
    index.add(np.concatenate([golds, others]).astype(np.float32), list("abcdef"))
    sets = golds[None].astype(np.float32)
    assert 2 in index.search(geometry.smallest_cap(sets)[0], 2).rows
    vector = geometry.best_vector(sets, index, 2)
    assert set(index.search(vector, 2).rows[0]) == {0, 1}


def test_set_oracle_splits_a_set_where_it_is_wide() -> None:
    left, right = unit(np.array([[1, 0.1], [1, -0.1]])), unit(np.array([[-1, 0.1], [-1, -0.1]]))
    golds = np.concatenate([left, right])[None].astype(np.float32)
    two = geometry.set_oracle(golds, 2)[0]
    np.testing.assert_allclose(np.sort(two[:, 0]), [-1, 1], atol=1e-5)
    np.testing.assert_allclose(
        geometry.set_oracle(golds, 1)[0], geometry.smallest_cap(golds)[0], atol=1e-6
    )
    own = geometry.set_oracle(golds, 6)[0]  # two vectors to spare
    assert {tuple(v) for v in own.round(4)} == {tuple(g) for g in golds[0].round(4)}


def test_diversity_of_vectors_between_collapse_and_orthogonality() -> None:
    same, apart = np.ones((1, 4, 5)), np.eye(5)[None, :4]
    assert geometry.vector_cosine(same)[0] == pytest.approx(1)
    assert geometry.vector_cosine(apart)[0] == pytest.approx(0)
    assert geometry.effective_number(same)[0] == pytest.approx(1)
    assert geometry.effective_number(apart)[0] == pytest.approx(4)
    pairs = np.repeat(apart[:, :2], 2, axis=1)  # two directions, each twice
    assert geometry.effective_number(pairs)[0] == pytest.approx(2)
    np.testing.assert_allclose(
        geometry.same_top(np.array([[1, 1, 1, 1], [1, 2, 3, 4], [7, 2, 7, 4]])), [1, 0.25, 0.5]
    )


@pytest.mark.parametrize(("dim", "k"), [(2, 50), (3, 10), (64, 10)])
def test_competition_is_what_random_directions_reach(dim: int, k: int) -> None:
    documents = 10_000
    points = np.random.default_rng(dim).standard_normal((documents, dim))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    reached = np.median([np.partition(points @ v, -k)[-k] for v in points[:200]])
    assert geometry.competition(dim, documents, k) == pytest.approx(reached, abs=0.01)
    if dim == 3:  # on the sphere a cap's area is linear in its height
        assert geometry.competition(3, documents, k) == pytest.approx(1 - 2 * k / documents)


GOLDS, MASK = ragged()
INDEX = corpus(20, 6)[1]
INNER = FaissIndex(6, metric="ip")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometry.centroid(GOLDS), r"rows \[0, 1, 2\] hold no vector"),  # padding counts
        (lambda: geometry.equalised(np.zeros((1, 2, 3))), r"rows \[0\] hold no vector"),
        (lambda: geometry.diameter(np.ones((2, 3))), r"\(B, n, d\), got \(2, 3\)"),
        (lambda: geometry.diameter(GOLDS, MASK.astype(int)), r"bool \(4, 4\), got int64"),
        (lambda: geometry.rho(GOLDS, INNER, [1], MASK), "cosine, got 'ip'"),
        (lambda: geometry.rho(GOLDS, INDEX, [1, 21], MASK), r"\[1, 20\]"),
        (lambda: geometry.best_vector(GOLDS, INDEX, 3, MASK), "k=3 cannot hold 4 golds"),
        (lambda: geometry.set_oracle(GOLDS, 0, MASK), "m must be ≥ 1"),
        (lambda: geometry.vector_cosine(np.ones((2, 1, 3))), "at least two vectors"),
        (lambda: geometry.same_top(np.ones((2, 2))), "float64"),  # type: ignore[arg-type]
        (lambda: geometry.competition(1, 10, 1), "dim=1"),
        (lambda: geometry.competition(8, 10, 0), "k=0"),
        (lambda: geometry.competition(8, 10, 11), "k=11"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
