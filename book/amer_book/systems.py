"""The systems that chapter 14 compares: each answers texts with rows, and says what that cost.

A system works in two steps. ``begin`` does what all of its settings share, ``end`` the rest for
one setting of its grid, so that a grid costs little. One text is answered as a thousand are: what
is timed is what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from amer_book import beliefs, budget
from amer_book.runs.plain import RULES, SPLITS, Plain, Split
from amer_book.runs.settings import World, principal
from amer_lite import AMER, FaissIndex, SentenceEncoder
from amer_lite.evaluation import rivals
from amer_lite.evaluation.rivals import Belief, Neighbours
from amer_lite.search import merge as merging
from amer_lite.search.index import Hits, Rows, VectorIndex, Vectors, search_sets
from amer_lite.search.merge import Merged

K, DEEP = 100, 6  # rows returned; MMR sees DEEP · K
LAMBDAS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
DEPTHS = (K, DEEP * K)
WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # of what was found, in feedback and expansion
FEEDBACK = (1, 3, 5, 10, 20)  # documents
TAUS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
Read = Callable[[list[str]], tuple[Vectors, Vectors]]  # vectors (Q, m, d), weights (Q, m)


def _one(state: Any, choice: Any) -> float:
    return 1


@dataclass(frozen=True)
class System:
    """See above; ``rows`` are (Q, K), best first, −1 where there is none.

    Attributes:
        searches: of a query, on average, given what ``begin`` returned and the setting.
        bytes: of a document.
        few: it writes texts: measured on few queries.
    """

    name: str
    begin: Callable[[list[str]], Any]
    end: Callable[[Any, Any], Rows]
    bytes: float
    grid: Sequence[Any] = (None,)
    searches: Callable[[Any, Any], float] = _one
    few: bool = False


@dataclass(eq=False)
class Bench:
    """A world and what systems over it share."""

    world: World
    encoder: SentenceEncoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = self.world.encoder

    @cached_property
    def documents(self) -> Vectors:
        return self.world.documents.numpy()

    @cached_property
    def texts(self) -> list[str]:
        return [self.world.corpus[name] for name in self.world.ids]

    @property
    def width(self) -> float:
        return 4 * self.world.index.dim

    @lru_cache  # noqa: B019 - lives as long as its world
    def directions(self, dim: int) -> Vectors:
        """(dim, d): see `principal`."""
        return principal(self.world.documents, dim).numpy()

    @lru_cache  # noqa: B019
    def coded(self, factory: str, dim: int = 0) -> FaissIndex:
        """The documents in another index, in fewer dimensions if ``dim`` says so."""
        basis = self.directions(dim or self.documents.shape[1])
        index = FaissIndex(len(basis), factory)
        index.add(self.documents @ basis.T, self.world.ids)
        return index

    # --- readers ---------------------------------------------------------------------------------

    def untrained(self, texts: list[str]) -> tuple[Vectors, Vectors]:
        vectors = self.encoder.embed(texts) @ self.world.basis.numpy().T
        return vectors[:, None], np.ones((len(texts), 1), np.float32)

    def by(self, model: AMER, m: int) -> Read:
        def read(texts: list[str]) -> tuple[Vectors, Vectors]:
            vectors, log_weights = model.generate_weighted(self.encoder.token_states(texts), m)
            return vectors.numpy(), log_weights.exp().numpy()

        return read

    # --- systems ---------------------------------------------------------------------------------

    def dense(
        self, name: str, read: Read, m: int = 1, tau: float = 0.05,
        index: VectorIndex | None = None, width: float | None = None,
        basis: Vectors | None = None,
    ) -> System:  # fmt: skip
        """Search with the m vectors of a reader, and merge their lists as a mixture.

        Over another ``index`` of ``width`` bytes a document if one is given, whose space ``basis``
        (d', d) leads into.
        """
        where = index or self.world.index

        def begin(texts: list[str]) -> tuple[Hits, Vectors]:
            vectors, weights = read(texts)
            if basis is not None:
                vectors = vectors @ basis.T
            return search_sets(where, vectors, min(K, len(where.ids))), weights

        def end(state: tuple[Hits, Vectors], choice: float | None) -> Rows:
            (scores, rows), weights = state
            if choice is None:
                return rows[:, 0]
            return merging.mixture(scores, rows, K, choice, weights).rows

        grid = tuple(dict.fromkeys((tau, *TAUS))) if m > 1 else (None,)
        return System(name, begin, end, width or self.width, grid, lambda *_: m)

    def mmr(self, read: Read) -> System:
        deep = min(DEEP * K, len(self.world.ids))

        def begin(texts: list[str]) -> Hits:
            hits = search_sets(self.world.index, read(texts)[0], deep)
            return Hits(hits.scores[:, 0], hits.rows[:, 0])

        def end(hits: Hits, choice: tuple[int, float]) -> Rows:
            depth, lam = choice
            out = []
            for scores, rows in zip(*hits, strict=True):
                near = self.documents[rows[:depth]]
                out.append(rows[budget.mmr(scores[:depth], near @ near.T, K, lam)])
            return np.stack(out)

        grid = [(depth, lam) for depth in DEPTHS if depth <= deep for lam in LAMBDAS]
        return System("MMR", begin, end, self.width, grid)

    def feedback(self, read: Read) -> System:
        def begin(texts: list[str]) -> tuple[Vectors, Rows]:
            vectors = read(texts)[0]
            return vectors[:, 0], self.world.index.search(vectors[:, 0], max(FEEDBACK)).rows

        def end(state: tuple[Vectors, Rows], choice: tuple[int, float]) -> Rows:
            (vectors, rows), (n, weight) = state, choice
            moved = budget.rocchio(vectors, self.documents[rows[:, :n]], weight)
            return self.world.index.search(moved, min(K, len(self.world.ids))).rows

        grid = [(n, weight) for n in FEEDBACK for weight in WEIGHTS if n == 1 or weight]
        return System("feedback", begin, end, self.width, grid, lambda *_: 2)

    def split(self, plain: Plain) -> System:
        def begin(texts: list[str]) -> dict[str, Any]:
            return {rule: self._parts(plain, texts, rule) for rule in RULES}

        def end(state: dict[str, Any], how: Split) -> Rows:
            (scores, rows), weights = state[how.rule]
            if how.merge == "mixture":
                return merging.mixture(scores, rows, K, how.tau, weights).rows
            return merging.round_robin(rows, K).rows

        def searches(state: dict[str, Any], how: Split) -> float:
            return float((state[how.rule][1] > 0).sum(1).mean())

        return System("split", begin, end, self.width, SPLITS, searches)

    def _parts(self, plain: Plain, texts: list[str], rule: str) -> tuple[Hits, Vectors]:
        vectors, weights = plain.parts(texts, rule, self.encoder)
        return search_sets(self.world.index, vectors, min(K, len(self.world.ids))), weights

    def vote(self, plain: Plain, how: Neighbours, read: Read | None = None, m: int = 0,
             tau: float = 0.05) -> System:  # fmt: skip
        """The nearest training queries' golds; beside what a reader finds, if there is one."""
        n = len(self.world.ids)
        size = plain.whole["train"].nbytes / n

        def begin(texts: list[str]) -> tuple[Belief, Belief]:
            known, golds = plain.whole["train"], plain.golds
            voted = rivals.vote(self.encoder.embed(texts), known, golds, n, how)
            if read is None:
                return voted, voted
            vectors, weights = read(texts)
            hits = search_sets(self.world.index, vectors, min(K, n))
            found: Merged = merging.mixture(*hits, min(n, m * K), tau, weights)
            return beliefs.as_belief(found, n), voted

        def end(state: tuple[Belief, Belief], share: float | None) -> Rows:
            return rivals.top(beliefs.mix(*state, share or 0.0), K)

        names = {0: "neighbours", 1: "one vector + neighbours"}
        return System(
            names.get(m, "six vectors + neighbours"), begin, end, size + self.width * (m > 0),
            SHARES if m else (None,), lambda *_: m + 1,
        )  # fmt: skip
