"""Plain rivals of a trained retriever: a split of the query, a vote of its neighbours, popularity.

They train nothing. A *belief* is what one thinks of all documents: (Q, N) float32, not negative,
rows that sum to at most one. Beliefs mix: the share of one, the rest of the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amer_lite.datasets.types import Example, Run
from amer_lite.search.index import VectorIndex
from amer_lite.search.merge import Merged

Belief = NDArray[np.float32]
COMMON = 0.01  # a word of more than this share of the training queries says nothing
CONNECTIVES = re.compile(
    r"[.,;:?!]+(?:\s+|$)|\b(?:and|or|then|also|after that|followed by|as well as|with|for)\b", re.I
)


def common_words(queries: Sequence[str]) -> frozenset[str]:
    """A stop list that is learned: the words that stand in too many of the training queries."""
    counts = Counter(word for query in queries for word in set(words(query)))
    return frozenset(word for word, count in counts.items() if count > COMMON * len(queries))


def words(query: str) -> list[str]:
    """The distinct words of a query in lower case, in their order."""
    return list(dict.fromkeys(re.findall(r"\w+(?:['-]\w+)*", query.lower())))


def telling_words(query: str, common: frozenset[str]) -> list[str]:
    """The words of a query that are not common; the query itself where none remains."""
    return [word for word in words(query) if word not in common] or [query]


def clauses(query: str) -> list[str]:
    """The query cut at punctuation and connectives; parts of a letter or two are dropped."""
    parts = (part.strip() for part in CONNECTIVES.split(query))
    return list(dict.fromkeys(part for part in parts if len(part) > 2)) or [query]


class Neighbours(NamedTuple):
    """How many training queries vote, and how much more the nearer ones count."""

    voters: int
    temperature: float


def vote(
    queries: NDArray[np.float32],
    known: NDArray[np.float32],
    golds: Sequence[Sequence[int]],
    documents: int,
    how: Neighbours,
) -> Belief:
    """What the golds of the nearest training queries suggest: k nearest neighbours.

    The nearest ``how.voters`` share out a softmax of their similarities, each over its golds.

    Args:
        queries: (Q, s) and ``known``: (T, s), L2-normalised; ``golds``: rows of each known one.
        documents: number of rows there are.
    """
    belief = np.zeros((len(queries), documents), np.float32)
    for row, similar in zip(belief, queries @ known.T, strict=True):
        nearest = np.argsort(-similar, kind="stable")[: how.voters]
        shares = np.exp((similar[nearest] - similar[nearest[0]]) / how.temperature)
        for neighbour, share in zip(nearest, shares / shares.sum(), strict=True):
            row[golds[neighbour]] += share / len(golds[neighbour])
    return belief


def popularity(golds: Sequence[Sequence[int]], documents: int) -> Belief:
    """How often a document is a gold in training, the same for every query: (1, N)."""
    counts = np.bincount(np.concatenate([np.asarray(rows) for rows in golds]), minlength=documents)
    return (counts / counts.sum()).astype(np.float32)[None]


def as_belief(merged: Merged, documents: int) -> Belief:
    """What a merge by probability says, as far as it was fetched."""
    belief = np.zeros((len(merged.rows), documents + 1), np.float32)
    np.put_along_axis(belief, merged.rows, np.where(merged.rows < 0, 0, merged.scores), axis=1)
    return belief[:, :-1]  # padding, row −1, has gone to the last column


def mix(one: Belief, other: Belief, share: float) -> Belief:
    """(1 − share) · one + share · other: interpolation as in kNN-LM (arXiv 1911.00172)."""
    return (1 - share) * one + np.float32(share) * other


def best(belief: Belief, index: VectorIndex, examples: Sequence[Example], k: int) -> Run:
    """The k documents of highest belief, of equals the first; none of which nothing speaks."""
    belief = np.broadcast_to(belief, (len(examples), belief.shape[1]))
    k = min(k, belief.shape[1])
    rows = np.sort(np.argpartition(-belief, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(belief, rows, 1), axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, 1)
    return Run({
        example.id: [index.ids[row] for row in found if speaks[row] > 0]
        for example, found, speaks in zip(examples, rows, belief, strict=True)
    })  # fmt: skip
