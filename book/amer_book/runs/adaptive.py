"""The recorded run of chapter 15: how many vectors a query gets.

    python -m amer_book.runs.adaptive

One model for three data sets (`load`): nouns with one sense, nouns with two to eight, queries that
name two to five nouns. One vector and six choose temperature and learning rate from the same grid
on dev, with seed 0; three seeds then look at test once. All rules (`amer_book.stopping`) share
the six vectors of their seed. What they learn they learn from the part ``held``, of which the model
has seen nothing; thresholds are chosen on dev. About a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from amer_book.records import Ledger, Record, tuned
from amer_book.runs import parser_of, percent
from amer_book.searches import (
    CUTS,
    Lists,
    M,
    Measured,
    Outcome,
    Quality,
    World,
    Worlds,
    guarantee,
    learn_head,
    measure,
    regret,
)
from amer_book.worlds import intents, wordnet
from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    Prefix,
    SentenceEncoder,
    TrainConfig,
    TrainData,
    fit,
)
from amer_lite.datasets.types import Dataset
from amer_lite.evaluation import metrics
from amer_lite.search import merge as merging
from amer_lite.search.index import search_sets
from amer_lite.search.retrieve import as_run

SEEDS = (1, 2, 3)
GRID = ((0.03, 1e-3), (0.06, 1e-3), (0.06, 3e-4))  # temperature, learning rate
MODELS = {"single": 1, "amer-anchored": M}
STEPS = 200
FRACTIONS = {"train": 0.5, "held": 0.1, "dev": 0.2, "test": 0.2}
QUERIES = {"train": 4000, "held": 800, "dev": 1200, "test": 1200}


def load() -> dict[str, Dataset]:
    return {
        "one sense": wordnet.load(1, 1, documents=6_000, fractions=FRACTIONS),
        "many senses": wordnet.load(documents=15_000, fractions=FRACTIONS),
        "many nouns": intents.load(
            documents=6_000, words=6_000, queries=QUERIES, fractions=FRACTIONS
        ),
    }


def together(worlds: Worlds, part: str) -> TrainData:
    """A part of all data sets as one; each keeps an index of its own."""
    prefixes = [world.queries[part] for world in worlds.values()]
    longest = max(prefix.mask.shape[1] for prefix in prefixes)
    short = [longest - prefix.mask.shape[1] for prefix in prefixes]
    padded = zip(prefixes, short, strict=True)
    pairs = [(F.pad(p.values, (0, 0, 0, n)), F.pad(p.mask, (0, n))) for p, n in padded]
    golds, start = list[list[int]](), 0
    for world in worlds.values():
        golds += [(rows + start).tolist() for rows in world.golds(part)]
        start += len(world.documents)
    prefix = Prefix(*(torch.cat(some) for some in zip(*pairs, strict=True)))
    return TrainData(prefix, golds, torch.cat([world.documents for world in worlds.values()]))


def build(seed: int, weighted: bool = False) -> AMER:
    torch.manual_seed(seed)
    decoder = DecoderConfig(state_dim=384, width=192, layers=1, heads=4, dropout=0.1)
    return AMER(AMERConfig(384, decoder, pointer=True, weighted=weighted))


def recall(worlds: Worlds, m: int, tau: float, most: int = 200) -> Any:
    """What a checkpoint is chosen by: Recall on dev, the mean over cut-offs and data sets."""

    def score(model: AMER) -> float:
        values = []
        for world in worlds.values():
            rows = np.arange(min(most, len(world.examples["dev"])))
            vectors = model.generate(world.queries["dev"].select(rows), m).numpy()
            hits = search_sets(world.index, vectors, max(CUTS))
            found = merging.mixture(hits.scores, hits.rows, max(CUTS), tau)
            examples = world.examples["dev"][: len(rows)]
            run = as_run(found, world.index, examples)
            values += [metrics.recall(run, examples, k).mean() for k in CUTS]
        return float(np.mean(values))

    return score


def train(
    worlds: Worlds, data: TrainData, m: int, tau: float, rate: float, seed: int, steps: int = STEPS
) -> tuple[AMER, float]:
    """The better of two evaluations on dev, and its score."""
    model = build(seed, weighted=m > 1)
    config = TrainConfig(
        steps, m, batch_size=64, learning_rate=rate, temperature=tau, anchored=m > 1,
        evaluate_every=-(-steps // 2), seed=seed,
    )  # fmt: skip
    history = fit(model, data, config, recall(worlds, m, tau), progress=False)
    return model, max(past.score for past in history)


def weigh(model: AMER, data: TrainData, tau: float, seed: int, steps: int = 40) -> None:
    """Teach a trained model how much each of its vectors is worth; the vectors stay."""
    model.requires_grad_(False)
    assert model.weight_projection is not None
    model.weight_projection.requires_grad_(True)
    config = TrainConfig(
        steps, M, batch_size=64, learning_rate=1e-2, temperature=tau, loss="mixture",
        evaluate_every=steps, seed=seed,
    )  # fmt: skip
    fit(model, data, config, lambda _: 0.0, progress=False)
    model.eval()


def rows_of(measured: Measured, part: str, singles: Mapping[str, Quality]) -> Iterator[Record]:
    """Every rule at every setting, and the one tuned vector: MRecall in percent, searches."""
    for name, paths in measured.items():
        one = {0.0: Outcome(np.ones(len(singles[name]), np.int64), singles[name])}
        for rule, path in {"one tuned vector": one, **paths}.items():
            for setting, (searches, quality) in path.items():
                yield {
                    "split": part, "data": name, "rule": rule, "setting": setting,
                    "queries": len(searches), "searches": round(float(searches.mean()), 3),
                    **{f"mrecall@{k}": percent(quality[:, i].mean()) for i, k in enumerate(CUTS)},
                }  # fmt: skip


def main() -> None:
    parser().parse_args()
    torch.set_num_threads(1)
    ledger = Ledger("adaptive")
    encoder = SentenceEncoder()
    worlds = {name: World(data, encoder) for name, data in load().items()}
    data, held = together(worlds, "train"), together(worlds, "held")

    def setting(name: str, tau: float, rate: float, seed: int) -> Record:
        about = {"experiment": "adaptive", "model": name, "m": MODELS[name]}
        return about | {"temperature": tau, "learning_rate": rate, "seed": seed}

    def best(name: str) -> tuple[float, float]:
        found = tuned(ledger.select(model=name, seed=0), "temperature", "learning_rate")
        return found["temperature"], found["learning_rate"]

    for name, m in MODELS.items():
        for tau, rate in GRID:
            ledger.once(
                setting(name, tau, rate, 0),
                partial(train, worlds, data, m, tau, rate, 0),
                lambda pair: [{"split": "dev", "metric": "mean recall", "value": percent(pair[1])}],
            )

    def train_both(seed: int) -> tuple[AMER, AMER]:
        single, several = (
            train(worlds, data, m, *best(name), seed)[0] for name, m in MODELS.items()
        )
        weigh(several, held, best("amer-anchored")[0], seed)
        return single.eval(), several

    def found(models: tuple[AMER, AMER]) -> Iterator[Record]:
        single, several = models
        tau = best("amer-anchored")[0]
        head = learn_head(worlds, several, tau)
        dev, test = (measure(worlds, several, head, part, tau) for part in ("dev", "test"))
        for part, measured in (("dev", dev), ("test", test)):
            alone = {
                name: Lists(world, single, part, 1, best("single")[0]).first[:, 0]
                for name, world in worlds.items()
            }
            yield from ({"kind": "curve", **row} for row in rows_of(measured, part, alone))
        yield from ({"kind": "regret", **row} for row in regret(dev, test))
        yield from ({"kind": "guarantee", **row} for row in guarantee(dev, test, alone))

    for seed in SEEDS:
        where = setting("amer-anchored", *best("amer-anchored"), seed)
        ledger.once(where, partial(train_both, seed), found, split="test")


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


if __name__ == "__main__":
    main()
