"""Before any training: has one vector room for all golds of a query, and have several?

A trained vector meets the point that it is for with some cosine, the *aim*: 1 if that point could
be computed from the query. It finds a gold there if other documents are farther away: those that
stand around it, and those that stand wherever a vector goes that knows little. One vector serves n
golds from between them, at best from the centre of their smallest cap; the last of them has to beat
the other document at place 11 − n of 10. Each of several vectors has 10 / n places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from amer_lite.datasets.types import Example
from amer_lite.evaluation import geometry
from amer_lite.evaluation.geometry import Mask, Points
from amer_lite.search.index import Rows, VectorIndex, Vectors

K = 10  # what is measured and predicted is of MRecall at this depth
RULE = Path(__file__).with_suffix(".json")


class Golds(NamedTuple):
    """B gold sets: rows (B, n) int64, −1 is padding; their vectors (B, n, d); which are real."""

    rows: Rows
    points: Points
    mask: Mask


def gold_sets(index: VectorIndex, examples: Sequence[Example]) -> Golds:
    """The golds of each example; of an answer with several documents the first."""
    own = [index.rows(dict.fromkeys(docs[0] for docs in e.golds)) for e in examples]
    rows = np.full((len(own), max(map(len, own))), -1)
    for row, found in zip(rows, own, strict=True):
        row[: len(found)] = found
    filled = np.where(rows < 0, rows[:, :1], rows)
    return Golds(rows, index.vectors(filled.ravel()).reshape(*rows.shape, -1), rows >= 0)


def facts(golds: Golds, index: VectorIndex, known: Sequence[Example]) -> dict[str, float]:
    """Golds a query, the share that ``known`` examples have too, median rho, mean gold cosine."""
    seen = index.rows({*chain.from_iterable(example.gold_ids for example in known)})
    cosine = geometry.gold_cosine(golds.points, golds.mask)
    found = {
        "golds": golds.mask.sum(1).mean(),
        "golds seen in training": np.isin(golds.rows, seen).sum() / golds.mask.sum(),
        "rho at 10": np.median(geometry.rho(golds.points, index, [K], golds.mask)),
        "gold cosine": cosine[~np.isnan(cosine)].mean() if golds.mask.shape[1] > 1 else np.nan,
    }
    return {name: float(value) for name, value in found.items() if not np.isnan(value)}


def linear(queries: Vectors, known: Vectors, golds: Golds) -> Vectors:
    """Ridge regression from ``known`` (T, s) to their golds' centroids, read at queries (Q, s).

    The cheapest trained vector, (Q, d), the shorter the less it knows. Closed form; its one
    constant is the mean eigenvalue of the known queries, which are L2-normalised.
    """
    before, asked = (np.c_[x, np.ones(len(x))].astype(np.float64) for x in (known, queries))
    gram = before.T @ before + len(known) / known.shape[1] * np.eye(before.shape[1])
    targets = before.T @ geometry.centroid(golds.points, golds.mask)
    return (asked @ np.linalg.solve(gram, targets)).astype(np.float32)


def measure(
    golds: Golds, index: VectorIndex, known: Golds, guess: Vectors, parts: Sequence[Vectors]
) -> dict[str, float]:
    """The cosines that `rule` reads, as medians over the queries of two golds and more.

    How well single golds are known is taken from how well their centroids are: what the guess gets
    right of that in which centroids differ, it would get right of a gold.

    Args:
        golds: of B queries; ``known`` are those of the queries that the guess was fitted to.
        guess: (B, d), by `linear`.
        parts: queries as they are, and ways to split them, (B, m, d) each.
    """
    several = golds.mask.sum(1) > 1
    rows, points, mask = (part[several] for part in golds)
    n, guess = mask.sum(1), guess[several]

    def median(cosines: NDArray[np.floating]) -> float:
        return float(np.median(cosines.mean(1, where=mask[:, : cosines.shape[1]])))

    def other(vectors: Vectors, place: NDArray[np.int64]) -> float:
        """The score of so many documents that are no golds."""
        owner = np.repeat(np.arange(len(n)), len(vectors) // len(n))
        hits = index.search(vectors, K + rows.shape[1])
        alien = (hits.rows[:, :, None] != rows[owner, None]).all(2)
        at = (alien.cumsum(1) == place[owner, None]).argmax(1)
        return median(hits.scores[np.arange(len(at)), at].reshape(len(n), -1))

    usual = geometry.centroid(known.points, known.mask).mean(0)
    true, said = geometry.centroid(points, mask) - usual, guess - usual
    right = (true * said).sum(1) / np.linalg.norm(true, axis=1) / np.linalg.norm(said, axis=1)
    common = np.square(known.points[known.mask].mean(0)).sum()  # of any two golds, a cosine
    cap, worst = geometry.smallest_cap(points, mask)
    ends, share = np.maximum(1, K - n + 1), np.maximum(1, K // n)
    return {
        "aim": float(np.sqrt(common + (1 - common) * max(0, np.median(right)) ** 2)),
        "aim of parts": max(
            median(np.einsum("bnd,bmd->bnm", points, own[several]).max(2)) for own in parts
        ),
        "compromise": median(worst[:, None]),
        "crowd of one": other(cap, ends),
        "crowd of several": other(points.reshape(-1, index.dim), share),
        "others of one": other(guess, ends),
        "others of several": other(guess, share),
    }


def rule(cosines: Mapping[str, float], found: float, needed: float, width: float) -> float:
    """Points of MRecall@10 that several trained vectors find more than one.

    The margin is how much nearer than others a vector comes to its gold, in radians. At the margin
    that is ``needed`` half of the sets are found, within about ``width`` of it few or most. Both
    find at least what is ``found`` (in points) without training.
    """
    aim = max(cosines["aim"], cosines["aim of parts"])

    def finds(how: str, met: float) -> float:
        others = max(cosines[f"others of {how}"], aim * cosines[f"crowd of {how}"])
        margin = np.subtract(*np.arccos(np.clip([others, met], -1, 1)))
        return max(found, 100 * float(expit((margin - needed) / width)))

    return finds("several", aim) - finds("one", aim * cosines["compromise"])


def predict(cosines: Mapping[str, float], found: float) -> tuple[float, float, float]:
    """The gain by `rule`, with the ends of a 90 % interval, in points.

    The constants were fitted to worlds in which both were trained; the ends are how far the rule
    was off in worlds that it was not fitted to. The file `RULE` holds both, and names the worlds.
    """
    fitted = json.loads(RULE.read_text(encoding="utf-8"))
    gain = rule(cosines, found, **fitted["constants"])
    most = 100 - found  # no gain and no loss can be larger, since both find that much
    low, high = (min(most, max(-most, gain + error)) for error in fitted["errors"])
    return gain, low, high
