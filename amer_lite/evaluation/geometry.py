"""Gold sets and query vectors as points on a sphere: how wide is a set, can one vector hold it?

Sets come as ``golds (B, n, d)`` float with ``gold_mask (B, n)`` bool, None if all golds are real.
All points are read as directions: lengths do not matter. ``index`` is over the corpus that the
golds are from, with cosine. All functions raise ValueError on another shape or type, on sets
without a vector, and on vectors that are zero, NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from amer_lite.evaluation.metrics import PerQuery
from amer_lite.model.numbers import positive
from amer_lite.search.index import VectorIndex

Points = NDArray[np.floating[Any]]  # read as float64, returned as float32
Mask = NDArray[np.bool_]


def gold_cosine(golds: Points, gold_mask: Mask | None = None) -> PerQuery:
    """Mean cosine between two different golds of a query, (B,); NaN for a single gold."""
    points, mask = unit_points(golds, gold_mask)
    count = mask.sum(1)
    total = np.square(np.einsum("bn,bnd->bd", mask, points)).sum(1)  # n + the sum over pairs
    alone = np.full(len(count), np.nan)
    return np.divide(total - count, count * (count - 1), out=alone, where=count > 1)


def diameter(golds: Points, gold_mask: Mask | None = None) -> PerQuery:
    """D, the greatest Euclidean distance between two golds of a query on the unit sphere, (B,)."""
    points, mask = unit_points(golds, gold_mask)
    cosine = np.einsum("bnd,bmd->bnm", points, points)
    different = ~np.eye(mask.shape[1], dtype=bool)
    cosine[~(mask[:, :, None] & mask[:, None, :] & different)] = 1
    return np.sqrt(np.maximum(0, 2 - 2 * cosine.min((1, 2)).clip(-1, 1)))


def rho(
    golds: Points, index: VectorIndex, ks: Sequence[int], gold_mask: Mask | None = None
) -> PerQuery:
    """ρ = D / r_k, (B, len(ks)); r_k is the distance from the centroid to its k-th document.

    The k documents nearest to a point lie in the ball of radius r_k around it, and two points of a
    ball are at most 2·r_k apart. So a point whose own D / r_k exceeds 2 does not have all golds
    among its k nearest. Infinite where D > 0 and r_k = 0; k from 1 to the size of the index.
    """
    if index.metric != "cosine":
        raise ValueError(f"rho: needs an index with metric cosine, got {index.metric!r}")
    if not len(ks) or max(positive("rho: k", k) for k in ks) > len(index.ids):
        raise ValueError(f"rho: ks {list(ks)} must lie in [1, {len(index.ids)}]")
    scores = index.search(centroid(golds, gold_mask), max(ks)).scores[:, np.asarray(ks) - 1]
    radius = np.sqrt(np.maximum(0, 2 - 2 * scores.astype(np.float64)))
    width = diameter(golds, gold_mask)[:, None]
    with np.errstate(divide="ignore"):
        return np.divide(width, radius, out=np.zeros_like(radius), where=width > 0)


def centroid(golds: Points, gold_mask: Mask | None = None) -> Points:
    """The normalised mean of the golds, (B, d); a gold itself where they cancel."""
    points, mask = unit_points(golds, gold_mask)
    return _directions(np.einsum("bn,bnd->bd", mask, points), points, mask)


def equalised(golds: Points, gold_mask: Mask | None = None) -> Points:
    """The vector with the same score on every gold, and the least length: G⁺1 normalised, (B, d).

    Where no vector scores all golds alike it is the one that comes nearest in least squares; where
    that is zero, because the golds cancel, a gold itself.
    """
    points, mask = unit_points(golds, gold_mask)
    ones = mask[..., None].astype(np.float64)
    return _directions((np.linalg.pinv(points) @ ones)[..., 0], points, mask)


def smallest_cap(golds: Points, gold_mask: Mask | None = None) -> tuple[Points, PerQuery]:
    """The vector whose least similar gold is as similar as can be: centre of the smallest cap.

    It is the direction of the point nearest to the origin in the golds' convex hull, found exactly
    by non-negative least squares (Lawson and Hanson 1974, least distance programming). Equal to
    :func:`equalised` unless some gold lies inside the cap that the others span.

    Returns vectors (B, d), and the cosine of each with its least similar gold (B,). Where no vector
    has a positive cosine with every gold, as for opposite golds, the vector is the centroid.
    """
    points, mask = unit_points(golds, gold_mask)
    out = centroid(golds, gold_mask).astype(np.float64)
    for b, (rows, real) in enumerate(zip(points, mask, strict=True)):
        basis, inside = np.linalg.qr(rows[real].T)  # the golds in the space that they span
        system = np.vstack([inside, np.ones(inside.shape[1])])
        target = np.append(np.zeros(len(inside)), 1.0)
        weights, length = nnls(system, target)
        if length > 1e-7:  # else zero is in the hull
            out[b] = -basis @ (target - system @ weights)[:-1]
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    scores = np.einsum("bnd,bd->bn", points, out)
    return out.astype(np.float32), np.where(mask, scores, np.inf).min(1)


def vector_cosine(vectors: Points) -> PerQuery:
    """Mean cosine between two of the vectors (B, m ≥ 2, d) of a query, (B,); 1 if all are alike."""
    cosine = gold_cosine(vectors)
    if np.isnan(cosine).any():
        raise ValueError("vector_cosine: needs at least two vectors a query, got one")
    return cosine


def effective_number(vectors: Points) -> PerQuery:
    """How many directions vectors (B, m, d) take, (B,): from 1 (collapse) to m (orthogonal).

    exp of the entropy of the Gram matrix's normalised eigenvalues (Roy and Vetterli 2007).
    """
    points, _ = unit_points(vectors, None)
    share = np.linalg.eigvalsh(np.einsum("bnd,bmd->bnm", points, points)).clip(0)
    share /= share.sum(1, keepdims=True)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(1)
    return np.exp(entropy)


def same_top(rows: NDArray[np.int64]) -> PerQuery:
    """Share of a query's first hits, rows (B, m), that are the most frequent one, (B,)."""
    rows = np.asarray(rows)
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in "iu":
        raise ValueError(f"same_top: expected integers (B, m), got {rows.dtype} {rows.shape}")
    return (rows[:, :, None] == rows[:, None, :]).mean(2).max(1)


def _directions(found: Points, points: Points, mask: Mask) -> Points:
    """``found`` normalised; the first gold where it is zero up to rounding."""
    length = np.linalg.norm(found, axis=1, keepdims=True)
    first = points[np.arange(len(points)), mask.argmax(1)]
    unit = np.divide(found, length, out=first.copy(), where=length > 1e-6)
    return unit.astype(np.float32)


def unit_points(golds: Points, gold_mask: Mask | None) -> tuple[Points, Mask]:
    """Unit vectors in float64, zero on padding, and the mask."""
    points = np.asarray(golds, np.float64)
    mask = np.ones(points.shape[:2], bool) if gold_mask is None else np.asarray(gold_mask)
    if points.ndim != 3 or not points.size:
        raise ValueError(f"expected non-empty vectors (B, n, d), got {points.shape}")
    if mask.shape != points.shape[:2] or mask.dtype != bool:
        raise ValueError(f"gold_mask: not bool {points.shape[:2]}, got {mask.dtype} {mask.shape}")
    points = np.where(mask[..., None], points, 0)
    length = np.linalg.norm(points, axis=2)
    wrong = (mask != (np.isfinite(length) & (length > 0))).any(1) | ~mask.any(1)
    if wrong.any():
        rows = np.flatnonzero(wrong)[:10].tolist()
        raise ValueError(f"rows {rows} hold no vector, or one that is zero, NaN or infinite")
    return np.divide(points, length[..., None], out=points, where=mask[..., None]), mask
