"""The recorded run of chapter 8: the six published worlds at their published size.

    python -m amer_book.runs.synthetic [linear] [mlp]

1,024 dimensions, 20,000 training and 1,000 test queries, five golds a query, a corpus of 1,000,000.
AMER has one setting in all worlds, found in worlds of other seeds. The single vector has the same
decoder, data and steps; it walks `LADDERS` on dev of the MLP world with one family of queries (in
the linear worlds a theorem has settled its score). `LONGER` repeats the worlds in which AMER found
least with twice the steps, on another seed; `OTHERWISE` is what AMER's setting owes to its parts.
The two kinds of world can run side by side, each on one core with 11 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book.climb import climb
from amer_book.records import Ledger, Record
from amer_book.runs import measured, parser_of, percent, trained
from amer_book.worlds.synthetic import SyntheticConfig, SyntheticWorld, make
from amer_lite import AMER, DecoderConfig, FaissIndex, evaluator
from amer_lite.search.retrieve import as_run, search_and_merge

DIM, GOLDS = 1024, 5
FIELD = 50_000  # distractors among which dev is searched
TUNING, SEEDS = 1, (2, 3, 4)
FAMILIES = ("ood", "five", "one")


class Point(NamedTuple):
    """What the single vector may choose."""

    masked: bool
    learning_rate: float


START = Point(True, 3e-4)
LADDERS: Mapping[str, Sequence[Any]] = {
    "masked": (True, False),
    "learning_rate": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
}
RECIPE: Record = {
    "dim": DIM, "golds": GOLDS, "directions": True, "width": 1024, "layers": 1, "steps": 600,
}  # fmt: skip
SEVERAL: Record = {"model": "amer", "m": 5} | START._asdict()
SINGLE: Record = {"model": "single", "m": 1}
LONGER: Record = {"experiment": "longer", "families": "five", "steps": 1200, "seed": 3}
OTHERWISE: Sequence[Record] = (
    {"families": "ood", "directions": False},
    {"families": "five", "directions": False},
    {"families": "five", "width": 256},
    {"families": "ood", "learning_rate": 1e-3},
)


def train(world: SyntheticWorld, setting: Record) -> tuple[AMER, float]:
    """A model and its best Recall@10 on 200 queries of dev."""
    queries, examples = world.prefix("dev").select(np.arange(200)), world.examples("dev")[:200]
    first = world.golds["dev"][0][0]
    index = FaissIndex(DIM)
    index.add(world.documents[first:], world.ids[first:])
    score = evaluator(index, queries, examples, m=setting["m"], k=10)
    options = {key: setting[key] for key in ("m", "steps", "learning_rate", "masked", "seed")}
    decoder = DecoderConfig(DIM, setting["width"], setting["layers"], heads=4)
    data = world.train_data()
    return trained(data, score, decoder, evaluate_every=100, autocast="bfloat16", **options)


def measure(config: SyntheticConfig, model: AMER, m: int) -> Iterator[Record]:
    """Recall and MRecall at 10 and 100 on test, among the whole corpus, in percent."""
    world = make(config)
    index = world.index()
    vectors = model.generate(world.prefix("test"), m).numpy()
    examples = world.examples("test")
    del world  # the index has its own copy
    run = as_run(search_and_merge(index, vectors, 100), index, examples)
    return measured(run, examples, (10, 100), split="test")


def record(ledger: Ledger, setting: Record) -> float:
    """Train in one world; write down the score on dev, and on test unless tuning; return dev's."""
    config = SyntheticConfig(
        setting["world"],
        setting["families"],
        DIM,
        GOLDS,
        directions=setting["directions"],
        seed=setting["seed"],
    )
    golds = GOLDS * (config.train + config.dev + config.test)
    # The first rows of a world do not depend on the size of its corpus.
    smaller = replace(config, corpus=golds + FIELD)

    def found(model: AMER, dev: float) -> Iterator[Record]:
        yield {"split": "dev", "metric": "recall", "k": 10, "value": percent(dev)}
        if setting["experiment"] != "tuning":
            yield from measure(config, model, setting["m"])

    ledger.once(setting, lambda: train(make(smaller), setting), lambda pair: found(*pair))
    return float(ledger.select(**setting, split="dev")[0]["value"])


def choose(ledger: Ledger) -> Point:
    """Where the walk of the single vector ends."""
    place = {"experiment": "tuning", "world": "mlp", "families": "one", "seed": TUNING}
    place |= RECIPE | SINGLE
    return climb(START, LADDERS, lambda point: record(ledger, place | point._asdict()))


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "worlds", ("linear", "mlp"))


def main() -> None:
    chosen = parser().parse_args().worlds
    torch.set_num_threads(1)
    for kind in chosen:
        ledger = Ledger("synthetic", f"synthetic {kind}")
        for seed in SEEDS:
            place = RECIPE | {"experiment": "published", "world": kind, "seed": seed}
            for families in FAMILIES:
                record(ledger, place | {"families": families} | SEVERAL)
            if seed == SEEDS[0]:
                record(ledger, place | SEVERAL | LONGER)
                for change in OTHERWISE if kind == "mlp" else ():
                    record(ledger, place | {"experiment": "otherwise"} | SEVERAL | change)
            for families in FAMILIES:
                single = SINGLE | choose(ledger)._asdict()
                record(ledger, place | {"families": families} | single)


if __name__ == "__main__":
    main()
