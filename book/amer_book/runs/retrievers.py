"""The recorded run of chapter 3: six retrievers, three sets of queries with several golds.

    python -m amer_book.runs.retrievers

In each set every retriever ranks the golds of every query; then they are counted. Some ten minutes
of one core's time, half of it for SmolLM2; the wall times in the file are longer, other jobs ran
beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from amer_book.records import Ledger, Record
from amer_book.retrievers import RETRIEVERS, gold_distance, gold_ranks
from amer_book.runs import parser_of, percent
from amer_book.strata import independent, quarters, trend
from amer_book.worlds import intents, kinds, wordnet
from amer_lite.datasets.types import Dataset, Example
from amer_lite.evaluation import metrics

SPLITS = ("train", "dev")  # nothing is trained or chosen here; test stays closed
SPREADS = ("near", "random", "far")
DOCUMENTS = 5_000  # of words and of kinds
INTENT_WORDS, INTENT_QUERIES = 2_000, 400  # queries of each spread
KS = (10, 100)
SIZES = (2, 3, 4, 5)  # with more golds a quarter holds a handful of queries; trends use all
YARDSTICKS = ("MiniLM", "static vectors")  # of the quarters; trends are taken with every one
RESAMPLES = 1000
# Shown one by one.
CASES = {"words": ("crane", "goose", "aurora", "screw"),
         "kinds": ("telescope", "bad weather", "whistle", "rain")}  # fmt: skip


def asked(spread: str) -> Dataset:
    """Queries for two to five words, whose documents are the whole corpus."""
    parts: Record = {"queries": {"all": INTENT_QUERIES}, "fractions": {"all": 1.0}}
    return intents.load(spread, documents=INTENT_WORDS, words=INTENT_WORDS, **parts)


def of_splits(dataset: Dataset) -> tuple[Dataset, list[Example]]:
    return dataset, [example for split in SPLITS for example in dataset.splits[split]]


def of_intents() -> tuple[Dataset, list[Example]]:
    """The queries of each spread, then each word alone."""
    sets = [asked(spread) for spread in SPREADS]
    alone = [Example(f"alone-{doc}", doc.removeprefix("d-"), [doc]) for doc in sets[0].corpus]
    return sets[0], [example for one in sets for example in one.splits["all"]] + alone


SETS: dict[str, Callable[[], tuple[Dataset, list[Example]]]] = {
    "words": lambda: of_splits(wordnet.load(documents=DOCUMENTS)),
    "kinds": lambda: of_splits(kinds.load(documents=DOCUMENTS)),
    "intents": of_intents,
}


class Ranked(NamedTuple):
    """What one retriever does with one set of queries.

    Attributes:
        ranks: of the golds of each query.
        distance: between the golds of each query, as the retriever sees it; 0 for a single gold.
        wall_s: time taken.
    """

    ranks: list[NDArray[np.int64]]
    distance: NDArray[np.float64]
    wall_s: float


def ranked(name: str, dataset: Dataset, examples: Sequence[Example]) -> Ranked:
    row = {doc: i for i, doc in enumerate(dataset.corpus)}
    golds = [[row[doc] for doc in example.gold_ids] for example in examples]
    start = time.perf_counter()
    retriever = RETRIEVERS[name](list(dataset.corpus.values()))
    ranks = gold_ranks(retriever.scores([example.query for example in examples]), golds)
    several = [i for i, gold in enumerate(golds) if len(gold) > 1]
    distance = np.zeros(len(golds))
    distance[several] = gold_distance(retriever, [golds[i] for i in several])
    return Ranked(ranks, distance, time.perf_counter() - start)


class Counts:
    """The golds found by one retriever for one set of queries."""

    def __init__(self, ranks: list[NDArray[np.int64]]) -> None:
        self.ranks, self.sizes = ranks, np.array([len(golds) for golds in ranks])
        self.generator = np.random.default_rng(0)

    def cell(self, rows: NDArray[np.int64], k: int) -> Record:
        """Of some queries with the same number of golds, in percent."""
        found = np.stack([self.ranks[row] <= k for row in rows])
        every = found.all(1)
        low, high = metrics.bootstrap_mean(every, RESAMPLES, 0.95, self.generator)
        surplus = []
        for _ in range(RESAMPLES):
            drawn = found[self.generator.integers(len(found), size=len(found))]
            surplus.append(drawn.all(1).mean() - independent(drawn))
        values = {
            "mrecall": every.mean(), "low": low, "high": high, "recall": found.mean(),
            "independent": independent(found), "surplus_low": np.quantile(surplus, 0.025),
            "surplus_high": np.quantile(surplus, 0.975),
        }  # fmt: skip
        return {"queries": len(rows)} | {key: percent(value) for key, value in values.items()}

    def by_distance(self, yardstick: NDArray[np.float64]) -> Iterator[Record]:
        quarter = quarters(yardstick, self.sizes)
        for n in SIZES:
            for number in range(4):
                rows = np.flatnonzero((self.sizes == n) & (quarter == number))
                for k in KS:
                    yield {"n": n, "quarter": number + 1, "k": k, **self.cell(rows, k)}

    def trends(self, yardsticks: dict[str, NDArray[np.float64]]) -> Iterator[Record]:
        for yardstick, distance in yardsticks.items():
            quarter = quarters(distance, self.sizes)
            for k in KS:
                every = np.array([(ranks <= k).all() for ranks in self.ranks])
                found = trend(every, quarter, self.sizes, RESAMPLES, 0.95, self.generator)
                slopes = {key: percent(getattr(found, key)) for key in ("slope", "low", "high")}
                yield {"yardstick": yardstick, "k": k, **slopes, "p": found.p}

    def by_spread(self, examples: Sequence[Example]) -> Iterator[Record]:
        """Beside each share, the share whose golds are all found when each is asked for alone."""
        pairs = zip(examples, self.ranks, strict=True)
        alone = {e.gold_ids[0]: ranks[0] for e, ranks in pairs if len(ranks) == 1}
        spread = np.repeat(SPREADS, INTENT_QUERIES)
        sizes = self.sizes[: len(spread)]
        for name in SPREADS:
            for n in SIZES:
                rows = np.flatnonzero((sizes == n) & (spread == name))
                golds = [examples[row].gold_ids for row in rows.tolist()]
                worst = np.array([max(alone[doc] for doc in own) for own in golds])
                for k in KS:
                    found = {**self.cell(rows, k), "alone": percent((worst <= k).mean())}
                    yield {"spread": name, "n": n, "k": k, **found}


def rows(
    which: str, name: str, found: Mapping[str, Ranked], examples: Sequence[Example]
) -> Iterator[Record]:
    counts = Counts(found[name].ranks)
    if which == "intents":
        yield from ({"kind": "spread", **row} for row in counts.by_spread(examples))
        return
    yardsticks = {other: one.distance for other, one in found.items()}
    for yardstick in YARDSTICKS:
        cells = counts.by_distance(yardsticks[yardstick])
        yield from ({"kind": "cell", "yardstick": yardstick, **row} for row in cells)
    yield from ({"kind": "trend", **row} for row in counts.trends(yardsticks))
    for example, ranks in zip(examples, counts.ranks, strict=True):
        if example.query.removeprefix("kinds of ") in CASES[which]:
            yield {"kind": "case", "query": example.query, "ranks": ranks.tolist()}


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


def main() -> None:
    parser().parse_args()
    torch.set_num_threads(1)
    ledger = Ledger("retrievers")
    for which, load in SETS.items():
        missing = [name for name in RETRIEVERS if not ledger.select(set=which, retriever=name)]
        if not missing:
            continue
        dataset, examples = load()
        found = {name: ranked(name, dataset, examples) for name in RETRIEVERS}
        for name in missing:
            setting = {"set": which, "retriever": name, "documents": len(dataset.corpus), "seed": 0}
            ledger.add(setting, rows(which, name, found, examples), found[name].wall_s)


if __name__ == "__main__":
    main()
