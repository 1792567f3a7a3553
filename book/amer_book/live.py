"""What chapter 11 trains live, and the playground shows: one vector, and six, on many intents.

Both walk the same ladders from the same start (`amer_book.climb`), on dev. Several vectors are
trained and merged as a mixture with even weights; of one vector that is the usual loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from amer_book.climb import climb
from amer_book.searches import World
from amer_book.worlds import intents
from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, TrainData, evaluator, fit
from amer_lite.datasets.types import Dataset

TEMPERATURE, SEED = 0.05, 1
DECODER = DecoderConfig(state_dim=384, width=192, layers=1, heads=6, dropout=0.1)


class Point(NamedTuple):
    """What a model may choose."""

    masked: bool
    learning_rate: float


START = Point(False, 1e-3)
LADDERS = {"masked": (True, False), "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3)}


def load() -> Dataset:
    """Many intents, small enough to train on while a page is built."""
    queries = {"train": 6_000, "dev": 200, "test": 1_000}
    return intents.load(documents=6_000, words=6_000, queries=queries)


def model(seed: int) -> AMER:
    """Untrained, each of its vectors is the encoder's."""
    torch.manual_seed(seed)
    return AMER(AMERConfig(dim=384, decoder=DECODER, pointer=True))


def train(world: World, m: int, point: Point) -> tuple[AMER, float]:
    """The model as it was best on dev, and its Recall@10 there."""
    golds = [rows.tolist() for rows in world.golds("train")]
    data = TrainData(world.queries["train"], golds, world.documents)
    config = TrainConfig(
        steps=100,
        batch_size=64,
        m=m,
        loss="mixture",
        temperature=TEMPERATURE,
        evaluate_every=50,
        seed=SEED,
        **point._asdict(),
    )
    dev = world.index, world.queries["dev"], world.examples["dev"]
    score = evaluator(*dev, m=m, k=10, merge="mixture", tau=TEMPERATURE)
    trained = model(SEED)
    history = fit(trained, data, config, score, progress=False)
    return trained.eval(), max(past.score for past in history)


def tuned(world: World, m: int) -> tuple[AMER, dict[Point, float]]:
    """The best model of the walk, and the score on dev of every point that was tried."""
    tried: dict[Point, tuple[AMER, float]] = {}

    def score(point: Point) -> float:
        tried[point] = train(world, m, point)
        return tried[point][1]

    best = climb(START, LADDERS, score)
    return tried[best][0], {point: value for point, (_, value) in tried.items()}
