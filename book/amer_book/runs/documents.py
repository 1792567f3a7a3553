"""The recorded run of chapter 17: the documents trained too, or left as they are.

    python -m amer_book.runs.documents [world ...]

One vector and several, each over frozen documents, over a trained map of them and over an encoder
with trained adapters (`amer_book.joint`), choose from the same short grid on dev with seed 0; three
seeds then look at test. A control trains the map for a query that says nothing: what it finds is
popularity. Queries are read as one embedding each, by the frozen encoder. A training of the
encoder takes two minutes of a core on tags and eight on words, where a third of it goes to looks at
dev, each of which embeds all documents; the others take seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book import joint
from amer_book.records import Ledger, Record, as_bits, select, tuned
from amer_book.runs import parser_of, percent
from amer_book.worlds import kinds, tags, wordnet
from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    FaissIndex,
    Prefix,
    SentenceEncoder,
    TrainConfig,
    TrainData,
)
from amer_lite.datasets.types import Dataset, Example
from amer_lite.evaluation import geometry, metrics
from amer_lite.model.weights import restore, snapshot
from amer_lite.search.merge import Merged
from amer_lite.search.retrieve import as_run, search_and_merge

PARTS = {"train": 0.6, "dev": 0.1, "test": 0.3}  # of the small worlds: a test of some size
WORLDS: Mapping[str, Callable[[], Dataset]] = {
    "tags": tags.load,  # the documents of test are those of training
    "words": partial(wordnet.load, documents=6_000, fractions=PARTS),  # they are others
    "kinds": partial(kinds.load, documents=6_000, fractions=PARTS),
}
VECTORS, STEPS, EVERY, SEEDS = (1, 4), 160, 40, (1, 2, 3)
MOST = {"train": 24_000, "dev": 400, "test": 1_200}  # queries used of larger splits


class Point(NamedTuple):
    """Of the grid that every model chooses from."""

    masked: bool
    temperature: float
    learning_rate: float


GRID = [
    Point(True, 0.05, 1e-3),
    Point(True, 0.05, 3e-4),
    Point(False, 0.02, 1e-3),
]


class World:
    """A data set with one embedding a query and a document.

    Attributes:
        documents: (N, 384) float32, frozen embeddings of ``texts``; ``examples`` and ``queries``
            by split.
    """

    def __init__(self, data: Dataset) -> None:
        encoder = SentenceEncoder()
        self.ids, self.texts = list(data.corpus), list(data.corpus.values())
        self.documents = torch.from_numpy(encoder.embed(self.texts))
        self.examples = {part: some[: MOST[part]] for part, some in data.splits.items()}
        self.queries = {
            part: as_prefix(encoder.embed([example.query for example in some]))
            for part, some in self.examples.items()
        }
        self.index = self.indexed(self.documents)
        rows = [self.index.rows(example.gold_ids).tolist() for example in self.examples["train"]]
        self.train = TrainData(self.queries["train"], rows, self.documents)

    def indexed(self, documents: torch.Tensor) -> FaissIndex:
        index = FaissIndex(documents.shape[1])
        index.add(documents.numpy(), self.ids)
        return index


DOCUMENTS: Mapping[str, Callable[[World], joint.Documents]] = {
    "frozen": lambda world: world.documents.__getitem__,
    "trained": lambda world: joint.DocumentMap(world.documents),  # so named in the record
    "encoder": lambda world: joint.DocumentEncoder(world.texts),
}


def as_prefix(embeddings: np.ndarray) -> Prefix:
    """Queries (Q, d) as prefixes of length one."""
    return Prefix(torch.from_numpy(embeddings)[:, None], torch.ones(len(embeddings), 1).bool())


def new_model(seed: int) -> AMER:
    """Untrained it emits the query's own embedding, m times."""
    torch.manual_seed(seed)
    decoder = DecoderConfig(state_dim=384, width=128, layers=1, heads=4, dropout=0.1)
    return AMER(AMERConfig(384, decoder, pointer=True, weighted=True))


def search(index: FaissIndex, model: AMER, queries: Prefix, m: int, temperature: float) -> Merged:
    """The first hundred of m lists, merged as the mixture that the model was trained as."""
    vectors, log_weights = (part.numpy() for part in model.generate_weighted(queries, m))
    return search_and_merge(
        index, vectors, 100, merge="mixture", depth=min(500, len(index.ids)),
        tau=temperature, weights=np.exp(log_weights),
    )  # fmt: skip


def shape(index: FaissIndex, examples: Sequence[Example], k: int = 10) -> Iterator[Record]:
    """How far apart the golds lie, and what one vector that knew them would find."""
    rows = [torch.from_numpy(index.rows(example.gold_ids)) for example in examples]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).numpy()
    mask = np.arange(padded.shape[1]) < np.array([len(r) for r in rows])[:, None]
    golds = index.vectors(padded.ravel()).reshape(*padded.shape, -1)
    middle = search_and_merge(index, geometry.centroid(golds, mask)[:, None], k)
    values = {
        "gold cosine": np.nanmean(geometry.gold_cosine(golds, mask)),
        "rho": np.median(geometry.rho(golds, index, [k], mask)),
        "centroid": 100 * metrics.mrecall(as_run(middle, index, examples), examples, k).mean(),
    }
    for name, value in values.items():
        yield {"metric": name, "k": k, "value": round(float(value), 4)}


def spread(index: FaissIndex) -> Record:
    """Mean cosine of two random documents: 1 where the space has collapsed."""
    rows = np.random.default_rng(0).integers(len(index.ids), size=(2, 2000))
    a, b = (index.vectors(row) for row in rows)
    return {"metric": "random cosine", "value": round(float((a * b).sum(1).mean()), 4)}


class Training:
    """One model: trained, watched, left at its best on dev.

    Attributes:
        blind: every query is the mean of the training queries, so that it says nothing.
        curve: what was seen on the way, on dev.
    """

    def __init__(
        self, world: World, m: int, documents: str, point: Point, seed: int, blind: bool = False
    ) -> None:
        self.world, self.m, self.point, self.blind = world, m, point, blind
        self.model = new_model(seed)
        self.documents = DOCUMENTS[documents](world)
        self.curve: list[Record] = []
        self.best, self._kept = -1.0, self._snapshot()
        data = TrainData(self.queries("train"), world.train.golds, world.documents)
        config = TrainConfig(
            steps=STEPS, m=m, batch_size=64, negatives=2, evaluate_every=EVERY, seed=seed,
            **point._asdict(),
        )  # fmt: skip
        joint.fit_both(self.model, self.documents, data, config, self._watch)
        for part, weights in zip(self._parts(), self._kept, strict=True):
            restore(part, weights)

    def queries(self, part: str) -> Prefix:
        values, mask = self.world.queries[part]
        mean = self.world.queries["train"].values.mean(0, keepdim=True)
        return Prefix(mean.expand_as(values) if self.blind else values, mask)

    def look(self, part: str, **row: Any) -> Iterator[Record]:
        """Quality and geometry on a split, over documents that are embedded anew."""
        with torch.no_grad():
            index = self.world.indexed(self.documents(torch.arange(len(self.world.ids))))
        examples = self.world.examples[part]
        found = search(index, self.model, self.queries(part), self.m, self.point.temperature)
        run = as_run(found, index, examples)
        for metric in (metrics.mrecall, metrics.recall):
            for k in (10, 100):
                values = metric(run, examples, k)
                cell = {"metric": metric.__name__, "k": k, "value": percent(values.mean())}
                if metric is metrics.mrecall and part == "test":
                    cell |= {"queries": len(values), "answered": as_bits(values)}
                yield {"split": part, **row, **cell}
        for cell in [*shape(index, examples), spread(index)]:
            yield {"split": part, **row, **cell}
        cosine = next(shape(index, self.world.examples["train"][:400]))
        yield {"split": part, **row, **cosine, "metric": "gold cosine, training"}

    def _watch(self, step: int) -> None:
        rows = [*self.look("dev", step=step)]
        score = float(np.mean([row["value"] for row in select(rows, metric="recall")]))
        self.curve += [*rows, {"split": "dev", "step": step, "metric": "score", "value": score}]
        if score > self.best:
            self.best, self._kept = score, self._snapshot()

    def _parts(self) -> list[torch.nn.Module]:
        return [part for part in (self.model, self.documents) if isinstance(part, torch.nn.Module)]

    def _snapshot(self) -> list[dict[str, torch.Tensor]]:
        return [snapshot(part) for part in self._parts()]


def setting(name: str, m: int, documents: str, seed: int, model: str = "") -> dict[str, Any]:
    usual = "single" if m == 1 else "amer-mixture"
    return {"world": name, "model": model or usual, "m": m, "documents": documents, "seed": seed}


def chosen(records: list[Record], name: str, m: int, documents: str) -> Point:
    """The point with the best dev score of all evaluations with seed 0; of equals the first."""
    curves = select(records, **setting(name, m, documents, 0), metric="score")
    return Point(**tuned(curves, *Point._fields))


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "worlds", tuple(WORLDS), ("tags", "words"))


def main() -> None:
    worlds = parser().parse_args().worlds
    torch.set_num_threads(1)
    ledger = Ledger("documents")
    for name in worlds:
        world = World(WORLDS[name]())
        models = [(m, documents) for m in VECTORS for documents in DOCUMENTS]
        for model in models:
            for point in GRID:
                what = setting(name, *model, 0) | point._asdict()
                train = partial(Training, world, *model, point, 0)
                ledger.once(what, train, lambda training: training.curve)
        for seed in SEEDS:
            for model in models:
                point = chosen(ledger.records, name, *model)
                what = setting(name, *model, seed) | point._asdict()
                train = partial(Training, world, *model, point, seed)
                ledger.once(what, train, both)
            point = chosen(ledger.records, name, 1, "trained")
            what = setting(name, 1, "trained", seed, "blind") | point._asdict()
            ledger.once(what, partial(Training, world, 1, "trained", point, seed, blind=True), both)


def both(training: Training) -> list[Record]:
    return [*training.curve, *training.look("test")]


if __name__ == "__main__":
    main()
