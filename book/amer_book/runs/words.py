"""The recorded run of chapter 4: one vector against several on ambiguous words.

    python -m amer_book.runs.words

Tunes learning rate and depth of each model on dev with seed 0, the same grid for all, then trains
the chosen setting with five seeds and looks at test. Writes ``data/results/words.json`` after every
training; started again, it goes on where it stopped. About half an hour on one core.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    FaissIndex,
    SentenceEncoder,
    TrainConfig,
    TrainData,
    evaluator,
    fit,
)
from amer_lite.datasets import wordnet
from amer_lite.evaluation import metrics
from amer_lite.search.retrieve import Merge
from amer_lite.storage import write_text

RESULTS = Path(__file__).parents[2] / "data" / "results" / "words.json"
VECTORS = (1, 2, 3, 5)  # 1 is the single-vector baseline
GRID = [(layers, rate) for layers in (1, 2) for rate in (5e-4, 1e-3, 2e-3)]
SEEDS = range(5)
MERGES: tuple[Merge, ...] = ("round_robin", "max_score", "rrf", "soft_sum")
Record = dict[str, Any]


class World:
    """The words, their definitions, and everything that is computed once."""

    def __init__(self) -> None:
        self.data = wordnet.load(documents=15_000)
        encoder = SentenceEncoder()
        ids = list(self.data.corpus)
        documents = encoder.embed([self.data.corpus[name] for name in ids])
        self.index = FaissIndex(encoder.dim)
        self.index.add(documents, ids)
        self.queries = {
            name: encoder.token_states([example.query for example in examples])
            for name, examples in self.data.splits.items()
        }
        self.train = TrainData(
            self.queries["train"],
            [self.index.rows(example.gold_ids).tolist() for example in self.data.splits["train"]],
            torch.from_numpy(documents),
        )


def train(world: World, m: int, layers: int, rate: float, seed: int) -> AMER:
    """One model; all of them see the same data for the same number of steps."""
    torch.manual_seed(seed)
    decoder = DecoderConfig(state_dim=384, width=256, layers=layers, heads=4, dropout=0.1)
    model = AMER(AMERConfig(dim=384, decoder=decoder))
    config = TrainConfig(
        steps=300,
        m=m,
        learning_rate=rate,
        evaluate_every=50,
        seed=seed,
    )
    score = evaluator(world.index, world.queries["dev"], world.data.splits["dev"], m=m, k=100)
    fit(model, world.train, config, score, progress=False)
    return model


def measure(world: World, model: AMER, m: int, split: str) -> Iterator[Record]:
    """Recall and MRecall at 10 and 100, in percent, under every merge."""
    for merge in MERGES if m > 1 else MERGES[:1]:
        for metric in (metrics.mrecall, metrics.recall):
            for k in (10, 100):
                score = evaluator(
                    world.index, world.queries[split], world.data.splits[split],
                    m=m, k=k, merge=merge, metric=metric,
                )  # fmt: skip
                value = round(100 * score(model), 3)
                name = metric.__name__
                yield {"split": split, "merge": merge, "metric": name, "k": k, "value": value}


def choose(records: list[Record], m: int) -> tuple[int, float]:
    """Layers and learning rate with the best Recall@100 on dev under the best merge."""
    rows = [
        r for r in records if (r["m"], r["split"], r["metric"], r["k"]) == (m, "dev", "recall", 100)
    ]
    best = max((r for r in rows if r["seed"] == 0), key=lambda r: float(r["value"]))
    return int(best["layers"]), float(best["learning_rate"])


def main() -> None:
    torch.set_num_threads(1)
    records: list[Record] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    world = World()
    versions = {name: version(name) for name in ("torch", "transformers", "faiss-cpu", "numpy")}

    def run(m: int, layers: int, rate: float, seed: int, splits: tuple[str, ...]) -> None:
        setting = {"m": m, "layers": layers, "learning_rate": rate, "seed": seed}
        done = {r["split"] for r in records if all(r[key] == v for key, v in setting.items())}
        if done >= set(splits):
            return
        start = time.perf_counter()
        model = train(world, m, layers, rate, seed)
        wall = round(time.perf_counter() - start, 1)
        common = {
            "experiment": "chapter-4",
            "dataset": "wordnet",
            "model": "single" if m == 1 else "amer-hungarian",
            "dim": 384,
            **setting,
        }
        origin = {
            "wall_s": wall,
            "command": "python -m amer_book.runs.words",
            "machine": f"{platform.machine()}, 1 thread",
            "versions": versions,
        }
        for split in splits:
            if split not in done:
                found = measure(world, model, m, split)
                records.extend({**common, **row, **origin} for row in found)
        write_text(RESULTS, json.dumps(records, indent=0) + "\n")
        print(f"{setting} {wall} s", flush=True)

    for m in VECTORS:
        for layers, rate in GRID:
            run(m, layers, rate, 0, ("dev",))
    for m in VECTORS:
        layers, rate = choose(records, m)
        for seed in SEEDS:
            run(m, layers, rate, seed, ("dev", "test"))


if __name__ == "__main__":
    main()
