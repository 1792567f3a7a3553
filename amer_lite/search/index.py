"""What the library asks of a search engine: ids in, scores and rows out, many vectors at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (…, dim)
Rows = NDArray[np.int64]  # positions in an index's ids
Scores = NDArray[np.float32]  # one for each row


class Hits(NamedTuple):
    """What a search returns, best first.

    Attributes:
        scores: (N, k) float32, or (B, m, k) for sets; −inf where there is no hit.
        rows: the same shape, int64: positions in ``index.ids``; −1 where there is no hit.
    """

    scores: Scores
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

    def search(self, queries: Vectors, k: int) -> Hits:
        """The k best rows for each of the queries (N, dim); under cosine of any length."""
        ...

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) of rows (r,), exact where the engine keeps them."""
        ...

    def rows(self, ids: Iterable[str]) -> Rows:
        """The rows (n,) int64 of n ids, in their order; ValueError names unknown ids."""
        ...


def search_sets(
    index: VectorIndex, vectors: Vectors, k: int, real: NDArray[np.bool_] | None = None
) -> Hits:
    """Search with the m vectors of all B queries in one batch.

    Args:
        index: filled.
        vectors: (B, m, dim), B and m ≥ 1.
        k: hits per vector: scores and rows are (B, m, k), as merges read them.
        real: (B, m), which vectors to search with, all if None; the others find nothing.

    Raises:
        ValueError: another shape, a query without a vector, and what ``index.search`` raises of the
            vectors that are searched with, counted in their order.
    """
    if vectors.ndim != 3 or vectors.shape[2] != index.dim or not vectors.size:
        wanted = f"(B, m, {index.dim}) with B and m ≥ 1"
        raise ValueError(f"search_sets: expected {wanted}, got {vectors.shape}")
    shape = (*vectors.shape[:2], k)
    if real is None or (real.shape == shape[:2] and real.all()):
        hits = index.search(vectors.reshape(-1, index.dim), k)
        return Hits(hits.scores.reshape(shape), hits.rows.reshape(shape))
    if real.shape != shape[:2] or not real.any(1).all():
        said = "one vector or more for each query"
        raise ValueError(f"search_sets: real {real.shape}: expected {shape[:2]}, {said}")
    hits = index.search(vectors[real], k)
    scores, rows = np.full(shape, -np.inf, np.float32), np.full(shape, -1)
    scores[real], rows[real] = hits
    return Hits(scores, rows)


def comparable(vectors: Vectors, index: VectorIndex, what: str) -> Vectors:
    """Vectors (n ≥ 1, dim) as ``index`` compares them: float32, under cosine L2-normalised.

    Those within 1e-6 of unit length stay as they are; the caller's array is never changed.
    ValueError: ``what`` has another shape, holds NaN or infinity; under cosine a vector of no
    length, else one so long (above 1e18) that inner products leave float32.
    """
    vectors, cosine = np.asarray(vectors), index.metric == "cosine"
    fits = vectors.ndim == 2 and vectors.shape[1] == index.dim and len(vectors)
    if not fits or vectors.dtype.kind not in "fiu":
        found = f"{vectors.dtype} {vectors.shape}"
        raise ValueError(f"{what}: expected numbers (n ≥ 1, {index.dim}), got {found}")
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64, casting="same_kind")
    lengths = np.sqrt(squares)
    shortest, longest = (1e-100, 1e100) if cosine else (0, 1e18)
    if (wrong := ~((lengths >= shortest) & (lengths <= longest))).any():
        rows, limit = np.flatnonzero(wrong)[:5].tolist(), "zero" if cosine else "longer than 1e18"
        raise ValueError(f"{what}: rows {rows} are NaN, infinite, or {limit}")
    if cosine and (odd := np.abs(lengths - 1) > 1e-6).any():
        lengths, out = np.where(odd, lengths, 1)[:, None], np.empty(vectors.shape, np.float32)
        return np.divide(vectors, lengths, out=out, casting="same_kind")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def checked_ids(ids: Iterable[str], n: int, what: str) -> list[str]:
    """``ids`` as a list; ValueError unless they are n different strings that are not empty."""
    if isinstance(ids, str):
        raise ValueError(f"{what}: {n} vectors but one str; pass a list of ids")
    if len(names := list(ids)) != n:
        raise ValueError(f"{what}: {n} vectors but {len(names)} ids")
    if odd := [name for name in names if not isinstance(name, str) or not name]:
        raise ValueError(f"{what}: ids {odd[:5]} are not non-empty strings")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"{what}: id {twice[0]!r} stands twice")
    return names


def known_rows(rows: Rows, index: VectorIndex) -> Rows:
    """``rows`` as a flat int64 array; ValueError if one of them is not a row of ``index``."""
    rows = np.asarray(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(f"rows: expected integers (r,), got {rows.dtype} {rows.shape}")
    wrong = rows[(rows < 0) | (rows >= len(index.ids))]
    if wrong.size:
        raise ValueError(f"rows {wrong[:5].tolist()} are not among the index's {len(index.ids)}")
    return rows.astype(np.int64, copy=False)


def rows_of(ids: Iterable[str], known: Mapping[str, int]) -> Rows:
    """``known[id]`` of each of the ids, (n,) int64; ValueError names those that have none."""
    ids = list(ids)
    if unknown := [name for name in ids if name not in known]:
        raise ValueError(f"ids {unknown[:5]} are not in the index")
    return np.array([known[name] for name in ids], dtype=np.int64)
