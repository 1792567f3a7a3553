"""What the library asks of a search engine: ids in, scores and rows out, many vectors at once.

:class:`~amer_lite.search.faiss.FaissIndex` is the engine at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class Hits(NamedTuple):
    """What a search returns, best first.

    Attributes:
        scores: (N, k) float32, or (B, m, k) for sets; −inf where there is no hit.
        rows: the same shape, int64: positions in ``index.ids``; −1 where there is no hit.
    """

    scores: NDArray[np.float32]
    rows: Rows


class VectorIndex(Protocol):
    """What the rest of the library asks of a search engine. A *row* is a position in ``ids``."""

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def dim(self) -> int: ...

    @property
    def metric(self) -> str:
        """``cosine`` or ``ip``."""
        ...

    def search(self, queries: Vectors, k: int, *, chunk: int = 1024) -> Hits:
        """The k best rows for each of the queries (N, dim), ``chunk`` queries at a time."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) of rows (r,), exact where the engine keeps them."""
        ...


def search_sets(index: VectorIndex, vectors: Vectors, k: int, chunk: int = 1024) -> Hits:
    """Search with all m vectors of all B queries in one batch.

    Args:
        index: filled.
        vectors: (B, m, dim), B and m ≥ 1.
        k: hits per vector.
        chunk: vectors handled at a time, see ``index.search``.

    Returns:
        scores and rows, (B, m, k), as the merges of :mod:`amer_lite.search.merge` read them.

    Raises:
        ValueError: a shape that is not (B, m, dim), B or m of 0, and what ``index.search`` raises
            (its row numbers are query · m + vector).
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 3 or vectors.shape[2] != index.dim or not vectors.size:
        raise ValueError(
            f"search_sets: expected (B, m, {index.dim}) with B and m ≥ 1, got {vectors.shape}"
        )
    hits = index.search(vectors.reshape(-1, index.dim), k, chunk=chunk)
    shape = (*vectors.shape[:2], k)
    return Hits(hits.scores.reshape(shape), hits.rows.reshape(shape))


def ann_recall(index: VectorIndex, exact: VectorIndex, queries: Vectors, k: int) -> float:
    """Share of the exact top k that ``index`` returns among its own k, mean over queries.

    Args:
        index: approximate.
        exact: searches exhaustively; holds the same ids in the same order.
        queries: (N, dim).
        k: depth of both searches.

    Raises:
        ValueError: indexes over different ids, and what ``search`` raises.
    """
    if list(index.ids) != list(exact.ids):
        raise ValueError("ann_recall: the two indexes must hold the same ids in the same order")
    wanted, found = exact.search(queries, k).rows, index.search(queries, k).rows
    offset = np.arange(len(wanted))[:, None] * len(exact.ids)  # makes a row unique to its query
    hit = np.isin(wanted + offset, (found + offset)[found >= 0]) & (wanted >= 0)
    return float((hit.sum(axis=1) / (wanted >= 0).sum(axis=1)).mean())
