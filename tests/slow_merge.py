"""The merges as plain loops, one query and one hit at a time: oracle and yardstick.

Names, arguments and meaning are those of ``amer_lite.search.merge``; arrays become nested lists
first, since Python walks lists several times as fast as arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from amer_lite.search.index import Rows, Scores, Vectors
from amer_lite.search.merge import Merged

Hit = tuple[float, int, int]  # score, row, the list that found it


def round_robin(rows: Rows, k: int) -> Merged:
    def merge(lists: list[list[int]]) -> list[Hit]:
        taken: dict[int, Hit] = {}
        for row, vector, rank in _turns(lists):
            if row not in taken:
                taken[row] = (1 / (1 + rank * len(lists) + vector), row, vector)
                if len(taken) == k:
                    break
        return list(taken.values())

    return _stack([merge(lists) for lists in rows.tolist()], k)


def max_score(scores: Scores, rows: Rows, k: int) -> Merged:
    pairs = zip(scores.tolist(), rows.tolist(), strict=True)
    hits = [[(each[j][rank], row, j) for row, j, rank in _turns(lists)] for each, lists in pairs]
    return _ranked(hits, k)


def rrf(rows: Rows, k: int, c: float = 60) -> Merged:
    gains = 1 / (c + 1 + np.arange(rows.shape[2]))
    return _summed(np.broadcast_to(gains, rows.shape), rows, k)


def mixture(scores: Scores, rows: Rows, k: int, tau: float) -> Merged:
    shares = np.zeros(rows.shape)
    for place in np.ndindex(rows.shape[:2]):
        real = rows[place] >= 0
        values = scores[place][real].astype(float)
        weights = [math.exp((value - max(values)) / tau) for value in values]
        shares[place][real] = np.array(weights) / sum(weights) / rows.shape[1]
    return _summed(shares, rows, k)


def soft_sum(
    rows: Rows, queries: Vectors, vectors_of: Callable[[Rows], Vectors], k: int, tau: float = 0.1
) -> Merged:
    def score(row: int, vectors: Vectors, lists: list[list[int]]) -> Hit:
        document = vectors_of(np.array([row]))[0]
        pairs = zip(vectors, lists, strict=True)
        similar = [float(v @ document) if max(found) >= 0 else -math.inf for v, found in pairs]
        best = max(similar)
        total = best / tau + math.log(sum(math.exp((s - best) / tau) for s in similar))
        return total, row, similar.index(best)

    pairs = zip(rows.tolist(), queries, strict=True)
    return _ranked([[score(row, v, lists) for row, _, _ in _turns(lists)] for lists, v in pairs], k)


def _summed(gains: NDArray[np.float64], rows: Rows, k: int) -> Merged:
    hits: list[list[Hit]] = []
    for gain, lists in zip(gains.tolist(), rows.tolist(), strict=True):
        total: dict[int, float] = {}
        for row, vector, rank in _turns(lists):
            total[row] = total.get(row, 0.0) + gain[vector][rank]
        hits.append([(total[row], row, vector) for row, vector, _ in _turns(lists)])
    return _ranked(hits, k)


def _turns(lists: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    """(row, list, rank) of every hit, interleaved by rank."""
    for rank in range(len(lists[0])):
        for vector, hits in enumerate(lists):
            if hits[rank] >= 0:
                yield hits[rank], vector, rank


def _ranked(queries: list[list[Hit]], k: int) -> Merged:
    """By score in single precision, ties in the order of the turns; of a row the first remains."""
    rankings = []
    for hits in queries:
        best: dict[int, Hit] = {}
        for hit in sorted(hits, key=lambda hit: -float(np.float32(hit[0]))):
            best.setdefault(hit[1], hit)
        rankings.append(list(best.values())[:k])
    return _stack(rankings, k)


def _stack(rankings: list[list[Hit]], k: int) -> Merged:
    full = [hits + [(-math.inf, -1, -1)] * (k - len(hits)) for hits in rankings]
    scores, rows, found = (np.array([[hit[i] for hit in hits] for hits in full]) for i in range(3))
    return Merged(rows, scores.astype(np.float32), found)
