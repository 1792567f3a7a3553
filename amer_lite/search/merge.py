"""m ranked lists per query become one: plain functions over arrays, no search engine.

Every rule reads ``rows (B, m, depth)``, integers: for each of B queries the hits of its m vectors,
best first, as positions in ``index.ids``; −1 means *no hit* and is dropped wherever it stands.
``scores (B, m, depth)``, where a rule reads them, are float32; what stands beside a −1 is ignored.
``k`` is the length of the merged ranking. The *turn order* of a query's hits is rank 0 of list 0,
rank 0 of list 1, …, rank 1 of list 0, ….

A rule is a score per hit. What follows is common to all: hits are ranked by score, ties in turn
order; a document counts where it stands first, also within one list; the first k documents remain.

All rules raise ValueError on arrays of a wrong shape or type, an empty batch, rows below −1,
``k < 1``, and scores or vectors that are not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from amer_lite.model.numbers import positive
from amer_lite.search.index import Rows, Scores, Vectors


class Merged(NamedTuple):
    """One ranking per query, best first; padding stands at its end when fewer than k rows exist.

    Attributes:
        rows: (B, k) int64, distinct within a query; −1 is padding.
        scores: (B, k) float32, never increasing; −inf on padding.
        found_by: (B, k) int64, which of the m vectors found the row; −1 on padding.
    """

    rows: Rows
    scores: Scores
    found_by: Rows


def round_robin(rows: Rows, k: int) -> Merged:
    """Interleave the lists by rank, then drop duplicates (AMER, arXiv 2511.02770).

    A list whose hit was already taken loses that turn. ``scores``: 1 / (1 + place in the turn
    order), a stand-in that strictly decreases; ``found_by``: the list of that turn.
    """
    rows = _checked_lists(rows, k)
    ranks = 2 * -(-k // rows.shape[1])  # usually enough: what nobody will see need not be sorted
    merged = _rank(rows[:, :, :ranks], None, k)
    if ranks < rows.shape[2] and (merged.rows[:, -1] < 0).any():
        merged = _rank(rows, None, k)
    return merged


def max_score(scores: Scores, rows: Rows, k: int) -> Merged:
    """Every row counts with its best score; ``found_by`` is the list that gave it that score."""
    rows = _checked_lists(rows, k)
    return _rank(rows, _in_turns(_checked_scores(scores, rows)), k)


def rrf(rows: Rows, k: int, c: float = 60) -> Merged:
    """Reciprocal rank fusion: Σ over lists of 1 / (c + rank), ranks from 1 (Cormack et al. 2009).

    A −1 still takes up its rank. ``c`` ≥ 0 damps; 60 is the value of the original publication.
    ``found_by``: the list in which the row ranks best, ties to the first.
    """
    rows = _once(_checked_lists(rows, k))
    if not 0 <= c < np.inf:
        raise ValueError(f"rrf: c={c!r} must be finite and not negative; 60 is customary")
    gain = 1 / (c + np.arange(1, rows.shape[2] + 1))
    return _rank(rows, _summed(rows, np.broadcast_to(gain, rows.shape)), k)


def soft_sum(
    rows: Rows,
    queries: Vectors,
    vectors_of: Callable[[Rows], Vectors],
    k: int,
    tau: float = 0.1,
) -> Merged:
    """Re-score the candidates of all lists exactly with log Σ_j exp(v_j·d / τ).

    τ → 0 ranks by the best single similarity, a large τ by the mean of all; j runs over the vectors
    that found anything. ``found_by``: the vector with the highest v_j·d, ties to the first.

    Args:
        rows, k: see above.
        queries: (B, m, d), the vectors that found them.
        vectors_of: document vectors (r, d) of distinct rows (r,), such as ``index.vectors``.
        tau: temperature, > 0.
    """
    rows = _checked_lists(rows, k)
    queries = np.asarray(queries, dtype=np.float32)
    if queries.ndim != 3 or queries.shape[:2] != rows.shape[:2]:
        raise ValueError(f"soft_sum: queries {queries.shape} do not fit rows {rows.shape}")
    _check_tau(tau)
    hits = _in_turns(rows)
    score = np.zeros(hits.shape, np.float32)
    finder = np.zeros(hits.shape, np.int64)
    for query, found in enumerate(hits):
        real = found >= 0
        candidates, each = np.unique(found[real], return_inverse=True)
        if not len(candidates):
            continue
        similar = vectors_of(candidates) @ queries[query].T  # (candidates, m)
        similar[:, (rows[query] < 0).all(1)] = -np.inf  # who has no list has no voice
        total = logsumexp(similar.astype(np.float64) / tau, axis=1)
        if not (np.abs(total) <= np.finfo(np.float32).max).all():
            said = f"of query {query} are NaN or infinite, or tau={tau!r} is too small"
            raise ValueError(f"soft_sum: vectors {said}")
        score[query, real] = total[each]
        finder[query, real] = similar.argmax(axis=1)[each]
    return _rank(rows, score, k, finder)


def mixture(
    scores: Scores, rows: Rows, k: int, tau: float = 0.05, weights: Vectors | None = None
) -> Merged:
    """Rank by probability: each list is a softmax over its own hits, a row's share is their sum.

    A vector is trained as a softmax over documents, so its list says how sure it is. The weighted
    sum over the lists is the probability of a row under their mixture, and ranking by probability
    finds the most golds that can be expected, if the probabilities are right (Robertson 1977).
    Where the lists differ it takes turns, the sure ones first; where they agree it votes.
    ``scores``: the probability; ``found_by``: the list in which the row ranks best, the first one.

    ``weights`` (B, m), not negative, are the shares of the lists, even if None. ``tau`` > 0 is the
    temperature of the softmax, by default the usual one of training.
    """
    rows = _checked_lists(rows, k)
    scores, rows = _checked_scores(scores, rows), _once(rows)
    _check_tau(tau)
    if weights is None:
        weights = np.full(rows.shape[:2], 1 / rows.shape[1])
    weights = check_weights(weights, rows.shape[:2])
    real = np.where(rows >= 0, scores.astype(np.float64), -np.inf)
    real[(rows < 0).all(axis=2)] = 0  # an empty list has nothing to share out
    with np.errstate(over="ignore"):  # a tiny tau leaves the best hits only
        share = np.exp((real - real.max(axis=2, keepdims=True)) / tau)
    share /= share.sum(axis=2, keepdims=True)
    share *= weights[..., None]
    return _rank(rows, _summed(rows, share), k)


def check_weights(weights: Vectors, shape: tuple[int, ...]) -> Vectors:
    """``weights``; ValueError unless they have this shape, are finite and not negative."""
    weights = np.asarray(weights)
    if weights.shape != shape or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(f"weights {weights.shape}: expected {shape}, finite and ≥ 0")
    return weights


def _summed(rows: Rows, gains: NDArray[np.float64]) -> Scores:
    """(B, n) per hit in turn order: the gains (B, m, depth) of its row, summed over all lists."""
    row, place, first = _by_row(_in_turns(rows))
    document = np.cumsum(first) - 1  # the same row of another query is another document
    gain = np.take_along_axis(_in_turns(gains), place, axis=1)
    summed = np.bincount(document, weights=gain.ravel())[document]
    total = np.empty(row.shape, np.float32)
    np.put_along_axis(total, place, summed.reshape(row.shape), axis=1)
    return total


def _rank(rows: Rows, scores: Scores | None, k: int, found_by: Rows | None = None) -> Merged:
    """The k best distinct rows by ``scores (B, n)`` in turn order; None: the turn order itself.

    ``found_by (B, n)`` names a finder other than the list in which a hit stands.
    """
    batch, m, depth = rows.shape
    n = m * depth
    found = _in_turns(rows)
    if scores is None:
        order = np.broadcast_to(np.arange(n), found.shape)
        scores = np.broadcast_to(1 / np.arange(1, n + 1, dtype=np.float32), found.shape)
    else:
        order = np.argsort(-scores, axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)
    row, place, first = _by_row(found)
    place[~first | (row < 0)] = n  # the end, behind all that count
    best = np.full((batch, k), n)
    best[:, :n] = np.sort(place, axis=1)[:, :k]
    real = best < n
    best[~real] = 0
    hit = np.take_along_axis(order, best, axis=1)
    finder = hit % m if found_by is None else np.take_along_axis(found_by, hit, axis=1)
    return Merged(
        np.where(real, np.take_along_axis(found, best, axis=1), -1),
        np.where(real, np.take_along_axis(scores, hit, axis=1), -np.inf),
        np.where(real, finder, -1),
    )


def _once(rows: Rows) -> Rows:
    """The lists without a document's later places in the same one."""
    row, place, first = _by_row(rows.reshape(-1, rows.shape[2]))
    out = np.empty_like(row)
    np.put_along_axis(out, place, np.where(first, row, -1), axis=1)
    return out.reshape(rows.shape)


def _by_row(hits: Rows) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """The hits (B, n) sorted by row, then by place: row, place, and is it the first of its row."""
    n = hits.shape[1]
    # Row and place in one integer: these sort several times as fast as np.argsort or np.unique.
    both = np.sort(hits * n + np.arange(n), axis=1)
    row = both // n
    first = np.ones(row.shape, bool)
    first[:, 1:] = row[:, 1:] != row[:, :-1]
    return row, both - row * n, first


def _in_turns(lists: NDArray[Any]) -> NDArray[Any]:  # (B, m, depth) → (B, n = depth · m)
    return lists.transpose(0, 2, 1).reshape(len(lists), -1)


def _checked_lists(rows: Rows, k: int) -> Rows:
    rows = np.asarray(rows)
    if rows.ndim != 3 or not rows.size or rows.dtype.kind not in "iu" or rows.min() < -1:
        wanted = "integers ≥ −1 of shape (B, m, depth), none of them 0"
        raise ValueError(f"rows: expected {wanted}; got {rows.dtype} {rows.shape}")
    positive("k", k)
    return rows.astype(np.int64, copy=False)


def _check_tau(tau: float) -> None:
    if not 0 < tau < np.inf:
        raise ValueError(f"tau={tau!r} must be positive and finite")


def _checked_scores(scores: Scores, rows: Rows) -> Scores:
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != rows.shape:
        raise ValueError(f"scores {scores.shape} and rows {rows.shape} differ in shape")
    if not np.isfinite(scores[rows >= 0]).all():
        raise ValueError("scores: NaN or infinity beside a row; only a −1 may have such scores")
    return scores
