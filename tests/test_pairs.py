"""What a dimension holds: the constructions hold what they promise, the search finds no more."""

from __future__ import annotations

import numpy as np
import pytest
from amer_book.worlds import pairs


def test_the_margin_is_that_of_the_worst_pair() -> None:
    documents = np.eye(3)
    queries = np.array([[0.8, 0.6, 0], [0.8, 0.1, 0.6], [0, 0.6, 0.8]])
    assert pairs.margin(documents, queries) == pytest.approx(0.5)  # 0.6 against 0.1
    assert pairs.margin(documents, queries[[1, 0, 2]]) == pytest.approx(-0.6)  # 0 against 0.6
    with pytest.raises(ValueError, match="2 queries for 3 pairs"):
        pairs.margin(documents, queries[:2])


@pytest.mark.parametrize("n", [3, 5, 40])
def test_on_the_curve_every_pair_is_a_top_two(n: int) -> None:
    documents, queries = pairs.curve(n)
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1)
    top = np.sort(np.argsort(queries @ documents.T, axis=1)[:, -2:], axis=1)
    np.testing.assert_array_equal(top, pairs.pairs(n))
    assert pairs.margin(documents, queries) > 0


def test_on_the_circle_every_document_is_its_own_top_one() -> None:
    cosine = pairs.circle(50) @ pairs.circle(50).T
    np.testing.assert_array_equal(cosine.argmax(1), np.arange(50))


@pytest.mark.parametrize(("dim", "n"), [(2, 3), (3, 4)])  # the numbers of corners that Euler allows
def test_the_search_finds_what_exists_and_no_more(dim: int, n: int) -> None:
    found = pairs.fit(n, dim, 0.5)
    assert found and found[0].shape == (n, dim) and pairs.margin(*found) >= 0.5
    assert pairs.fit(n + 1, dim, 1e-6, steps=100) is None
    assert pairs.most(range(2, dim + 1), 0.5, steps=60)[dim] == n


@pytest.mark.parametrize("dim", [2, 4])
def test_documents_that_are_apart_have_the_margin(dim: int) -> None:
    documents = pairs.apart(dim, 0.1)
    cosine = documents @ documents.T - 2 * np.eye(len(documents))
    assert 1 - cosine.max() >= 0.1 and len(documents) >= 13
