"""The recorded run of chapter 8: the six published worlds at their published size.

    python -m amer_book.runs.synthetic [linear] [mlp]

1,024 dimensions, 20,000 training and 1,000 test queries, five golds a query, a corpus of 1,000,000.
Both models have the same decoder, data and steps. AMER has one setting, found beforehand in worlds
of another seed; the single vector gets the best on dev of four, tuned in the one-Gaussian world
with the first seed. Two worlds are trained for longer as well, since their first test scores were
seen. Writes ``data/results/synthetic.json`` after every training; started again, it goes on where
it stopped. The two parts can run side by side, each on one core with 11 GB of memory. All of it
takes about four hours on one core.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from amer_book.records import Ledger, Record
from amer_book.worlds.synthetic import SyntheticConfig, SyntheticWorld, make
from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    FaissIndex,
    TrainConfig,
    evaluator,
    fit,
)
from amer_lite.evaluation import metrics
from amer_lite.search.retrieve import as_run, search_and_merge

DIM, GOLDS = 1024, 5
STEPS = 1200
LONGER = {("mlp", "five"): (3000, 6000), ("mlp", "ood"): (3000,)}  # besides STEPS
FIELD = 50_000  # distractors among which dev is searched
SEEDS = (1, 2, 3)
WORLDS = [(families, 1) for families in ("one", "five", "ood")] + [("one", s) for s in SEEDS[1:]]
GRID = [(rate, masked) for masked in (True, False) for rate in (1e-3, 2e-3)]  # of the single vector
RECIPE: Record = {
    "model": "amer",
    "m": 5,
    "learning_rate": 2e-3,
    "masked": True,
    "feedback": "scheduled",
}
SINGLE: Record = {"model": "single", "m": 1, "feedback": None}


def train(world: SyntheticWorld, setting: Record) -> tuple[AMER, float]:
    """A model and its best Recall@10 on 200 queries of dev, in percent."""
    queries, examples = world.prefix("dev").select(np.arange(200)), world.examples("dev")[:200]
    first = world.golds["dev"][0][0]
    index = FaissIndex(DIM)
    index.add(world.documents[first:], world.ids[first:])
    score = evaluator(index, queries, examples, m=setting["m"], k=10)
    torch.manual_seed(setting["seed"])
    decoder = DecoderConfig(state_dim=DIM, width=256, layers=2, heads=4)
    model = AMER(AMERConfig(dim=DIM, decoder=decoder))
    config = TrainConfig(
        steps=setting["steps"],
        m=setting["m"],
        batch_size=256,
        learning_rate=setting["learning_rate"],
        masked=setting["masked"],
        feedback="predicted" if setting["m"] == 1 else setting["feedback"],
        sampling_cap=1.0,  # at the end, training sees what inference sees
        evaluate_every=100,
        seed=setting["seed"],
    )
    data = world.train_data()
    history = fit(model, data, config, score, progress=False)
    return model, round(100 * max(check.score for check in history), 3)


def measure(config: SyntheticConfig, model: AMER, m: int) -> list[Record]:
    """Recall and MRecall at 10 and 100 on test, among the whole corpus, in percent."""
    world = make(config)
    index = world.index()
    vectors = model.generate(world.prefix("test"), m).numpy()
    examples = world.examples("test")
    del world  # the index has its own copy
    found = as_run(search_and_merge(index, vectors, 100), index, examples)
    return [
        {
            "split": "test",
            "metric": metric.__name__,
            "k": k,
            "value": round(100 * float(metric(found, examples, k).mean()), 3),
        }
        for metric in (metrics.mrecall, metrics.recall)
        for k in (10, 100)
    ]


def record(ledger: Ledger, setting: Record, tuning: bool = False) -> None:
    """Train in one world and write the scores down, unless that was done before."""
    sizes: Record = {"dim": DIM, "golds": GOLDS, "steps": STEPS}
    setting = sizes | setting
    if ledger.select(**setting):
        return
    config = SyntheticConfig(
        setting["world"], setting["families"], DIM, GOLDS, seed=setting["seed"]
    )
    golds = GOLDS * (config.train + config.dev + config.test)
    start = time.perf_counter()
    # The first rows of a world do not depend on the size of its corpus.
    model, dev = train(make(replace(config, corpus=golds + FIELD)), setting)
    wall = time.perf_counter() - start
    if tuning:
        found = [{"split": "dev", "metric": "recall", "k": 10, "value": dev}]
    else:
        found = measure(config, model, setting["m"])
    ledger.add(setting, found, wall)
    print([one["value"] for one in found], setting, f"{wall:.0f} s", flush=True)


def published(ledger: Ledger, kind: str) -> None:
    for families, seed in WORLDS:
        place: Record = {"experiment": "published", "world": kind, "families": families}
        place |= {"seed": seed}
        for steps in (STEPS, *LONGER.get((kind, families), ())):
            place |= {"steps": steps}
            record(ledger, place | RECIPE)
            record(ledger, place | SINGLE | tuned(ledger, kind))


def tuned(ledger: Ledger, kind: str) -> Record:
    """The single vector's learning rate and loss, best on dev in the first world of its kind."""
    place = {"experiment": "tuning", "world": kind, "families": "one", "seed": SEEDS[0]}
    for rate, masked in GRID:
        record(ledger, place | SINGLE | {"learning_rate": rate, "masked": masked}, tuning=True)
    best = max(ledger.select(**place), key=lambda found: float(found["value"]))
    return {name: best[name] for name in ("learning_rate", "masked")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parts = ("linear", "mlp")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(parts)}")
    chosen = parser.parse_args().parts or parts
    if unknown := set(chosen) - set(parts):
        parser.error(f"unknown part {sorted(unknown)[0]!r}; choose of {', '.join(parts)}")
    torch.set_num_threads(1)
    ledger = Ledger("synthetic")
    for part in chosen:
        published(ledger, part)


if __name__ == "__main__":
    main()
