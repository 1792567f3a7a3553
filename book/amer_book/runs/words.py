"""The recorded run of chapter 4: one vector against several on ambiguous words.

    python -m amer_book.runs.words

Tunes learning rate and depth of each model on dev with seed 0, the same grid for all, then trains
the chosen setting with five seeds and looks at test. About half an hour on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from amer_book.records import Ledger, Record, tuned
from amer_book.runs import parser_of, percent, trained
from amer_book.runs.settings import Setting, World
from amer_book.worlds import wordnet
from amer_lite import AMER, DecoderConfig, evaluator
from amer_lite.evaluation import metrics
from amer_lite.search.retrieve import Merge

VECTORS = (1, 2, 3, 5)  # 1 is the single-vector baseline
GRID = [(layers, rate) for layers in (1, 2) for rate in (5e-4, 1e-3, 2e-3)]
SEEDS = range(5)
MERGES: tuple[Merge, ...] = ("round_robin", "max_score", "rrf", "soft_sum")
WORDS = Setting("wordnet", lambda _, draw: wordnet.load(documents=15_000, seed=draw))
STEPS = 300


def train(world: World, m: int, layers: int, rate: float, seed: int) -> AMER:
    """One model; all of them see the same data for the same number of steps."""
    score = evaluator(world.index, world.queries["dev"], world.examples["dev"], m=m, k=100)
    decoder = DecoderConfig(state_dim=384, width=256, layers=layers, heads=4, dropout=0.1)
    options = {"m": m, "steps": STEPS, "learning_rate": rate, "seed": seed}
    return trained(world.train, score, decoder, **options, evaluate_every=50)[0]


def measure(world: World, model: AMER, m: int, split: str) -> Iterator[Record]:
    """Recall and MRecall at 10 and 100, in percent, under every merge."""
    for merge in MERGES if m > 1 else MERGES[:1]:
        for metric in (metrics.mrecall, metrics.recall):
            for k in (10, 100):
                score = evaluator(
                    world.index, world.queries[split], world.examples[split],
                    m=m, k=k, merge=merge, metric=metric,
                )  # fmt: skip
                row = {"split": split, "merge": merge, "metric": metric.__name__, "k": k}
                yield {**row, "value": percent(score(model))}


def main() -> None:
    parser().parse_args()
    torch.set_num_threads(1)
    ledger, world = Ledger("words"), World(WORDS)

    def record(m: int, layers: int, rate: float, seed: int, splits: tuple[str, ...]) -> None:
        setting = {
            "experiment": "chapter-4", "dataset": "wordnet",
            "model": "single" if m == 1 else "amer-hungarian", "dim": 384,
            "m": m, "layers": layers, "learning_rate": rate, "seed": seed,
        }  # fmt: skip
        ledger.once(
            setting,
            lambda: train(world, m, layers, rate, seed),
            lambda model: (row for split in splits for row in measure(world, model, m, split)),
            split=splits[-1],
        )

    for m in VECTORS:
        for layers, rate in GRID:
            record(m, layers, rate, 0, ("dev",))
        on_dev = ledger.select(m=m, seed=0, split="dev", metric="recall", k=100)
        best = tuned(on_dev, "layers", "learning_rate")
        for seed in SEEDS:
            splits = ("dev", "test") if seed else ("test",)
            record(m, best["layers"], best["learning_rate"], seed, splits)


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__)


if __name__ == "__main__":
    main()
