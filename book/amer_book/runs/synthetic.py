"""The recorded run of chapter 8: the six published worlds at their published size.

    python -m amer_book.runs.synthetic [linear] [mlp]

1,024 dimensions, 20,000 training and 1,000 test queries, five golds a query, a corpus of 1,000,000.
In each recipe AMER and the single vector have the same decoder, data and steps.

`NARROW` came first: two layers, 256 wide, with scheduled feedback; the single vector had the best
on dev of `GRID`, and two worlds were trained for longer as well. `WIDE` has one layer as wide as
the space, a lower rate, and reads its own vectors from the start; tries in a world of another seed
with 256 dimensions led to it. Its single vector walks `LADDERS` on dev of the MLP world with one
family of queries; in the linear worlds a theorem has settled its score. The two parts can run side
by side, each on one core with 11 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book.climb import climb
from amer_book.records import Ledger, Record, tuned
from amer_book.runs import measured, parser_of, percent, trained
from amer_book.worlds.synthetic import SyntheticConfig, SyntheticWorld, make
from amer_lite import AMER, DecoderConfig, FaissIndex, evaluator
from amer_lite.search.retrieve import as_run, search_and_merge

DIM, GOLDS = 1024, 5
FIELD = 50_000  # distractors among which dev is searched
SEEDS = (1, 2, 3)
FAMILIES = ("ood", "five", "one")
NARROW: Record = {"dim": DIM, "golds": GOLDS, "steps": 1200}
NARROW_AMER: Record = {
    "model": "amer", "m": 5, "learning_rate": 2e-3, "masked": True, "feedback": "scheduled",
}  # fmt: skip
NARROW_WORLDS = [*((families, 1) for families in FAMILIES), ("one", 2), ("one", 3)]
LONGER = {("mlp", "five"): (3000, 6000), ("mlp", "ood"): (3000,)}  # besides
GRID = [(rate, masked) for masked in (True, False) for rate in (1e-3, 2e-3)]

WIDE: Record = {"dim": DIM, "golds": GOLDS, "width": 1024, "layers": 1, "steps": 600}
WIDE_AMER: Record = {"model": "amer", "m": 5, "learning_rate": 5e-4, "masked": True}


class Point(NamedTuple):
    """What the single vector may choose."""

    masked: bool
    learning_rate: float


START = Point(True, 5e-4)
LADDERS: Mapping[str, Sequence[Any]] = {
    "masked": (True, False),
    "learning_rate": (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3),
}


def train(world: SyntheticWorld, setting: Record) -> tuple[AMER, float]:
    """A model and its best Recall@10 on 200 queries of dev."""
    queries, examples = world.prefix("dev").select(np.arange(200)), world.examples("dev")[:200]
    first = world.golds["dev"][0][0]
    index = FaissIndex(DIM)
    index.add(world.documents[first:], world.ids[first:])
    score = evaluator(index, queries, examples, m=setting["m"], k=10)
    options = {key: setting[key] for key in ("m", "steps", "learning_rate", "masked", "seed")}
    if "width" in setting:
        options |= {"batch_size": 128, "evaluate_every": 200, "autocast": "bfloat16"}
    else:  # with sampling_cap 1, at the end training sees what inference sees
        options |= {"feedback": setting["feedback"] or "predicted", "sampling_cap": 1.0}
        options |= {"batch_size": 256, "evaluate_every": 100}
    width, layers = setting.get("width", 256), setting.get("layers", 2)
    decoder = DecoderConfig(state_dim=DIM, width=width, layers=layers, heads=4)
    return trained(world.train_data(), score, decoder, **options)


def measure(config: SyntheticConfig, model: AMER, m: int) -> Iterator[Record]:
    """Recall and MRecall at 10 and 100 on test, among the whole corpus, in percent."""
    world = make(config)
    index = world.index()
    vectors = model.generate(world.prefix("test"), m).numpy()
    examples = world.examples("test")
    del world  # the index has its own copy
    run = as_run(search_and_merge(index, vectors, 100), index, examples)
    return measured(run, examples, (10, 100), split="test")


def record(ledger: Ledger, setting: Record) -> None:
    """Train in one world and write down the score on dev, unless tuning those on test as well."""
    config = SyntheticConfig(
        setting["world"], setting["families"], DIM, GOLDS, seed=setting["seed"]
    )
    golds = GOLDS * (config.train + config.dev + config.test)
    # The first rows of a world do not depend on the size of its corpus.
    smaller = replace(config, corpus=golds + FIELD)

    def found(model: AMER, dev: float) -> Iterator[Record]:
        yield {"split": "dev", "metric": "recall", "k": 10, "value": percent(dev)}
        if setting["experiment"] == "published":
            yield from measure(config, model, setting["m"])

    ledger.once(setting, lambda: train(make(smaller), setting), lambda pair: found(*pair))


def narrow(ledger: Ledger, kind: str) -> None:
    single: Record = {"model": "single", "m": 1, "feedback": None}
    first = NARROW | {"experiment": "tuning", "world": kind, "families": "one", "seed": SEEDS[0]}
    for rate, masked in GRID:
        record(ledger, first | single | {"learning_rate": rate, "masked": masked})
    tried = [r for r in ledger.select(**first) if "width" not in r]
    best = tuned(tried, "learning_rate", "masked")
    for families, seed in NARROW_WORLDS:
        for steps in (NARROW["steps"], *LONGER.get((kind, families), ())):
            place = NARROW | {"experiment": "published", "world": kind, "families": families}
            place |= {"seed": seed, "steps": steps}
            record(ledger, place | NARROW_AMER)
            record(ledger, place | single | best)


def choose(ledger: Ledger) -> Point:
    """Where the walk of the wide recipe's single vector ends."""

    def dev(point: Point) -> float:
        place = {"experiment": "tuning", "world": "mlp", "families": "one", "seed": SEEDS[0]}
        setting = WIDE | place | {"model": "single", "m": 1} | point._asdict()
        record(ledger, setting)
        return float(ledger.select(**setting)[0]["value"])

    return climb(START, LADDERS, dev)


def wide(ledger: Ledger, kind: str) -> None:
    for seed in SEEDS:
        place = WIDE | {"experiment": "published", "world": kind, "seed": seed}
        for families in FAMILIES:
            record(ledger, place | {"families": families} | WIDE_AMER)
        single = {"model": "single", "m": 1} | choose(ledger)._asdict()
        for families in FAMILIES:
            record(ledger, place | {"families": families} | single)


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "worlds", ("linear", "mlp"))


def main() -> None:
    chosen = parser().parse_args().worlds
    torch.set_num_threads(1)
    for kind in chosen:
        ledger = Ledger("synthetic", f"synthetic {kind}")
        narrow(ledger, kind)
        wide(ledger, kind)


if __name__ == "__main__":
    main()
