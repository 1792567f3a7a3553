"""Plain rivals of a trained retriever: a split of the query, a vote of its neighbours, popularity.

They train nothing. A *belief* is what one thinks of all documents: (Q, N) float32, not negative,
rows that sum to at most one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amer_lite.datasets.types import Example, Run
from amer_lite.search.index import Rows, VectorIndex, Vectors

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


def embedded(
    parts: Sequence[Sequence[str]], embed: Callable[[list[str]], Vectors]
) -> tuple[Vectors, Vectors]:
    """The parts of Q queries as vectors (Q, m, d), and their shares (Q, m) in a mixture.

    ``embed`` sees each distinct part once. Queries with fewer than m parts are padded with copies
    of their first, which have no share.
    """
    distinct = list(dict.fromkeys(part for own in parts for part in own))
    place = {part: row for row, part in enumerate(distinct)}
    vectors = embed(distinct)
    return padded([vectors[[place[part] for part in own]] for own in parts])


def padded(sets: Sequence[Vectors]) -> tuple[Vectors, Vectors]:
    """Sets of vectors (n ≥ 1, d) as `embedded` returns them."""
    most = max(map(len, sets))
    shares = np.array([[i < len(own) for i in range(most)] for own in sets], np.float32)
    rows = [np.concatenate([own, np.repeat(own[:1], most - len(own), 0)]) for own in sets]
    return np.stack(rows).astype(np.float32), shares / shares.sum(1, keepdims=True)


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


def best(belief: Belief, index: VectorIndex, examples: Sequence[Example], k: int) -> Run:
    """The rankings of `top`; one belief may stand for all examples."""
    rows = np.broadcast_to(found := top(np.atleast_2d(belief), k), (len(examples), found.shape[1]))
    return Run(
        {
            example.id: [index.ids[row] for row in own if row >= 0]
            for example, own in zip(examples, rows, strict=True)
        }
    )


def top(belief: Belief, k: int) -> Rows:
    """(Q, min(k, N)): rows of the highest belief, of equals the first; −1 where none is above 0."""
    k = min(k, belief.shape[1])
    rows = np.sort(np.argpartition(-belief, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(belief, rows, 1), axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, 1)
    return np.where(np.take_along_axis(belief, rows, 1) > 0, rows, -1)
