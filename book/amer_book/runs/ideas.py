"""The recorded run of chapter 12's last table: the recipe with one ingredient changed at a time.

    python -m amer_book.runs.ideas [world ...]

On the dev queries of *ambiguous words* and *many intents*, seed 0, at the temperature and the
learning rate that `amer_book.runs.real`, which has to be run first, has chosen for the recipe (for
the single vectors: for the single vector). One training per variant; its vectors are then searched
with once and merged in several ways.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book.records import Ledger, read
from amer_book.runs import parser_of
from amer_book.runs.real import CUTS, DEPTH, build, chosen, measure, settings, train
from amer_book.runs.settings import WORLDS, Point, World
from amer_lite.datasets.types import Run
from amer_lite.search.retrieve import Merge, as_run, search_and_merge

STEPS = {"words": 240, "intents-384": 200}
RULES: tuple[Merge, ...] = ("soft_sum", "max_score", "rrf", "round_robin")
ALL = ("mixture", "mixture-shallow", "mean", "encoder-mean", *RULES)


class Variant(NamedTuple):
    """The recipe with something changed, and the merges that are recorded of it."""

    m: int = 6
    models: int = 1  # trained with seeds 0, 1, …, their vectors side by side
    pointer: bool = True
    coverage: bool = True  # avoid tokens that were looked at
    slower: float = 1.0  # divides the learning rate
    change: Mapping[str, Any] = {}  # of the `TrainConfig`
    merges: tuple[str, ...] = ("mixture", "mean")


VARIANTS = {
    "single": Variant(1, merges=("mixture", "encoder-mean")),
    "single-slow": Variant(1, slower=3, merges=("mixture", "encoder-mean")),
    "three-singles": Variant(1, models=3, merges=("mixture", "mean", "encoder-mean")),
    "amer-anchored": Variant(merges=ALL),
    "amer-no-spare": Variant(change={"pairing": "complete"}),
    "amer-no-anchor": Variant(change={"anchored": False}),
    "amer-no-coverage": Variant(coverage=False),
    "amer-no-pointer": Variant(pointer=False),
    "amer-coverage-pairing": Variant(change={"pairing": "coverage"}),
    "amer-plain": Variant(
        5, pointer=False, change={"anchored": False}, merges=("round_robin", "mixture")
    ),
}


def emit(world: World, variant: Variant, point: Point, steps: int) -> np.ndarray:
    """(Q, m, d): the vectors of the dev queries, of all models of the variant."""
    vectors = []
    point = point._replace(learning_rate=point.learning_rate / variant.slower)
    for seed in range(variant.models):
        model = build(world, seed, variant.pointer)
        if model.pointer is not None and not variant.coverage:
            model.pointer.coverage.requires_grad_(False).zero_()
        config = replace(
            settings(world, variant.m, point, seed),
            **{"steps": steps, "evaluate_every": steps // 4, **variant.change},
        )
        train(world, model, config)
        vectors.append(model.generate(world.queries["dev"], variant.m).numpy())
    return np.concatenate(vectors, axis=1)


def rank(world: World, vectors: np.ndarray, merge: str, tau: float) -> Run:
    """The 100 best documents.

    *mean* searches once, with the mean of a query's vectors, *encoder-mean* with the mean of that
    and the encoder's embedding of the query; *mixture-shallow* fetches 100 documents a vector.
    """
    if merge.endswith("mean"):
        vectors = unit(vectors.mean(1, keepdims=True))
    if merge == "encoder-mean":  # which every vector of an untrained model is
        vectors = unit(vectors + build(world, 0).generate(world.queries["dev"], 1).numpy())
    rules: dict[str, dict[str, Any]] = {rule: {"merge": rule} for rule in RULES}
    rules["mixture-shallow"] = {"merge": "mixture", "tau": tau}
    rules["mixture"] = {**rules["mixture-shallow"], "depth": DEPTH}
    found = search_and_merge(world.index, vectors, max(CUTS), **rules.get(merge, {}))
    return as_run(found, world.index, world.examples["dev"])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def record(ledger: Ledger, world: World, name: str, point: Point, steps: int) -> None:
    """Train one variant and write down what every merge of its vectors finds."""
    variant = VARIANTS[name]
    common = {
        "experiment": "ideas", "dataset": world.setting.dataset, "dim": world.setting.dim,
        "seed": 0, "steps": steps,
    }  # fmt: skip
    single = ledger.select(**common, model="single", merge="mixture")
    ledger.once(
        {**common, "model": name, "m": variant.m * variant.models, **point._asdict()},
        lambda: emit(world, variant, point, steps),
        lambda vectors: (
            {"merge": merge, **row}
            for merge in variant.merges
            for row in measure(world, rank(world, vectors, merge, point.temperature), "dev", single)
        ),
    )


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "worlds", tuple(STEPS))


def main() -> None:
    chosen_worlds = parser().parse_args().worlds
    torch.set_num_threads(1)
    for place in chosen_worlds:
        ledger, world = Ledger("ideas", f"ideas {place}"), World(WORLDS[place])
        for name, variant in VARIANTS.items():
            model = "single" if variant.m == 1 else "amer-anchored"
            record(ledger, world, name, chosen(read("real"), place, model), STEPS[place])


if __name__ == "__main__":
    main()
