"""The recorded run of chapter 12's last table: the recipe with one ingredient changed at a time.

    python -m amer_book.runs.ideas [world ...]

On the dev queries of *ambiguous words* and *many intents*, seed 0, at the temperature and the
learning rate that `amer_book.runs.real`, which has to be run first, has chosen for the recipe (for the
single vectors: for the single vector). One training per variant; its vectors are then searched with
once and merged in several ways. Writes ``data/results/ideas.json`` after every training; started
again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from amer_book.records import Ledger, Record
from amer_book.runs.real import CUTS, DEPTH, build, measure, settings, train, tuned
from amer_book.runs.settings import Point, World
from amer_lite import TrainConfig
from amer_lite.datasets.types import Run
from amer_lite.search import merge as merging
from amer_lite.search.index import search_sets
from amer_lite.search.merge import Merged
from amer_lite.search.retrieve import as_run

STEPS = {"words": 240, "intents-384": 200}
ALL = (
    "mixture", "mixture-shallow", "mean", "encoder-mean",
    "soft_sum", "max_score", "rrf", "round_robin",
)  # fmt: skip


class Variant(NamedTuple):
    """The recipe with something changed, and the merges that are recorded of it."""

    m: int = 6
    models: int = 1  # trained with seeds 0, 1, …, their vectors side by side
    pointer: bool = True
    coverage: bool = True  # avoid tokens that were looked at
    change: Callable[[TrainConfig], TrainConfig] = lambda config: config
    merges: tuple[str, ...] = ("mixture", "mean")


VARIANTS = {
    "single": Variant(1, merges=("mixture", "encoder-mean")),
    "single-slow": Variant(
        1, change=lambda config: replace(config, learning_rate=config.learning_rate / 3),
        merges=("mixture", "encoder-mean"),
    ),
    "three-singles": Variant(1, models=3, merges=("mixture", "mean", "encoder-mean")),
    "amer-anchored": Variant(merges=ALL),
    "amer-no-spare": Variant(change=lambda config: replace(config, pairing="complete")),
    "amer-no-anchor": Variant(change=lambda config: replace(config, anchored=False)),
    "amer-no-coverage": Variant(coverage=False),
    "amer-no-pointer": Variant(pointer=False),
    "amer-coverage-pairing": Variant(change=lambda config: replace(config, pairing="coverage")),
    "amer-plain": Variant(
        5, pointer=False, change=lambda config: replace(config, anchored=False),
        merges=("round_robin", "mixture"),
    ),
}  # fmt: skip


def emit(world: World, variant: Variant, point: Point, steps: int) -> np.ndarray:
    """(Q, m, d): the vectors of the dev queries, of all models of the variant."""
    vectors = []
    for seed in range(variant.models):
        model = build(world, seed, variant.pointer)
        if model.pointer is not None and not variant.coverage:
            model.pointer.coverage.requires_grad_(False).zero_()
        config = variant.change(settings(world, variant.m, point, seed))
        train(world, model, replace(config, steps=steps, evaluate_every=max(1, steps // 4)))
        vectors.append(model.generate(world.queries["dev"], variant.m).numpy())
    return np.concatenate(vectors, axis=1)


def rank(world: World, vectors: np.ndarray, merge: str, tau: float) -> Run:
    """The 100 best documents.

    *mean* searches once, with the mean of a query's vectors, *encoder-mean* with the mean of that
    and the encoder's embedding of the query; *mixture-shallow* fetches 100 documents a vector.
    """
    k = max(CUTS)
    if merge.endswith("mean"):
        vectors = unit(vectors.mean(1, keepdims=True))
    if merge == "encoder-mean":  # which every vector of an untrained model is
        vectors = unit(vectors + build(world, 0).generate(world.queries["dev"], 1).numpy())
    hits = search_sets(world.index, vectors, DEPTH if merge == "mixture" else k)
    mixture = merging.mixture
    rules: dict[str, Callable[[], Merged]] = {
        "mixture": lambda: mixture(hits.scores, hits.rows, k, tau),
        "mixture-shallow": lambda: mixture(hits.scores, hits.rows, k, tau),
        "mean": lambda: merging.round_robin(hits.rows, k),  # of one list: the list
        "encoder-mean": lambda: merging.round_robin(hits.rows, k),
        "soft_sum": lambda: merging.soft_sum(hits.rows, vectors, world.index.vectors, k),
        "max_score": lambda: merging.max_score(hits.scores, hits.rows, k),
        "rrf": lambda: merging.rrf(hits.rows, k),
        "round_robin": lambda: merging.round_robin(hits.rows, k),
    }
    return as_run(rules[merge](), world.index, world.examples["dev"])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def record(ledger: Ledger, world: World, name: str, point: Point, steps: int) -> None:
    """Train one variant and write down what every merge of its vectors finds."""
    variant = VARIANTS[name]
    common = {
        "experiment": "ideas", "dataset": world.setting.dataset, "dim": world.setting.dim,
        "seed": 0, "steps": steps,
    }  # fmt: skip
    if ledger.select(**common, model=name):
        return
    start = time.perf_counter()
    vectors = emit(world, variant, point, steps)
    wall = time.perf_counter() - start
    single = ledger.select(**common, model="single", merge="mixture")

    def found() -> Iterator[Record]:
        for merge in variant.merges:
            run = rank(world, vectors, merge, point[0])
            yield from ({"merge": merge, **r} for r in measure(world, run, "dev", single))

    setting = {**common, "model": name, "m": vectors.shape[1]}
    setting |= {"temperature": point[0], "learning_rate": point[1]}
    records = list(found())
    ledger.add(setting, records, wall)
    for merge in variant.merges:
        shown = [r["value"] for r in records if r["merge"] == merge]
        print(world.setting.dataset, name, merge, shown, f"{wall:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("worlds", nargs="*", default=list(STEPS), choices=list(STEPS))
    torch.set_num_threads(1)
    ledger, real = Ledger("ideas"), Ledger("real")
    for place in parser.parse_args().worlds:
        world = World(place)
        for name, variant in VARIANTS.items():
            model = "single" if variant.m == 1 else "amer-anchored"
            record(ledger, world, name, tuned(real, place, model), STEPS[place])


if __name__ == "__main__":
    main()
