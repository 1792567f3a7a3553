"""Rules for the number of vectors, and the promise."""

from __future__ import annotations

import numpy as np
from amer_book import stopping


def test_the_log_rule_counts_words() -> None:
    queries = ["seal", "two words", "one two three", "a b c d", " ".join("x" * 100)]
    assert stopping.log_rule(queries, 5).tolist() == [1, 1, 1, 2, 5]


def test_the_stop_head_learns_who_gains() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(400, 5))
    many = vectors[:, 0] > 0
    vectors[:, 0] += np.where(many, 1, -1)
    quality = np.where(many[:, None], [0.0, 1.0, 1.0], [1.0, 0.5, 0.0])
    head = stopping.StopHead(vectors[:200], quality[:200])
    counts = head(vectors[200:], price=0.01)
    assert ((counts > 1) == many[200:]).mean() > 0.9
    assert (head(vectors, price=10.0) == 1).all()


def test_gains_are_those_of_the_belief() -> None:
    generator = np.random.default_rng(0)
    n, k, tau = 30, 5, 0.3
    scores = -np.sort(-generator.normal(size=(6, 3, n)).astype(np.float32), axis=2)
    rows = generator.permuted(np.broadcast_to(np.arange(n), (6, 3, n)), axis=2)
    rows[:, 1], scores[:, 1] = rows[:, 0], scores[:, 0]  # the second list is the first again
    added = stopping.gains(scores, rows, k, tau)
    belief = np.zeros((6, 3, n))
    np.put_along_axis(belief, rows, np.exp(scores / tau), axis=2)
    belief /= belief.sum(2, keepdims=True)
    two, three = belief[:, :2].mean(1), belief.mean(1)
    top = np.take_along_axis(three, np.argsort(-two, axis=1)[:, :k], axis=1).sum(1)
    np.testing.assert_allclose(added[:, 2], -np.sort(-three, axis=1)[:, :k].sum(1) - top, atol=1e-6)
    np.testing.assert_allclose(added[:, 1], 0, atol=1e-6)
    assert stopping.until_nothing(added, 1e-4).tolist() == [2] * 6
    assert stopping.until_nothing(added, -1.0).tolist() == [3] * 6


def test_a_promise_that_is_broken_is_rarely_certified() -> None:
    generator = np.random.default_rng(0)
    allowed, size = 0.1, 300
    lost = generator.choice([1.0, 0.0, -1.0], size=(2000, size), p=[0.3, 0.5, 0.2])  # just broken
    assert (stopping.p_value(lost, allowed) <= 0.05).mean() <= 0.05
    kept = generator.choice([1.0, 0.0, -1.0], size=(200, size), p=[0.1, 0.7, 0.2])
    assert (stopping.p_value(kept, allowed) <= 0.05).mean() > 0.9
    assert stopping.certified([0.01, 0.04, 0.2, 0.01]) == 2
    assert stopping.certified([0.2, 0.01]) == 0 and stopping.certified([0.01]) == 1
