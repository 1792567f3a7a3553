"""How far a vector that knows its golds could get: a bound, one vector, and m of them.

Sets are given as to `amer_lite.evaluation.geometry`, and the same input is refused.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import beta

from amer_lite.evaluation.geometry import Mask, Points, smallest_cap, unit_points
from amer_lite.model.numbers import positive
from amer_lite.search.index import VectorIndex


def competition(dim: int, documents: int, k: int) -> float:
    """The cosine that k of so many uniformly random directions are expected to exceed.

    What a gold must reach to stand in the top k of any vector, if the corpus has no structure:
    (1 + cosine) / 2 of a random direction has a Beta((d − 1) / 2, (d − 1) / 2) distribution, d ≥ 2.
    """
    if dim < 2 or not 1 <= k <= documents:
        raise ValueError(f"competition: dim={dim}, documents={documents}, k={k} out of range")
    return float(1 - 2 * beta.ppf(k / documents, (dim - 1) / 2, (dim - 1) / 2))


def best_vector(
    golds: Points,
    index: VectorIndex,
    k: int,
    gold_mask: Mask | None = None,
    *,
    steps: int = 30,
) -> Points:
    """One vector per query, (B, d), moved until all golds are in its top k ≥ n or ``steps`` end.

    Starts at the centre of the smallest cap. Each step searches the corpus and moves towards the
    least similar gold, away from the documents that stand before it. A vector that fails proves
    nothing; one that succeeds shows that one vector is enough. What comes back is the best one met
    on the way: greatest margin of the least similar gold over the document behind the k-th.
    """
    points, mask = unit_points(golds, gold_mask)
    if positive("best_vector: k", k) < mask.sum(1).max():
        raise ValueError(f"best_vector: k={k} cannot hold {mask.sum(1).max()} golds")
    vectors = smallest_cap(golds, gold_mask)[0]
    best, best_margin = vectors.copy(), np.full(len(vectors), -np.inf)
    for step in range(1, steps + 1):
        hits = index.search(vectors, k + 1)  # above the one behind: ties with it do not count
        scores = np.where(mask, np.einsum("bnd,bd->bn", points, vectors), np.inf)
        worst = scores.argmin(1)
        margin = scores.min(1) - hits.scores[:, -1]
        better = margin > best_margin
        best[better], best_margin[better] = vectors[better], margin[better]
        open_ = np.flatnonzero(margin < 1e-6)
        if not len(open_):
            break
        gold = points[open_, worst[open_]]
        found = index.vectors(hits.rows[open_].ravel()).reshape(len(open_), k + 1, -1)
        cosine = np.einsum("bkd,bnd->bkn", found, points[open_])
        alien = ~np.isclose(cosine, 1, atol=1e-5).any(2)  # golds are not pushed away
        push = (found * alien[..., None]).sum(1) / np.maximum(1, alien.sum(1))[:, None]
        moved = vectors[open_] + 0.3 / np.sqrt(step) * (gold - push)
        vectors[open_] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return best


def set_oracle(golds: Points, m: int, gold_mask: Mask | None = None) -> Points:
    """m vectors that hold the golds together, (B, m, d): one smallest cap for each group of golds.

    Groups are those of complete linkage, which keeps the widest group narrow. With m ≥ n each gold
    is its own vector; vectors to spare repeat the first.
    """
    points, mask = unit_points(golds, gold_mask)
    positive("set_oracle: m", m)
    group = np.zeros(mask.shape, np.int64)
    for b in np.flatnonzero(mask.sum(1) > 1):
        tree = linkage(points[b, mask[b]], "complete")
        group[b, mask[b]] = fcluster(tree, m, "maxclust") - 1
    members = (group[:, None] == np.arange(m)[:, None]) & mask[:, None]  # (B, m, n)
    members = np.where(members.any(2, keepdims=True), members, members[:, :1])
    flat = np.repeat(points, m, axis=0).astype(np.float32)
    vectors = smallest_cap(flat, members.reshape(-1, members.shape[2]))[0]
    return vectors.reshape(len(points), m, -1)
