"""The systems of chapter 14 that read texts: BM25, late interaction, a language model's rewriting.

Each is a `System` over a `Bench` of `amer_book.systems`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import bm25s
import numpy as np

from amer_book import budget
from amer_book.retrievers import LateInteraction
from amer_book.runs.plain import MERGES
from amer_book.systems import WEIGHTS, Bench, K, Read, System
from amer_lite import SentenceEncoder
from amer_lite.evaluation import rivals
from amer_lite.search import merge as merging
from amer_lite.search.index import Hits, Rows, Vectors, search_sets

OKAPI = tuple(
    (k1, b) for k1 in (0.0, 0.3, 0.6, 1.2, 2.0, 4.0, 8.0) for b in (0.0, 0.25, 0.5, 0.75, 1.0)
)
CONSTANTS = (0, 1, 3, 10, 30, 60, 100, 300, 1000, 3000)  # of RRF


def words(texts: list[str]) -> list[list[str]]:
    """What BM25 counts: English stop words are left out, nothing is stemmed."""
    return bm25s.tokenize(texts, stopwords="en", show_progress=False, return_ids=False)


def lexical(bench: Bench) -> System:
    """BM25; a document's postings, a word's id and its weight, are eight bytes."""
    corpus = words(bench.texts)

    @lru_cache(maxsize=len(OKAPI))
    def index(k1: float, b: float) -> bm25s.BM25:
        made = bm25s.BM25(k1=k1, b=b)
        made.index(corpus, show_progress=False)
        return made

    def end(tokens: list[list[str]], choice: tuple[float, float]) -> Rows:
        none = np.zeros(len(corpus), np.float32)  # of a query of stop words
        found = [index(*choice).get_scores(own) if own else none for own in tokens]
        return rivals.top(np.stack(found), K)

    size = 8 * float(np.mean([len(set(own)) for own in corpus]))
    return System("BM25", words, end, size, OKAPI)


def fused(bench: Bench, read: Read, lexical: System, okapi: tuple[float, float]) -> System:
    """One vector's list and BM25's by RRF."""

    def begin(texts: list[str]) -> Rows:
        dense = bench.world.index.search(first(read, texts), min(K, len(bench.world.ids))).rows
        return np.stack([dense, lexical.end(lexical.begin(texts), okapi)], 1)

    def end(lists: Rows, c: int) -> Rows:
        return merging.rrf(lists, K, c).rows

    size = bench.width + lexical.bytes
    return System("BM25 + one vector", begin, end, size, CONSTANTS, lambda *_: 2)


def late(bench: Bench) -> System:
    """MaxSim over MiniLM's states, exact."""
    engine = LateInteraction(SentenceEncoder(cache=False), bench.texts)

    def begin(texts: list[str]) -> Rows:
        return rivals.top(engine.scores(texts), K)

    size = engine.tokens.nbytes / len(bench.texts)
    return System("MaxSim", begin, lambda rows, _: rows, size)


def first(read: Read, texts: list[str]) -> Vectors:
    """(Q, d): a reader's first vector of each text."""
    return read(texts)[0][:, 0]


def expanded(
    bench: Bench, readers: dict[str, Read], write: Callable[[list[str]], list[str]]
) -> System:
    """Query and the language model's text, each read alone, as one vector."""

    def begin(texts: list[str]) -> dict[str, tuple[Vectors, Vectors]]:
        written = [text or own for text, own in zip(write(texts), texts, strict=True)]
        return {name: (first(read, texts), first(read, written)) for name, read in readers.items()}

    def end(state: dict[str, tuple[Vectors, Vectors]], choice: tuple[str, float]) -> Rows:
        vectors, written = state[choice[0]]
        moved = budget.rocchio(vectors, written[:, None], choice[1])
        return bench.world.index.search(moved, min(K, len(bench.world.ids))).rows

    grid = [(name, weight) for name in readers for weight in WEIGHTS]
    return System("expansion", begin, end, bench.width, grid, few=True)


def decomposed(
    bench: Bench, readers: dict[str, Read], write: Callable[[list[str]], list[list[str]]]
) -> System:
    """A list for the query and one for each sub-query that the language model writes."""

    def begin(texts: list[str]) -> dict[str, tuple[Hits, Vectors]]:
        parts = [[own, *some] for own, some in zip(texts, write(texts), strict=True)]
        state = {}
        for name, read in readers.items():
            vectors, weights = rivals.embedded(parts, partial(first, read))
            hits = search_sets(bench.world.index, vectors, min(K, len(bench.world.ids)))
            state[name] = hits, weights
        return state

    def end(state: dict[str, Any], choice: tuple[str, float, str, float]) -> Rows:
        name, share, rule, tau = choice
        (scores, rows), weights = state[name]
        if rule == "round_robin":
            return merging.round_robin(rows, K).rows
        own = np.arange(weights.shape[1]) == 0
        others = np.where(own, 0, weights)
        total = others.sum(1, keepdims=True)
        others = np.divide(others, total, out=np.where(own, 1.0, 0 * others), where=total > 0)
        return merging.mixture(scores, rows, K, tau, share * own + (1 - share) * others).rows

    def searches(state: dict[str, Any], choice: Any) -> float:
        return float((next(iter(state.values()))[1] > 0).sum(1).mean())

    grid = [
        (name, share, *how)
        for name in readers
        for how in MERGES
        for share in ((0.2, 0.5, 0.8, 1.0) if how[0] == "mixture" else (0.0,))
    ]
    return System("sub-queries", begin, end, bench.width, grid, searches, few=True)
