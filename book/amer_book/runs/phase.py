"""The recorded run of chapter 9: one vector and several in 80 synthetic worlds.

    python -m amer_book.runs.phase [companions ...]

Worlds of independent rotations, by golds a query, dimension, documents crowded around each gold,
and noise on the golds, which no model can predict. In each: AMER with as many vectors as golds, a
single vector with the better of two learning rates on dev, and the oracles. Both models train for
800 steps; in the worlds with eight golds, which take longer to learn, once more for 2,400. Two
hours on one core; the worlds without (0) and with (3) companions can run side by side.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from amer_book import oracles
from amer_book.records import Ledger, Record
from amer_book.runs import measured, parser_of, trained
from amer_book.worlds.synthetic import SyntheticConfig, SyntheticWorld, make
from amer_book.worlds.transforms import linear_golds
from amer_lite import AMER, DecoderConfig, FaissIndex, evaluator
from amer_lite.evaluation import geometry
from amer_lite.search.retrieve import as_run, search_and_merge

GOLDS, DIMS = (2, 3, 5, 8), (8, 16, 32, 64, 128)
COMPANIONS, NOISES = (0, 3), (0.0, 0.5)
SIZES: Record = {"train": 5000, "dev": 100, "test": 200}
CORPUS, SEED, SPREAD = 200_000, 1, 0.5
STEPS, LONGER, K = 800, 2400, 10  # LONGER for the most golds, where STEPS do not suffice


def config(golds: int, dim: int, companions: int, noise: float) -> SyntheticConfig:
    """A world in which each gold has so many documents around it, at a cosine of about 0.89."""
    total = golds * sum(SIZES.values())
    return SyntheticConfig(
        "rotations", dim=dim, golds=golds, **SIZES, corpus=CORPUS, noise=noise, seed=SEED,
        crowd=companions * total / (CORPUS - total), crowd_spread=SPREAD,
    )  # fmt: skip


def train(
    world: SyntheticWorld, index: FaissIndex, m: int, rate: float, steps: int
) -> tuple[AMER, float]:
    """A model and its best Recall@10 on dev."""
    score = evaluator(index, world.prefix("dev"), world.examples("dev"), m=m, k=K)
    decoder = DecoderConfig(state_dim=world.config.dim, width=128, layers=1, heads=4)
    options = {"m": m, "steps": steps, "learning_rate": rate, "seed": SEED}
    return trained(
        world.train_data(), score, decoder, **options, batch_size=128, evaluate_every=200
    )


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
        "knows-the-golds": oracles.best_vector(golds, index, K)[:, None],
        "knows-the-world": geometry.smallest_cap(points)[0][:, None],
        "knows-the-world-many": points,
    }


def found(world: SyntheticWorld, steps: int) -> Iterator[Record]:
    """MRecall and Recall of all, in percent, and the median rho of the gold sets."""
    index = world.index()
    examples = world.examples("test")
    for model, vectors in answers(world, index, steps).items():
        run = as_run(search_and_merge(index, vectors, K), index, examples)
        yield from measured(run, examples, (K,), model=model, m=vectors.shape[1])
    golds = world.documents[np.array(world.golds["test"])]
    rho = round(float(np.median(geometry.rho(golds, index, [K]))), 4)
    yield {"model": "centroid", "m": 1, "metric": "rho", "k": K, "value": rho}


def record(ledger: Ledger, world: SyntheticConfig, companions: int, steps: int) -> None:
    setting: Record = {
        "experiment": "phase", "world": "rotations", "families": "one", "golds": world.golds,
        "dim": world.dim, "companions": companions, "noise": world.noise, "corpus": CORPUS,
        "steps": steps, "seed": SEED,
    }  # fmt: skip
    ledger.once(setting, lambda: list(found(make(world), steps)), lambda rows: rows)


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "companions", [str(n) for n in COMPANIONS])


def main() -> None:
    chosen = parser().parse_args().companions
    torch.set_num_threads(1)
    places = [(n, STEPS) for n in GOLDS] + [(GOLDS[-1], LONGER)]
    for companions in map(int, chosen):
        ledger = Ledger("phase", f"phase {companions}")
        for noise, (golds, steps), dim in itertools.product(NOISES, places, DIMS):
            record(ledger, config(golds, dim, companions, noise), companions, steps)


if __name__ == "__main__":
    main()
