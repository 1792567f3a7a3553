"""m ranked lists per query become one: plain functions over arrays, no search engine.

Every rule reads ``rows (B, m, depth)``: for each of B queries the hits of its m vectors, best
first, as positions in ``index.ids``; −1 means *no hit* and is dropped wherever it stands. The
*turn order* of a query's hits is rank 0 of list 0, rank 0 of list 1, …, rank 1 of list 0, ….

A rule is a score per hit. What follows is common to all: hits are ranked by score, ties in turn
order; a document counts where it stands first; the first k documents remain.

All rules raise ValueError on arrays of a wrong shape or type, an empty batch, rows below −1,
``k < 1``, and scores or vectors that are not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

_BLOCK = 1 << 15  # hits handled at a time: their work arrays stay in a core's cache


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

    A list whose hit was already taken loses that turn; it does not move on to its next unseen hit.

    Args:
        rows: (B, m, depth) integers, −1 = no hit.
        k: length of the merged ranking.

    Returns:
        ``scores``: 1 / (1 + place in the turn order), a stand-in that strictly decreases;
        ``found_by``: the list whose turn delivered the row.
    """
    rows = _checked(rows, k)
    _, m, depth = rows.shape
    ranks = 2 * -(-k // m)  # usually enough: what nobody will see need not be sorted
    merged = _rank(rows[:, :, :ranks], None, k)
    if ranks < depth and (merged.rows[:, -1] < 0).any():
        merged = _rank(rows, None, k)
    return merged


def max_score(scores: Scores, rows: Rows, k: int) -> Merged:
    """Every row counts with its best score; ``found_by`` is the list that gave it that score.

    Args:
        scores: (B, m, depth), read as float32; what stands beside a −1 is ignored.
        rows: (B, m, depth) integers, −1 = no hit.
        k: length of the merged ranking.
    """
    rows = _checked(rows, k)
    return _rank(rows, _in_turns(_checked_scores("max_score", scores, rows)), k)


def rrf(rows: Rows, k: int, c: float = 60) -> Merged:
    """Reciprocal rank fusion: Σ over lists of 1 / (c + rank), ranks from 1 (Cormack et al. 2009).

    Args:
        rows: (B, m, depth) integers, −1 = no hit (it still takes up its rank).
        k: length of the merged ranking.
        c: damping, ≥ 0; 60 is the value of the original publication.

    Returns:
        ``found_by``: the list in which the row ranks best, ties to the first.
    """
    rows = _checked(rows, k)
    if not 0 <= c < np.inf:
        raise ValueError(f"rrf: c={c!r} must be finite and not negative; 60 is customary")
    gain = 1 / (c + np.arange(1, rows.shape[2] + 1))
    return _rank(rows, _summed(rows, np.broadcast_to(gain, rows.shape)), k)


def soft_sum(
    rows: Rows,
    queries: Scores,
    vectors_of: Callable[[Rows], Scores],
    k: int,
    tau: float = 0.1,
) -> Merged:
    """Re-score the candidates of all lists exactly with log Σ_j exp(v_j·d / τ).

    Every candidate d meets all m query vectors v_j, also those whose list missed it. τ → 0 ranks
    by the best single similarity, a large τ by the mean of all.

    Args:
        rows: (B, m, depth) integers, −1 = no hit.
        queries: (B, m, d), the vectors that found them.
        vectors_of: document vectors (r, d) of distinct rows (r,), such as ``index.vectors``. Called
            for about 32,000 candidates at a time, never for less than one query's.
        k: length of the merged ranking.
        tau: temperature, > 0.

    Returns:
        ``found_by``: the vector with the highest v_j·d, ties to the first.
    """
    rows = _checked(rows, k)
    queries = np.asarray(queries, dtype=np.float32)
    if queries.ndim != 3 or queries.shape[:2] != rows.shape[:2]:
        raise ValueError(f"soft_sum: queries {queries.shape} do not fit rows {rows.shape}")
    _require_finite(queries, np.arange(len(queries)), "queries")
    if not 0 < tau < np.inf:
        raise ValueError(f"soft_sum: tau={tau!r} must be positive and finite")
    score = np.empty((len(rows), rows[0].size), np.float32)
    finder = np.empty(score.shape, np.int64)
    for block, found in _blocks(rows):
        unique, inverse = np.unique(found, return_inverse=True)
        inverse = inverse.reshape(found.shape)
        real = unique[unique >= 0]
        vectors = np.zeros((len(unique), queries.shape[2]), np.float32)  # a −1 keeps a zero
        if len(real):
            given = np.asarray(vectors_of(real), dtype=np.float32)
            if given.shape != (len(real), queries.shape[2]):
                raise ValueError(
                    f"soft_sum: vectors_of gave {given.shape} for {len(real)} rows; "
                    f"expected {(len(real), queries.shape[2])}"
                )
            _require_finite(given, real, "rows")
            vectors[len(unique) - len(real) :] = given
        similar = vectors[inverse] @ queries[block].transpose(0, 2, 1)  # (b, n, m)
        scaled = similar.astype(np.float64) / tau
        best = scaled.max(axis=2, keepdims=True)
        score[block] = best[..., 0] + np.log(np.exp(scaled - best).sum(axis=2))
        finder[block] = similar.argmax(axis=2)
    return _rank(rows, score, k, finder)


def mixture(scores: Scores, rows: Rows, k: int, tau: float = 0.05) -> Merged:
    """Rank by probability: each list is a softmax over its own hits, a row's share is their sum.

    A vector is trained as a softmax over documents, so its list says how sure it is: one clear hit
    takes nearly all of its probability, a list without one spreads it. The sum over the lists
    (divided by m) is the probability of a row under their mixture, and ranking by probability finds
    the most golds that can be expected, if the probabilities are right (Robertson 1977). Where the
    lists differ it takes turns, the sure ones first; where they agree it votes.

    Args:
        scores: (B, m, depth), read as float32; what stands beside a −1 is ignored.
        rows: (B, m, depth) integers, −1 = no hit.
        k: length of the merged ranking.
        tau: temperature of the softmax, > 0: that of training, whose usual value is the default.
            → 0: each list has its first row only; large: rows count by the number of their lists.

    Returns:
        ``scores``: the probability; ``found_by``: the list in which the row ranks best, ties to
        the first.
    """
    rows = _checked(rows, k)
    scores = _checked_scores("mixture", scores, rows)
    if not 0 < tau < np.inf:
        raise ValueError(f"mixture: tau={tau!r} must be positive and finite")
    scaled = np.where(rows >= 0, scores.astype(np.float64) / tau, -np.inf)
    found = (rows >= 0).any(axis=2, keepdims=True)
    scaled = np.where(found, scaled, 0)  # an empty list has nothing to share out
    share = np.exp(scaled - scaled.max(axis=2, keepdims=True))
    share /= share.sum(axis=2, keepdims=True) * rows.shape[1]
    return _rank(rows, _summed(rows, share), k)


def _summed(rows: Rows, gains: NDArray[np.float64]) -> Scores:
    """(B, n) per hit in turn order: the gains (B, m, depth) of its row, summed over all lists."""
    total = np.empty((len(rows), rows[0].size), np.float32)
    for block, found in _blocks(rows):
        # The same row of another query is another document.
        document = found + (found.max() + 2) * np.arange(len(found))[:, None]
        _, group = np.unique(document, return_inverse=True)
        group = group.reshape(found.shape)
        total[block] = np.bincount(group.ravel(), weights=_in_turns(gains[block]).ravel())[group]
    return total


def _rank(rows: Rows, scores: Scores | None, k: int, found_by: Rows | None = None) -> Merged:
    """The k best distinct rows by ``scores (B, n)`` in turn order; None: the turn order itself."""
    batch, m, depth = rows.shape
    n = m * depth
    stand_in = 1 / np.arange(1, n + 1, dtype=np.float32)
    out = Merged(
        np.full((batch, k), -1, dtype=np.int64),
        np.full((batch, k), -np.inf, dtype=np.float32),
        np.full((batch, k), -1, dtype=np.int64),
    )
    for block, found in _blocks(rows):
        order = None if scores is None else np.argsort(-scores[block], axis=1, kind="stable")
        ranked = found if order is None else np.take_along_axis(found, order, axis=1)
        place = _first_places(ranked, k)
        real = place < n
        place[~real] = 0
        hit = place if order is None else np.take_along_axis(order, place, axis=1)
        score = stand_in[hit] if scores is None else np.take_along_axis(scores[block], hit, axis=1)
        finder = hit % m if found_by is None else np.take_along_axis(found_by[block], hit, axis=1)
        at = (block, slice(place.shape[1]))
        out.rows[at] = np.where(real, np.take_along_axis(found, hit, axis=1), -1)
        out.scores[at] = np.where(real, score, -np.inf)
        out.found_by[at] = np.where(real, finder, -1)
    return out


def _first_places(ranked: Rows, k: int) -> Rows:
    """(b, ≤ k) the places at which a row ≥ 0 stands for the first time; n where there is none."""
    n = ranked.shape[1]
    bits = (n - 1).bit_length()
    # Row and place packed into one integer: plain integers sort several times as fast as argsort,
    # and the narrower the faster.
    width = np.int32 if int(ranked.max()) < 1 << (31 - bits) else np.int64
    packed = (ranked.astype(width) << bits) | np.arange(n, dtype=width)
    packed.sort(axis=1)
    row = packed >> bits
    copy = row < 0
    copy[:, 1:] |= row[:, 1:] == row[:, :-1]
    place = (packed & ((1 << bits) - 1)).astype(np.int32)
    place[copy] = n
    place.sort(axis=1)
    return place[:, :k].astype(np.int64)


def _blocks(rows: Rows) -> Iterator[tuple[slice, Rows]]:
    """Slices of queries, and their hits (b, n = m · depth) in turn order."""
    step = max(1, _BLOCK // rows[0].size)
    for start in range(0, len(rows), step):
        block = slice(start, min(start + step, len(rows)))
        yield block, _in_turns(rows[block])


def _in_turns(lists: NDArray[Any]) -> NDArray[Any]:  # (b, m, depth) → (b, depth · m)
    return lists.transpose(0, 2, 1).reshape(len(lists), -1)


def _checked_scores(rule: str, scores: Scores, rows: Rows) -> Scores:
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != rows.shape:
        raise ValueError(f"{rule}: scores {scores.shape} and rows {rows.shape} differ in shape")
    wrong = ~np.isfinite(scores) & (rows >= 0)
    if wrong.any():
        query, vector, rank = np.argwhere(wrong)[0]
        raise ValueError(
            f"{rule}: score {scores[query, vector, rank]} at query {query}, list {vector}, "
            f"rank {rank} is not finite; only rows of −1 may have such scores"
        )
    return scores


def _require_finite(vectors: Scores, names: Rows, what: str) -> None:
    fine = np.isfinite(vectors).reshape(len(vectors), -1).all(axis=1)
    if not fine.all():
        raise ValueError(f"soft_sum: NaN or infinite vectors of {what} {names[~fine][:5].tolist()}")


def _checked(rows: Rows, k: int) -> Rows:
    rows = np.asarray(rows)
    if rows.ndim != 3 or not rows.size or rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows: expected integers of shape (B, m, depth), none of them 0; "
            f"got {rows.dtype} {rows.shape}"
        )
    if k < 1:
        raise ValueError(f"k={k!r}: ask for at least one result")
    low, high = int(rows.min()), int(rows.max())
    limit = 1 << (63 - (rows.shape[1] * rows.shape[2] - 1).bit_length())  # see _first_places
    if low < -1 or high >= limit:
        raise ValueError(f"rows: {low if low < -1 else high} is neither −1 nor a row of an index")
    return rows.astype(np.int64, copy=False)
