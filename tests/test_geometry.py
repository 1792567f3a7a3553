"""Oracles and measures of geometry against slow, obvious versions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from amer_book import oracles
from hypothesis import given
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
    each: list[Callable[..., np.ndarray]] = [
        geometry.centroid,
        geometry.equalised,
        lambda golds, mask=None: geometry.smallest_cap(golds, mask)[0],
        lambda golds, mask=None: geometry.smallest_cap(golds, mask)[1],
        lambda golds, mask=None: oracles.set_oracle(golds, 2, mask),
    ]
    for oracle in each:
        for b, padded in enumerate(oracle(golds, mask)):
            alone = oracle(golds[b : b + 1, mask[b]])[0]
            np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_centroid_is_the_normalised_mean_of_directions() -> None:
    golds = RNG.standard_normal((3, 4, 5)).astype(np.float32)
    for length in (1, 7):
        found = geometry.centroid(length * golds)
        np.testing.assert_allclose(found, unit(unit(golds).mean(1)), atol=1e-5)


def test_equalised_scores_all_golds_alike_with_the_least_length() -> None:
    golds = unit(RNG.standard_normal((5, 3, 8))).astype(np.float32)
    for rows, vector in zip(golds, geometry.equalised(golds), strict=True):
        assert np.ptp(rows @ vector) < 1e-5
        least = np.linalg.lstsq(rows.astype(np.float64), np.ones(3), rcond=None)[0]
        np.testing.assert_allclose(vector, unit(least), atol=1e-5)


def test_opposite_golds_have_no_vector_and_do_not_break_the_oracles() -> None:
    x = unit(RNG.standard_normal(6)).astype(np.float32)
    golds = np.stack([x, -x])[None]
    for vector in (geometry.centroid(golds), geometry.equalised(golds)):
        np.testing.assert_allclose(vector[0], x, atol=1e-5)  # a gold itself
    vector, worst = geometry.smallest_cap(golds)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) and worst[0] <= 1e-6


@pytest.mark.parametrize(("n", "dim"), [(1, 2), (2, 2), (4, 2), (3, 5), (5, 4)])
def test_smallest_cap_against_a_general_optimiser(n: int, dim: int) -> None:
    golds = unit(RNG.standard_normal((6, n, dim)) + 2 * np.eye(dim)[0])
    vectors, worst = geometry.smallest_cap(golds.astype(np.float32))
    np.testing.assert_allclose(np.einsum("bnd,bd->bn", golds, vectors).min(1), worst, atol=1e-5)
    for rows, found in zip(golds, worst, strict=True):
        # shortest v with v·g ≥ 1 for all golds: the least cosine is then 1 / |v|
        bound, start = LinearConstraint(rows, lb=1), 5 * rows.mean(0)
        solved = minimize(np.linalg.norm, start, constraints=[bound], tol=1e-12)
        assert found == pytest.approx(1 / solved.fun, abs=1e-4)


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
    rows = RNG.integers(400, size=(60, 3))
    golds = documents[rows]
    ks = (1, 5, 50, 400)
    found = geometry.rho(golds, index, ks)
    centre = geometry.centroid(golds)
    distance = np.linalg.norm(documents[None] - centre[:, None], axis=2)
    nearest = distance.argsort(1)
    for column, k in enumerate(ks):
        radius = np.sort(distance, 1)[:, k - 1]
        np.testing.assert_allclose(found[:, column] * radius, geometry.diameter(golds), atol=1e-3)
        for b in np.flatnonzero(found[:, column] > 2):
            assert not np.isin(rows[b], nearest[b, :k]).all()
    assert (found[:, 1] > 2).any() and (found[:, -1] <= 2).all()


def test_best_vector_finds_what_the_cap_misses() -> None:
    """An intruder at the centre of the cap: a ranking of two holds both golds only beside it."""
    golds = unit(np.array([[1, 0.5, 0], [1, -0.5, 0]]))
    others = unit(np.array([[1, 0, 0.3], [-1, 0, 0], [0, 0, 1], [0, -1, 1]]))
    index = FaissIndex(3)
    index.add(np.concatenate([golds, others]).astype(np.float32), list("abcdef"))
    sets = golds[None].astype(np.float32)
    assert 2 in index.search(geometry.smallest_cap(sets)[0], 2).rows
    vector = oracles.best_vector(sets, index, 2)
    assert set(index.search(vector, 2).rows[0]) == {0, 1}


def test_set_oracle_splits_a_set_where_it_is_wide() -> None:
    golds = unit(np.array([[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1]]))[None].astype(np.float32)
    one, two, own = (oracles.set_oracle(golds, m)[0] for m in (1, 2, 6))  # two to spare
    np.testing.assert_allclose(one, geometry.smallest_cap(golds)[0], atol=1e-6)
    np.testing.assert_allclose(np.sort(two[:, 0]), [-1, 1], atol=1e-5)
    assert {tuple(v) for v in own.round(4)} == {tuple(g) for g in golds[0].round(4)}


def test_diversity_of_vectors_between_collapse_and_orthogonality() -> None:
    same, apart = np.ones((1, 4, 5)), np.eye(5)[None, :4]
    pairs = np.repeat(apart[:, :2], 2, axis=1)  # two directions, each twice
    for vectors, cosine, number in ((same, 1, 1), (apart, 0, 4), (pairs, 1 / 3, 2)):
        assert geometry.vector_cosine(vectors)[0] == pytest.approx(cosine)
        assert geometry.effective_number(vectors)[0] == pytest.approx(number)
    rows = np.array([[1, 1, 1, 1], [1, 2, 3, 4], [7, 2, 7, 4]])
    np.testing.assert_allclose(geometry.same_top(rows), [1, 0.25, 0.5])


@pytest.mark.parametrize(("dim", "k"), [(2, 50), (3, 10), (64, 10)])
def test_competition_is_what_random_directions_reach(dim: int, k: int) -> None:
    documents = 10_000
    points = unit(np.random.default_rng(dim).standard_normal((documents, dim)))
    reached = np.median([np.partition(points @ v, -k)[-k] for v in points[:200]])
    assert oracles.competition(dim, documents, k) == pytest.approx(reached, abs=0.01)
    if dim == 3:  # on the sphere a cap's area is linear in its height
        assert oracles.competition(3, documents, k) == pytest.approx(1 - 2 * k / documents)


GOLDS, MASK = ragged()
INDEX = corpus(20, 6)[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometry.centroid(GOLDS), r"rows \[0, 1, 2\] hold no vector"),  # padding counts
        (lambda: geometry.diameter(np.ones((2, 3))), r"\(B, n, d\), got \(2, 3\)"),
        (lambda: geometry.diameter(GOLDS, MASK.astype(int)), r"bool \(4, 4\), got int64"),
        (lambda: geometry.rho(GOLDS, FaissIndex(6, metric="ip"), [1]), "cosine, got 'ip'"),
        (lambda: geometry.rho(GOLDS, INDEX, [1, 21], MASK), r"\[1, 20\]"),
        (lambda: geometry.rho(GOLDS, INDEX, [2.5], MASK), r"k=2\.5"),  # type: ignore[list-item]
        (lambda: oracles.best_vector(GOLDS, INDEX, 3, MASK), "k=3 cannot hold 4 golds"),
        (lambda: oracles.set_oracle(GOLDS, 0, MASK), "set_oracle: m=0 must be"),
        (lambda: geometry.vector_cosine(np.ones((2, 1, 3))), "at least two vectors"),
        (lambda: geometry.same_top(np.ones((2, 2))), "float64"),  # type: ignore[arg-type]
        (lambda: oracles.competition(1, 10, 1), "dim=1"),
        (lambda: oracles.competition(8, 10, 11), "k=11"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
