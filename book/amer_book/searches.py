"""Lists that a model's vectors find, and what any rule for their number makes of them.

Searched once with all M vectors, the lists answer every question of the kind "what if only some of
them had been fetched?".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from amer_book import stopping
from amer_book.records import Record
from amer_book.runs import percent
from amer_lite import AMER, FaissIndex, SentenceEncoder
from amer_lite.datasets.types import Dataset
from amer_lite.evaluation import metrics
from amer_lite.search import merge as merging
from amer_lite.search.index import search_sets
from amer_lite.search.retrieve import as_run

M, CUTS, DEPTH = 6, (10, 100), 100
ALLOWED = 0.005
Quality = NDArray[np.float64]


class World:
    """One of the data sets, embedded.

    Args:
        most: queries used of each part; all if None.
    """

    def __init__(self, data: Dataset, encoder: SentenceEncoder, most: int | None = None) -> None:
        names = list(data.corpus)
        self.documents = torch.from_numpy(encoder.embed([data.corpus[name] for name in names]))
        self.index = FaissIndex(encoder.dim)
        self.index.add(self.documents.numpy(), names)
        self.examples = {part: examples[:most] for part, examples in data.splits.items()}
        self.texts = {part: [e.query for e in some] for part, some in self.examples.items()}
        self.queries = {part: encoder.token_states(texts) for part, texts in self.texts.items()}

    def golds(self, part: str) -> list[NDArray[np.int64]]:
        return [self.index.rows(example.gold_ids) for example in self.examples[part]]


Worlds = Mapping[str, World]


class Lists:
    """What a model emits for the queries of a part, and the lists that its vectors find."""

    def __init__(self, world: World, model: AMER, part: str, m: int, tau: float) -> None:
        self.world, self.part, self.tau = world, part, tau
        vectors, log_weights = model.generate_weighted(world.queries[part], m)
        self.vectors, self.weights = vectors.numpy(), log_weights.exp().numpy()
        self.hits = search_sets(world.index, self.vectors, DEPTH)

    def quality(self, weights: NDArray[np.float32]) -> Quality:
        """(Q, cuts): MRecall of the mixture of the lists, with ``weights`` (Q, m)."""
        found = merging.mixture(self.hits.scores, self.hits.rows, max(CUTS), self.tau, weights)
        examples = self.world.examples[self.part]
        run = as_run(found, self.world.index, examples)
        return np.stack([metrics.mrecall(run, examples, k) for k in CUTS], 1)

    @cached_property
    def first(self) -> Quality:
        """(Q, m, cuts): of the first 1, 2, … m lists."""
        m = self.weights.shape[1]
        even = np.tril(np.ones((m, m), np.float32)) / np.arange(1, m + 1)[:, None]
        return np.stack([self.quality(np.broadcast_to(row, self.weights.shape)) for row in even], 1)

    @cached_property
    def added(self) -> Quality:
        return stopping.gains(self.hits.scores, self.hits.rows, min(CUTS), self.tau)


class Outcome(NamedTuple):
    """Of a rule at one setting, per query: searches (Q,), and MRecall (Q, cuts)."""

    searches: NDArray[np.int64]
    quality: Quality


PRICES = (1.0, 0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 0.0)
SHARES = (0.5, 0.25, 0.15, 0.1, 0.0)
LEAST = (1.0, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.0)
Path = Mapping[float, Outcome]  # setting to outcome, fewest searches first


def first(lists: Lists, counts: stopping.Counts) -> Outcome:
    return Outcome(counts, lists.first[np.arange(len(counts)), counts - 1])


def outcomes(lists: Lists, head: stopping.StopHead) -> dict[str, Path]:
    """All rules on the lists of one part of one data set."""
    queries, size = lists.world.texts[lists.part], len(lists.vectors)

    def heavy(share: float) -> Outcome:
        kept = lists.weights >= np.minimum(share, lists.weights.max(1, keepdims=True))
        return Outcome(kept.sum(1), lists.quality(lists.weights * kept))

    starts = lists.vectors[:, 0].astype(np.float64)
    return {
        "fixed": {m: first(lists, np.full(size, m)) for m in range(1, M + 1)},
        "log rule": {m: first(lists, stopping.log_rule(queries, m)) for m in range(1, M + 1)},
        "stop head": {price: first(lists, head(starts, price)) for price in PRICES},
        "weights": {share: heavy(share) for share in SHARES},
        "nothing new": {
            least: first(lists, stopping.until_nothing(lists.added, least)) for least in LEAST
        },
    }


def learn_head(worlds: Worlds, model: AMER, tau: float) -> stopping.StopHead:
    held = [Lists(world, model, "held", M, tau) for world in worlds.values()]
    vectors = np.concatenate([lists.vectors[:, 0] for lists in held]).astype(np.float64)
    return stopping.StopHead(vectors, np.concatenate([lists.first.mean(2) for lists in held]))


Measured = Mapping[str, Mapping[str, Path]]  # data set → rule → setting → outcome


def measure(
    worlds: Worlds, model: AMER, head: stopping.StopHead, part: str, tau: float
) -> Measured:
    return {
        name: outcomes(Lists(world, model, part, M, tau), head) for name, world in worlds.items()
    }


def mean(measured: Measured, rule: str, setting: float) -> float:
    """Quality over cut-offs, and data sets alike: what a setting is chosen by."""
    return float(np.mean([paths[rule][setting].quality.mean() for paths in measured.values()]))


def chosen(measured: Measured) -> dict[str, float]:
    """The setting of each rule that is best on dev, of equals the one with fewest searches."""
    paths = next(iter(measured.values()))
    return {rule: max(paths[rule], key=lambda s: mean(measured, rule, s)) for rule in paths}


def regret(dev: Measured, test: Measured, draws: int = 1000) -> Iterator[Record]:
    """On test against the best fixed number of each data set, which dev has chosen; 95 % interval.

    MRecall in percent, the mean of both cut-offs.
    """
    generator = np.random.default_rng(0)
    for name, paths in test.items():
        fixed = dev[name]["fixed"]
        best = max(fixed, key=lambda m: fixed[m].quality.mean())
        rival = paths["fixed"][best]
        for rule, setting in chosen(dev).items():
            mine = paths[rule][setting]
            pair = rival.quality.mean(1), mine.quality.mean(1)
            low, high = metrics.bootstrap_difference(*pair, draws, 0.95, generator)
            yield {
                "split": "test", "data": name, "rule": rule, "setting": setting, "best m": best,
                "regret": percent(pair[0].mean() - pair[1].mean()), "low": percent(low),
                "high": percent(high), "searches": round(float(mine.searches.mean()), 3),
            }  # fmt: skip


def losses(path: Path, one: Quality) -> Quality:
    """(settings, Q): what is lost against one vector, the mean of both cut-offs, in [−1, 1]."""
    return np.stack([(one - found.quality).mean(1) for found in path.values()])


def guarantee(
    dev: Measured, test: Measured, singles: Mapping[str, Quality], allowed: float = ALLOWED
) -> Iterator[Record]:
    """The most searches that are certified to lose at most ``allowed``, and how that turns out.

    One vector is the model's first one; where nothing else is certified, it stays. ``held`` is how
    often the promise is kept, in percent, if the queries to certify with are drawn anew from those
    of test, with replacement, and the truth is the mean over all of these. ``lost to tuned`` is
    against the vector of a model of its own, ``singles``.
    """
    for name, paths in test.items():
        for rule in ("log rule", "stop head", "nothing new"):
            one = dev[name]["fixed"][1].quality
            count = stopping.certified(stopping.p_value(losses(dev[name][rule], one), allowed))
            lost = losses(paths[rule], paths["fixed"][1].quality)
            # Of no certified setting, of one, …
            truth = np.append(0.0, lost.mean(1))
            apart = float((singles[name] - paths["fixed"][1].quality).mean())
            searches = np.append(1.0, [found.searches.mean() for found in paths[rule].values()])
            redrawn = stopping.redraw(lost, len(one), allowed)
            yield {
                "split": "test", "data": name, "rule": rule, "certified": count,
                "setting": [None, *paths[rule]][count], "lost": percent(truth[count]),
                "lost to tuned": percent(truth[count] + apart),
                "searches": round(float(searches[count]), 3),
                "held": percent((truth[redrawn] <= allowed).mean()),
                "redrawn searches": round(float(searches[redrawn].mean()), 3),
            }  # fmt: skip
