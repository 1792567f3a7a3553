"""How many documents a dimension holds if every two of them are to be some query's top two.

Documents and queries are free points of length one, as in "free embeddings" of Weller et al. (2025,
arXiv 2508.21038): what fails here fails for every encoder. Pairs stand in the order of `pairs`. The
*margin* of a query is how far its worse gold stands above the best other document, in cosine.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

Points = NDArray[np.float64]  # (n, d), rows of length one


def pairs(n: int) -> NDArray[np.int64]:
    """All pairs of n documents, (n·(n − 1) / 2, 2)."""
    return np.stack(np.triu_indices(n, 1), axis=1)


def margin(documents: Points, queries: Points) -> float:
    """The least margin over all pairs, one query (row) a pair; negative where a top two is wrong.

    Raises:
        ValueError: not one query for each pair.
    """
    golds = pairs(len(documents))
    if len(queries) != len(golds):
        raise ValueError(f"margin: {len(queries)} queries for {len(golds)} pairs")
    scores = np.asarray(queries, np.float64) @ np.asarray(documents, np.float64).T
    worse = np.take_along_axis(scores, golds, axis=1).min(1)
    np.put_along_axis(scores, golds, -np.inf, axis=1)
    return float((worse - scores.max(1)).min())


def circle(n: int) -> Points:
    """n documents in two dimensions, each of which is its own query's top one, (n, 2)."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def curve(n: int) -> tuple[Points, Points]:
    """Documents (n, 4) and queries (P, 4) whose margin is above 0 for every n.

    Document t is (cos t, sin t, cos 2t, sin 2t) / √2; the query of documents a and b has as scores
    −(1 − cos(t − a))·(1 − cos(t − b)) and a constant: most at a and at b, less everywhere else.
    The hull of such points is a cyclic polytope (Gale 1963).
    """
    angle = 2 * np.pi * np.arange(n) / n
    documents = np.stack([f(m * angle) for m in (1, 2) for f in (np.cos, np.sin)], axis=1)
    a, b = angle[pairs(n)].T
    half = -(a + b)
    queries = [np.cos(a) + np.cos(b), np.sin(a) + np.sin(b), -np.cos(half) / 2, np.sin(half) / 2]
    return _unit(documents), _unit(np.stack(queries, axis=1))


def fit(
    n: int, dim: int, least: float, *, seed: int = 0, tries: int = 2, steps: int = 200
) -> tuple[Points, Points] | None:
    """Documents and queries with a margin of ``least``, found by gradient descent from random ones.

    None proves nothing: it only says that these tries found none.
    """
    random = torch.Generator().manual_seed(seed)
    golds = torch.from_numpy(pairs(n))
    gold = torch.zeros(len(golds), n, dtype=torch.bool).scatter_(1, golds, True)
    documents = torch.randn(tries, n, dim, generator=random)
    queries = normalize(documents, dim=-1)[:, golds].sum(2)
    points = [documents.requires_grad_(), queries.requires_grad_()]
    adam = torch.optim.Adam(points, lr=0.05)
    soft = 0.02  # of the minima and maxima, in cosine
    for step in range(steps):
        documents, queries = (normalize(p, dim=-1) for p in points)
        scores = queries @ documents.mT
        golds_only = scores.masked_fill(~gold, torch.inf)
        others_only = scores.masked_fill(gold, -torch.inf)
        if step % 10 == 0:
            reached = (golds_only.amin(2) - others_only.amax(2)).amin(1)
            best = int(reached.argmax())
            found = [_unit(p[best].detach().double().numpy()) for p in (documents, queries)]
            if margin(*found) >= least:  # in float64, by the definition
                return found[0], found[1]
        worse = -soft * (-golds_only / soft).logsumexp(2)
        rival = soft * (others_only / soft).logsumexp(2)
        adam.zero_grad()
        ((rival - worse) / soft).logsumexp(1).sum().backward()
        adam.step()
    return None


def most(dims: range, least: float, **options: int) -> dict[int, int]:
    """Per dimension, the most documents for which `fit` found one query a pair: a lower bound.

    What a dimension holds, the next one holds as well, so each search goes on where the last ended.
    """
    n, found = 2, {}
    for dim in dims:
        while fit(n + 1, dim, least, **options):
            n += 1
        found[dim] = n
    return found


def apart(dim: int, least: float, *, candidates: int = 4000, seed: int = 0) -> Points:
    """Documents whose cosines are at most 1 − ``least``: with one query a *gold*, every pair works.

    Random points, each kept if it is far enough from those kept before; on the `circle` the most.
    """
    if dim == 2:
        return circle(int(2 * np.pi / np.arccos(1 - least)))
    points = _unit(np.random.default_rng(seed).standard_normal((candidates, dim)))
    free = np.ones(candidates, bool)
    kept = []
    for row in range(candidates):
        if free[row]:
            kept.append(row)
            free &= points @ points[row] <= 1 - least
    return points[kept]


def _unit(points: Points) -> Points:
    return points / np.linalg.norm(points, axis=-1, keepdims=True)
