"""From queries to one merged ranking: model, index and merge joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from amer_lite.datasets.types import Example, Run
from amer_lite.model.amer import AMER
from amer_lite.model.emission import Emission
from amer_lite.model.prefix import Prefix
from amer_lite.search import merge as merging
from amer_lite.search.index import VectorIndex, Vectors, comparable, search_sets
from amer_lite.search.merge import Merged

Merge = Literal["round_robin", "max_score", "rrf", "soft_sum", "mixture"]


def search_and_merge(
    index: VectorIndex,
    vectors: Vectors,
    k: int,
    *,
    merge: Merge = "round_robin",
    depth: int | None = None,
    tau: float | None = None,
    weights: Vectors | None = None,
) -> Merged:
    """Search with all vectors of all queries in one batch, then merge each query's lists.

    Args:
        index: filled.
        vectors: (B, m, d) float32.
        k: documents to return per query.
        merge: how m lists become one, see :mod:`amer_lite.search.merge`.
        depth: documents fetched per vector; k if None.
        tau: temperature of the merges that have one; their own if None, and for the others.
        weights: (B, m), shares of the lists in a ``mixture``; even if None. Whatever the merge, a
            vector of no weight is not searched with.

    Returns:
        ``rows``, ``scores`` and ``found_by``, each (B, k); rows are positions in ``index.ids``.

    Raises:
        ValueError: an unknown merge, k or depth < 1, vectors that the index cannot search with,
            weights that are negative, not finite, or none for a query.
    """
    real = None if weights is None else merging.check_weights(weights, vectors.shape[:2]) > 0
    hits = search_sets(index, vectors, k if depth is None else depth, real)
    softness = {} if tau is None else {"tau": tau}
    match merge:
        case "round_robin":
            return merging.round_robin(hits.rows, k)
        case "max_score":
            return merging.max_score(hits.scores, hits.rows, k)
        case "rrf":
            return merging.rrf(hits.rows, k)
        case "mixture":
            return merging.mixture(hits.scores, hits.rows, k, weights=weights, **softness)
        case "soft_sum":  # scores with what the index searched with
            if real is not None:  # the others have no list, and no voice
                vectors = np.where(real[..., None], vectors, vectors[real][0])
            sets = comparable(vectors.reshape(-1, index.dim), index, "vectors")
            sets = sets.reshape(vectors.shape)
            return merging.soft_sum(hits.rows, sets, index.vectors, k, **softness)
    raise ValueError(f"merge {merge!r} is unknown; choose one of {', '.join(get_args(Merge))}")


def retrieve(
    model: AMER,
    index: VectorIndex,
    prefix: Prefix,
    *,
    m: int | ArrayLike,
    k: int,
    merge: Merge = "round_robin",
    depth: int | None = None,
    tau: float | None = None,
    prune: Callable[[Emission], Emission] | None = None,
) -> Merged:
    """Generate m vectors for each of the B queries of ``prefix``, search with all of them, merge.

    The model emits vectors in the index's space, and the shares of a ``mixture``. All else is as in
    :func:`search_and_merge`.

    Args:
        m: vectors a query, one number or one for each, (B,): how far it is decoded.
        prune: which of the emitted vectors are searched with, such as
            ``lambda emission: emission.only(emission.log_weights > -2)``.
    """
    emission = model.generate_weighted(prefix, m)
    if prune is not None:
        emission = prune(emission)
    vectors, log_weights = (part.cpu().numpy() for part in emission)
    shares = np.exp(log_weights)
    return search_and_merge(index, vectors, k, merge=merge, depth=depth, tau=tau, weights=shares)


def as_run(merged: Merged, index: VectorIndex, examples: Sequence[Example]) -> Run:
    """Merged rows as document ids per query id, empty places dropped.

    ValueError: not one ranking per example, in their order, or two examples of one id.
    """
    rankings = {
        example.id: [index.ids[row] for row in rows if row >= 0]
        for example, rows in zip(examples, merged.rows, strict=False)
    }
    if not len(rankings) == len(examples) == len(merged.rows):
        given = f"{len(examples)} examples of {len(rankings)} distinct ids"
        raise ValueError(f"as_run: {len(merged.rows)} rankings for {given}")
    return Run(rankings)
