"""The recorded run of chapter 9: one vector and several in 80 synthetic worlds.

    python -m amer_book.runs.phase [companions ...]

Worlds of independent rotations, by golds a query, dimension, documents crowded around each gold,
and noise on the golds, which no model can predict. In each: AMER with as many vectors as golds, a
single vector with the better of two learning rates on dev, and the oracles. Both models train for
800 steps; in the worlds with eight golds, which take longer to learn, once more for 2,400. Writes
``data/results/phase.json`` after every world; started again, it goes on where it stopped. Two hours
on one core; the worlds without (0) and with (3) companions can run side by side.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np
import torch
from numpy.typing import NDArray

from amer_book.records import Ledger, Record
from amer_book.worlds.synthetic import SyntheticConfig, SyntheticWorld, make
from amer_book.worlds.transforms import linear_golds
from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    FaissIndex,
    TrainConfig,
    evaluator,
    fit,
)
from amer_lite.evaluation import geometry, metrics
from amer_lite.search.retrieve import as_run, search_and_merge

GOLDS, DIMS = (2, 3, 5, 8), (8, 16, 32, 64, 128)
COMPANIONS, NOISES = (0, 3), (0.0, 0.5)
TRAIN, DEV, TEST, CORPUS, SEED = 5000, 100, 200, 200_000, 1
STEPS, LONGER, K = 800, 2400, 10  # LONGER for the most golds, where STEPS do not suffice


def config(golds: int, dim: int, companions: int, noise: float) -> SyntheticConfig:
    """A world in which each gold has so many documents around it, at a cosine of about 0.89."""
    total = golds * (TRAIN + DEV + TEST)
    return SyntheticConfig(
        "rotations",
        dim=dim,
        golds=golds,
        train=TRAIN,
        dev=DEV,
        test=TEST,
        corpus=CORPUS,
        noise=noise,
        crowd=companions * total / (CORPUS - total),
        crowd_spread=0.5,
        seed=SEED,
    )


def train(
    world: SyntheticWorld, index: FaissIndex, m: int, rate: float, steps: int
) -> tuple[AMER, float]:
    """A model and its best Recall@10 on dev."""
    torch.manual_seed(SEED)
    dim = world.config.dim
    decoder = DecoderConfig(state_dim=dim, width=128, layers=1, heads=4)
    model = AMER(AMERConfig(dim=dim, decoder=decoder))
    score = evaluator(index, world.prefix("dev"), world.examples("dev"), m=m, k=K)
    setting = TrainConfig(
        steps=steps,
        m=m,
        batch_size=128,
        learning_rate=rate,
        evaluate_every=200,
        seed=SEED,
    )
    data = world.train_data()
    history = fit(model, data, setting, score, progress=False)
    return model, max(check.score for check in history)


def answers(world: SyntheticWorld, index: FaissIndex, steps: int) -> dict[str, NDArray[np.float32]]:
    """Query vectors (Q, m, d) on test of each trained model and each oracle."""
    prefix, m = world.prefix("test"), world.config.golds
    golds = world.documents[np.array(world.golds["test"])]
    points = linear_golds(world.queries["test"], world.transforms)  # without the noise
    tried = [train(world, index, 1, rate, steps) for rate in (1e-3, 3e-3)]
    single = max(tried, key=lambda pair: pair[1])[0]
    amer, _ = train(world, index, m, 3e-3, steps)
    return {
        "amer": amer.generate(prefix, m).numpy(),
        "single": single.generate(prefix, 1).numpy(),
        "knows-the-golds": geometry.best_vector(golds, index, K)[:, None],
        "knows-the-world": geometry.smallest_cap(points)[0][:, None],
        "knows-the-world-many": points,
    }


def measure(world: SyntheticWorld, steps: int) -> list[Record]:
    """MRecall and Recall of all, in percent, and the median rho of the gold sets."""
    index = world.index()
    examples = world.examples("test")
    records = []
    for model, vectors in answers(world, index, steps).items():
        run = as_run(search_and_merge(index, vectors, K), index, examples)
        for metric in (metrics.mrecall, metrics.recall):
            value = round(100 * float(metric(run, examples, K).mean()), 2)
            found = {"metric": metric.__name__, "k": K, "value": value}
            records.append({"model": model, "m": vectors.shape[1], **found})
    golds = world.documents[np.array(world.golds["test"])]
    rho = round(float(np.median(geometry.rho(golds, index, [K]))), 4)
    return [*records, {"model": "centroid", "m": 1, "metric": "rho", "k": K, "value": rho}]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("companions", nargs="*", type=int, help=f"of {COMPANIONS}; else all")
    chosen = parser.parse_args().companions or COMPANIONS
    if unknown := set(chosen) - set(COMPANIONS):
        parser.error(f"companions {sorted(unknown)[0]} is unknown; choose of {COMPANIONS}")
    torch.set_num_threads(1)
    ledger = Ledger("phase")
    places = [(n, STEPS) for n in GOLDS] + [(GOLDS[-1], LONGER)]
    worlds = itertools.product(chosen, NOISES, places, DIMS)
    for companions, noise, (golds, steps), dim in worlds:
        setting: Record = {
            "experiment": "phase",
            "world": "rotations",
            "families": "one",
            "golds": golds,
            "dim": dim,
            "companions": companions,
            "noise": noise,
            "corpus": CORPUS,
            "steps": steps,
            "seed": SEED,
        }
        if ledger.select(**setting):
            continue
        start = time.perf_counter()
        records = measure(make(config(golds, dim, companions, noise)), steps)
        wall = time.perf_counter() - start
        ledger.add(setting, records, wall)
        scores = {r["model"]: r["value"] for r in records if r["metric"] != "recall"}
        print(companions, noise, golds, dim, steps, scores, f"{wall:.0f} s", flush=True)


if __name__ == "__main__":
    main()
