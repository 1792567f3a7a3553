"""The rivals that train nothing, each chosen on dev; and how everything of part IV is measured.

Part of `amer_book.runs.fair`, which records them.

``share`` is the weight of the neighbours' vote in what is ranked (`amer_book.beliefs.mix`), 0
without; each training chooses its own on dev.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from amer_book import beliefs
from amer_book.climb import climb
from amer_book.records import Ledger, Record, as_bits, select
from amer_book.runs import percent
from amer_book.runs.settings import World
from amer_lite import SentenceEncoder
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import diagnosis, geometry, metrics, rivals
from amer_lite.evaluation.rivals import Belief, Neighbours
from amer_lite.search import merge as merging
from amer_lite.search.index import Hits, search_sets
from amer_lite.search.retrieve import Merge, as_run, search_and_merge

CUTS = (10, 100)
DEPTH = 1000  # fetched by each vector; of what lies deeper a softmax says nothing
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
VOTERS: Mapping[str, Sequence[Any]] = {
    "voters": (1, 3, 10, 30, 100, 300, 1000, 3000),
    "temperature": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
}


class Split(NamedTuple):
    """How a query is taken apart, and how the lists of its parts are merged."""

    rule: str
    merge: Merge
    tau: float


RULES = ("words", "clauses", "tokens")
MERGES: Sequence[tuple[Merge, float]] = [
    ("round_robin", 0.05),
    *(("mixture", tau) for tau in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
]
SPLITS = [Split(rule, *how) for rule in RULES for how in MERGES]


def common(world: World, place: str, seed: int) -> Record:
    setting = world.setting
    return {"experiment": place, "dataset": setting.dataset, "dim": setting.dim, "seed": seed}


def score(examples: Sequence[Example], run: Run) -> float:
    """Mean of Recall at both cut-offs: what every setting is chosen by, on dev."""
    return float(np.mean([metrics.recall(run, examples, k).mean() for k in CUTS]))


def best(world: World, belief: Belief, part: str = "dev") -> Run:
    return rivals.best(belief, world.index, world.examples[part], max(CUTS))


def measured(world: World, run: Run, part: str, **row: Any) -> Iterator[Record]:
    """MRecall and Recall in percent, of MRecall a bit for every query; on test its subsets, too."""
    examples = world.examples[part]
    everyone = {"all": np.ones(len(examples), bool)}
    subsets = world.subsets if part == "test" else {}
    for metric, masks in ((metrics.mrecall, everyone | subsets), (metrics.recall, everyone)):
        for k in CUTS:
            values = metric(run, examples, k)
            for subset, rows in masks.items():
                found: Record = {
                    "split": part, "metric": metric.__name__, "k": k, "subset": subset,
                    "queries": int(rows.sum()), "value": percent(values[rows].mean()), **row,
                }  # fmt: skip
                if metric is metrics.mrecall and subset == "all":
                    found["answered"] = as_bits(values)
                yield found


def both(world: World, beliefs: Mapping[str, Belief], **row: Any) -> Iterator[Record]:
    """Of dev and test."""
    for part, belief in beliefs.items():
        yield from measured(world, best(world, belief, part), part, **row)


class Plain:
    """The rivals of a world that train nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.golds = world.train.golds
        self.common = rivals.common_words([e.query for e in world.examples["train"]])
        self.texts = {part: [e.query for e in some] for part, some in world.examples.items()}
        self.whole = {p: world.encoder.embed(texts) for p, texts in self.texts.items()}

    def untrained(self, part: str) -> Belief:
        vectors = (self.whole[part] @ self.world.basis.numpy().T)[:, None]
        found = search_and_merge(self.world.index, vectors, DEPTH, merge="mixture")
        return beliefs.as_belief(found, len(self.world.ids))

    def vote(self, part: str, how: Neighbours) -> Belief:
        known = self.whole["train"]
        return rivals.vote(self.whole[part], known, self.golds, len(self.world.ids), how)

    def popularity(self) -> Belief:
        return rivals.popularity(self.golds, len(self.world.ids))

    def split(self, part: str, how: Split) -> Run:
        hits, weights = self._lists(part, how.rule)
        if how.merge == "mixture":
            found = merging.mixture(hits.scores, hits.rows, max(CUTS), how.tau, weights)
        else:
            found = merging.round_robin(hits.rows, max(CUTS))
        return as_run(found, self.world.index, self.world.examples[part])

    @cache  # noqa: B019 - lives as long as its world
    def _lists(self, part: str, rule: str) -> tuple[Hits, np.ndarray]:
        vectors, weights = self.parts(self.texts[part], rule, self.world.encoder)
        return search_sets(self.world.index, vectors, max(CUTS)), weights

    def parts(
        self, texts: list[str], rule: str, encoder: SentenceEncoder
    ) -> tuple[np.ndarray, np.ndarray]:
        """A vector a part, (Q, m, d), padded with copies of the first that weigh nothing."""
        basis = self.world.basis.numpy()
        if rule == "tokens":
            states, mask = (x.numpy() for x in encoder.token_states(texts))
            sets = [row[real] @ basis.T for row, real in zip(states, mask, strict=True)]
            return rivals.padded(sets)
        cut = rivals.clauses if rule == "clauses" else self._telling
        parts = [cut(text) for text in texts]
        return rivals.embedded(parts, lambda some: encoder.embed(some) @ basis.T)

    def _telling(self, query: str) -> list[str]:
        return rivals.telling_words(query, self.common)


def record_plain(ledger: Ledger, plain: Plain, place: str) -> Neighbours:
    """All rivals that train nothing, each chosen on dev; returns how neighbours vote."""
    world, parts = plain.world, ("dev", "test")
    dev = world.examples["dev"]
    about = common(world, place, 0)
    ledger.once(
        about | {"model": "world"}, lambda: world, lambda world: describe(world), split="test"
    )
    alone = {part: plain.popularity() for part in parts}
    ledger.once(about | {"model": "popularity"}, lambda: alone, partial(both, world))

    def choose_split() -> Split:
        def quality(how: Split) -> float:
            return score(dev, plain.split("dev", how))

        return max(SPLITS, key=quality)

    def of_split(how: Split) -> Iterator[Record]:
        for part in parts:
            yield from measured(world, plain.split(part, how), part, **how._asdict())

    ledger.once(about | {"model": "split"}, choose_split, of_split)

    def choose_voters() -> Neighbours:
        start = Neighbours(100, 0.1)
        return climb(start, VOTERS, lambda how: score(dev, best(world, plain.vote("dev", how))))

    ledger.once(
        about | {"model": "neighbours"},
        choose_voters,
        lambda how: both(world, {p: plain.vote(p, how) for p in parts}, **how._asdict()),
    )
    found = select(ledger.records, **about, model="neighbours")[0]
    how = Neighbours(found["voters"], found["temperature"])
    alone = {part: plain.untrained(part) for part in parts}
    ledger.once(about | {"model": "untrained"}, lambda: alone, partial(with_neighbours, plain, how))
    return how


def with_neighbours(plain: Plain, how: Neighbours, alone: Mapping[str, Belief]) -> Iterator[Record]:
    """Dev and test without and with the neighbours' vote, its share chosen on dev."""
    world = plain.world
    yield from both(world, alone, share=0.0)
    votes = {part: plain.vote(part, how) for part in alone}

    def quality(share: float) -> float:
        mixed = beliefs.mix(alone["dev"], votes["dev"], share)
        return score(world.examples["dev"], best(world, mixed))

    share = max(SHARES, key=quality)
    mixed = {part: beliefs.mix(alone[part], votes[part], share) for part in alone}
    yield from both(world, mixed, share=share, neighbours=True)


def describe(world: World) -> Iterator[Record]:
    """How large a world is, how far apart its golds, and what one vector reaches at best."""
    examples = world.examples["test"]
    golds = diagnosis.gold_sets(world.index, examples)
    facts = {f"{part} queries": len(some) for part, some in world.examples.items()} | {
        "documents": len(world.ids),
        **diagnosis.facts(golds, world.index, world.examples["train"]),
    }
    for name, value in facts.items():
        yield {"split": "test", "metric": name, "value": round(float(value), 4)}
    oracle = geometry.centroid(golds.points, golds.mask)[:, None]
    run = as_run(search_and_merge(world.index, oracle, max(CUTS)), world.index, examples)
    yield from ({**row, "of": "centroid of the golds"} for row in measured(world, run, "test"))
