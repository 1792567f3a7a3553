"""From queries to one merged ranking: model, index and merge joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import metrics
from amer_lite.model.amer import AMER
from amer_lite.model.prefix import Prefix
from amer_lite.search import merge as merging
from amer_lite.search.index import VectorIndex, search_sets
from amer_lite.search.merge import Merged

Merge = Literal["round_robin", "max_score", "rrf", "soft_sum", "mixture"]

_MERGES: dict[str, Callable[..., Merged]] = {
    "round_robin": lambda hits, vectors, index, k: merging.round_robin(hits.rows, k),
    "max_score": lambda hits, vectors, index, k: merging.max_score(hits.scores, hits.rows, k),
    "rrf": lambda hits, vectors, index, k: merging.rrf(hits.rows, k),
    "soft_sum": lambda hits, vectors, index, k, **tau: merging.soft_sum(
        hits.rows, vectors, index.vectors, k, **tau
    ),
    "mixture": lambda hits, vectors, index, k, **tau: merging.mixture(
        hits.scores, hits.rows, k, **tau
    ),
}


def search_and_merge(
    index: VectorIndex,
    vectors: np.ndarray,
    k: int,
    *,
    merge: Merge = "round_robin",
    depth: int | None = None,
    tau: float | None = None,
) -> Merged:
    """Search with all vectors of all queries in one batch, then merge each query's lists.

    Args:
        index: filled.
        vectors: (B, m, d) float32.
        k: documents to return per query.
        merge: how m lists become one, see :mod:`amer_lite.search.merge`.
        depth: documents fetched per vector; k if None.
        tau: temperature of the merges that have one; their own if None, and for the others.

    Returns:
        ``rows``, ``scores`` and ``found_by``, each (B, k); rows are positions in ``index.ids``.

    Raises:
        ValueError: an unknown merge, k or depth < 1, vectors that the index cannot search with.
    """
    if merge not in _MERGES:
        raise ValueError(f"merge {merge!r} is unknown; choose one of {', '.join(_MERGES)}")
    if index.metric == "cosine":  # what the index searches with, a merge must score with
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1)
    hits = search_sets(index, vectors, k if depth is None else depth)
    warm = {} if tau is None or merge not in ("soft_sum", "mixture") else {"tau": tau}
    return _MERGES[merge](hits, vectors, index, k, **warm)


def retrieve(
    model: AMER,
    index: VectorIndex,
    prefix: Prefix,
    *,
    m: int,
    k: int,
    merge: Merge = "round_robin",
    depth: int | None = None,
    tau: float | None = None,
) -> Merged:
    """Generate m vectors per query, search with all of them, merge.

    Args:
        model: emits vectors in the index's space.
        prefix: of B queries.
        m: vectors per query; 1 makes it a single-vector retriever.
        index, k, merge, depth, tau, Returns, Raises: see :func:`search_and_merge`.
    """
    vectors = model.generate(prefix, m).cpu().numpy()
    return search_and_merge(index, vectors, k, merge=merge, depth=depth, tau=tau)


def as_run(merged: Merged, index: VectorIndex, query_ids: Sequence[str]) -> Run:
    """Merged rows as document ids per query id, empty places dropped.

    Raises:
        ValueError: not one query id per row, or a query id that stands twice.
    """
    if len(query_ids) != len(merged.rows):
        raise ValueError(f"as_run: {len(query_ids)} query ids for {len(merged.rows)} rankings")
    if len(set(query_ids)) != len(query_ids):
        twice = next(query for query in query_ids if list(query_ids).count(query) > 1)
        raise ValueError(f"as_run: query id {twice!r} stands twice")
    return Run(
        {
            query: [index.ids[row] for row in rows if row >= 0]
            for query, rows in zip(query_ids, merged.rows, strict=True)
        }
    )


def evaluator(
    index: VectorIndex,
    prefix: Prefix,
    examples: Sequence[Example],
    *,
    m: int,
    k: int,
    merge: Merge = "round_robin",
    tau: float | None = None,
    metric: Callable[[Run, Sequence[Example], int], np.ndarray] = metrics.recall,
) -> Callable[[AMER], float]:
    """A score for :func:`amer_lite.training.fit.fit`: the mean of ``metric`` at k over ``examples``.

    Recall moves before MRecall does, which makes it the steadier guide while training.

    Args:
        index: over the whole corpus, so that the score means retrieval.
        prefix: of the queries of ``examples``, in their order.
        examples: of the dev split.
        m, k, merge, tau: see :func:`retrieve`.
        metric: one of :mod:`amer_lite.evaluation.metrics`.

    Raises:
        ValueError: m or k < 1, an unknown merge, not one example per query, or a gold that is not
            in the index. All of it at once, not after hours of training.
    """
    if m < 1 or k < 1:
        raise ValueError(f"evaluator: m and k must be ≥ 1, got m={m}, k={k}")
    if merge not in _MERGES:
        raise ValueError(f"merge {merge!r} is unknown; choose one of {', '.join(_MERGES)}")
    if not examples or len(examples) != len(prefix.mask):
        raise ValueError(f"evaluator: {len(examples)} examples for {len(prefix.mask)} queries")
    known = set(index.ids)
    for example in examples:
        if unknown := set(example.gold_ids) - known:
            raise ValueError(
                f"evaluator: golds {sorted(unknown)[:3]} of {example.id!r} are not in the index"
            )
    names = [example.id for example in examples]

    def score(model: AMER) -> float:
        merged = retrieve(model, index, prefix, m=m, k=k, merge=merge, tau=tau)
        return float(metric(as_run(merged, index, names), examples, k).mean())

    return score
