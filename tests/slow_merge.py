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
    def merge(values: list[list[float]], lists: list[list[int]]) -> list[Hit]:
        best: dict[int, tuple[float, int, int]] = {}  # row → score, turn, list
        for turn, (row, vector, rank) in enumerate(_turns(lists)):
            score = values[vector][rank]
            if row not in best or score > best[row][0]:
                best[row] = (score, turn, vector)
        ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[1][1]))
        return [(score, row, vector) for row, (score, _, vector) in ranked[:k]]

    return _stack([merge(*pair) for pair in zip(scores.tolist(), rows.tolist(), strict=True)], k)


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


def _summed(gains: NDArray[np.float64], rows: Rows, k: int) -> Merged:
    def merge(gain: list[list[float]], lists: list[list[int]]) -> list[Hit]:
        total: dict[int, float] = {}
        finder: dict[int, int] = {}
        for row, vector, rank in _turns(lists):
            total[row] = total.get(row, 0.0) + gain[vector][rank]
            finder.setdefault(row, vector)
        ranked = sorted(total, key=lambda row: -float(np.float32(total[row])))
        return [(total[row], row, finder[row]) for row in ranked[:k]]

    return _stack([merge(*pair) for pair in zip(gains.tolist(), rows.tolist(), strict=True)], k)


def soft_sum(
    rows: Rows,
    queries: Vectors,
    vectors_of: Callable[[Rows], Vectors],
    k: int,
    tau: float = 0.1,
) -> Merged:
    def merge(lists: list[list[int]], vectors: Vectors) -> list[Hit]:
        hits: list[Hit] = []
        for row in dict.fromkeys(row for row, _, _ in _turns(lists)):
            document = vectors_of(np.array([row]))[0]
            similar = [float(vector @ document) for vector in vectors]
            best = max(similar)
            score = best / tau + math.log(sum(math.exp((s - best) / tau) for s in similar))
            hits.append((float(np.float32(score)), row, similar.index(best)))
        return sorted(hits, key=lambda hit: -hit[0])[:k]

    return _stack([merge(*pair) for pair in zip(rows.tolist(), queries, strict=True)], k)


def _turns(lists: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    """(row, list, rank) of every hit, interleaved by rank."""
    for rank in range(len(lists[0])):
        for vector, hits in enumerate(lists):
            if hits[rank] >= 0:
                yield hits[rank], vector, rank


def _stack(rankings: list[list[Hit]], k: int) -> Merged:
    full = [hits + [(-math.inf, -1, -1)] * (k - len(hits)) for hits in rankings]
    return Merged(
        np.array([[row for _, row, _ in hits] for hits in full], dtype=np.int64),
        np.array([[score for score, _, _ in hits] for hits in full], dtype=np.float32),
        np.array([[vector for _, _, vector in hits] for hits in full], dtype=np.int64),
    )
