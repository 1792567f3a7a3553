"""The recorded run of chapter 14: what every system reaches, and what it costs.

    python -m amer_book.runs.budget [world ...] [--seeds N ...]

Every free choice of a system is made on dev, from a grid that its module states. What is trained is
trained at the point that `amer_book.runs.fair` has chosen by then; where that has trained six
vectors at the start of its walk only, so does this. Costs of a query: searches, and the median CPU
milliseconds of a text that comes alone, on one thread; of a document: bytes, without codebooks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import faiss
import numpy as np
import torch

from amer_book import records
from amer_book.records import Ledger, Record, as_bits, select
from amer_book.rewriting import PROMPTS, Writer, listed
from amer_book.runs import fair, parser_of, percent
from amer_book.runs.cost import spent
from amer_book.runs.fair import Point
from amer_book.runs.plain import Plain, score
from amer_book.runs.settings import WORLDS, World
from amer_book.systems import Bench, Read, System
from amer_book.text_systems import OKAPI, decomposed, expanded, fused, late, lexical
from amer_lite import AMER, SentenceEncoder
from amer_lite.datasets.types import Run
from amer_lite.evaluation import metrics
from amer_lite.evaluation.rivals import Neighbours
from amer_lite.search.index import Rows

NAMES = ("tags", "words", "intents-384", "one-sense")
SEEDS = (1, 2, 3)
QUERIES = {"dev": 200, "test": 400}
FEW = {"dev": 50, "test": 100}  # of a system that writes: seconds a query
MEASURES = {"mrecall": (10,), "recall": (10, 100), "ndcg": (10,)}
CODES = {
    "int8": ("SQ8", 384),
    "PQ 192": ("PQ192np", 192),
    "PQ 64": ("PQ64np", 64),
}  # np: codes only
SMALL = 64  # dimensions
TIMED = {False: 9, True: 2}  # repetitions; of a system that writes
MODELS = {"one vector": ("single", 1), "six vectors": ("amer-mixture", 6)}


def run_of(bench: Bench, rows: Rows, part: str) -> Run:
    ids = bench.world.ids
    examples = bench.world.examples[part][: len(rows)]
    return Run(
        {e.id: [ids[r] for r in own if r >= 0] for e, own in zip(examples, rows, strict=True)}
    )


def values(bench: Bench, rows: Rows, part: str, metric: str, k: int) -> np.ndarray:
    examples = bench.world.examples[part][: len(rows)]
    return getattr(metrics, metric)(run_of(bench, rows, part), examples, k)


def asked(bench: Bench, system: System, part: str) -> list[str]:
    return bench.world.texts(part)[: (FEW if system.few else QUERIES)[part]]


def grid(bench: Bench, system: System) -> dict[Any, Rows]:
    """What each setting returns on dev."""
    state = system.begin(asked(bench, system, "dev"))
    return {choice: system.end(state, choice) for choice in system.grid}


def quality(bench: Bench, rows: Rows) -> float:
    return score(bench.world.examples["dev"][: len(rows)], run_of(bench, rows, "dev"))


def rows_of(bench: Bench, system: System) -> Iterator[Record]:
    """Choose on dev, look at test, and count and time what it costs."""
    name = {"system": system.name}
    found = grid(bench, system)
    scores = {choice: quality(bench, rows) for choice, rows in found.items()}
    choice = max(scores, key=lambda one: scores[one])
    if len(scores) > 1:
        for one, value in scores.items():
            shown = {"setting": str(one), "value": percent(value)}
            yield {**name, "split": "dev", "metric": "mean recall", **shown}
    state = system.begin(asked(bench, system, "test"))
    for part, rows in (("dev", found[choice]), ("test", system.end(state, choice))):
        for metric, cuts in MEASURES.items():
            for k in cuts:
                every = values(bench, rows, part, metric, k)
                row = {**name, "split": part, "metric": metric, "k": k, "queries": len(every)}
                row["value"] = percent(every.mean())
                if metric == "mrecall":
                    row["answered"] = as_bits(every)
                yield row
    if system.name == "BM25 + one vector":
        for c in system.grid:
            value = values(bench, system.end(state, c), "test", "mrecall", 10).mean()
            yield {**name, "split": "test", "metric": "varied", "setting": str(c),
                   "value": percent(value)}  # fmt: skip
    took = timed(bench, system, choice)
    cost = {"searches": round(system.searches(state, choice), 2), "ms": took}
    yield {**name, "metric": "cost", "setting": str(choice), "bytes": round(system.bytes), **cost}


def timed(bench: Bench, system: System, choice: Any) -> float:
    """CPU milliseconds of a query that comes alone; nothing is taken from a cache."""
    texts = bench.world.texts("train")

    def ask(repetition: int) -> None:
        system.end(system.begin([texts[repetition]]), choice)

    bench.encoder = uncached()
    took = spent(ask, TIMED[system.few])[0]
    bench.encoder = bench.world.encoder
    return took


@cache
def uncached() -> SentenceEncoder:
    return SentenceEncoder(cache=False)


@cache
def writer() -> Writer:
    return Writer()


def written(ledger: Ledger, bench: Bench, name: str, prompt: str) -> Callable[..., list[str]]:
    """Recorded answers of the language model, and new ones for texts that have none."""
    setting = {"experiment": name, "model": "SmolLM2", "prompt": prompt}
    texts = {part: bench.world.texts(part)[:most] for part, most in FEW.items()}
    ledger.once(
        setting,
        lambda: {part: writer()(prompt, some) for part, some in texts.items()},
        lambda answers: (
            {"split": part, "query": query, "answer": answer}
            for part in texts
            for query, answer in zip(texts[part], answers[part], strict=True)
        ),
    )
    known = {row["query"]: row["answer"] for row in select(ledger.records, **setting)}

    def write(queries: list[str]) -> list[str]:
        return [known[q] if q in known else writer()(prompt, [q])[0] for q in queries]

    return write


def point_of(fair_records: list[Record], name: str, model: str) -> Point:
    """Where a model is trained; ValueError in a world that the fair run has not walked."""
    if select(fair_records, experiment=name, model=model, seed=0):
        return fair.chosen(fair_records, name, model)
    if model == "amer-mixture" and select(fair_records, experiment=name, model="amer-fixed"):
        return fair.START  # the walk was too long for this world: nothing was chosen
    raise ValueError(
        f"{name}: no {model} in fair.jsonl; run python -m amer_book.runs.fair {name} first"
    )


def compressed(bench: Bench, name: str, read: Read, m: int, tau: float) -> Iterator[System]:
    """The same vectors over smaller indexes."""
    for code, (factory, size) in CODES.items():
        yield bench.dense(f"{name}, {code}", read, m, tau, bench.coded(factory), size)
    for code, factory, size in (("64 floats", "Flat", 256), ("64 int8", "SQ8", 64)):
        index = bench.coded(factory, SMALL)
        basis = bench.directions(SMALL)
        yield bench.dense(f"{name}, {code}", read, m, tau, index, size, basis)


class Comparison:
    """All systems of one world."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fair = records.read("fair")
        for model, _ in MODELS.values():
            point_of(self.fair, name, model)  # stops at once
        self.ledger = Ledger("budget", f"budget {name}")
        self.bench = Bench(World(WORLDS[name]))
        self.plain = Plain(self.bench.world)
        self.kept: dict[tuple[str, int], AMER] = {}

    @property
    def voters(self) -> Neighbours:
        row = (select(self.fair, experiment=self.name, model="neighbours") or [{}])[0]
        return Neighbours(row.get("voters", 30), row.get("temperature", 0.1))

    def untrained(self) -> None:
        bench = self.bench
        makers: dict[str, Callable[[], System]] = {
            "untrained": lambda: bench.dense("untrained", bench.untrained),
            "split": lambda: bench.split(self.plain),
            "BM25": lambda: lexical(bench),
            "neighbours": lambda: bench.vote(self.plain, self.voters),
        }
        for model, make in makers.items():
            self._plain(model, make)

    def late(self) -> None:
        self._plain("MaxSim", lambda: late(self.bench))

    def _plain(self, model: str, make: Callable[[], System]) -> None:
        setting = {"experiment": self.name, "model": model, "seed": 0}
        self.ledger.once(setting, make, partial(rows_of, self.bench))

    def trained(self, seed: int) -> None:
        for name, (model, m) in MODELS.items():
            self._train(self.bench, name, model, m, seed, self._systems)

    def small(self, seed: int) -> None:
        """Trained for 64 dimensions, at the points of 384."""
        bench = Bench(World(replace(WORLDS[self.name], dim=SMALL)))

        def systems(bench: Bench, name: str, read: Read, m: int, tau: float) -> Iterator[System]:
            yield bench.dense(f"{name}, 64 trained", read, m, tau)
            codes = bench.coded("SQ8")
            yield bench.dense(f"{name}, 64 trained int8", read, m, tau, codes, SMALL)

        for name, (model, m) in MODELS.items():
            self._train(bench, name, model, m, seed, systems)

    def _systems(self, bench: Bench, name: str, read: Read, m: int, tau: float) -> Iterator[System]:
        yield bench.dense(name, read, m, tau)
        if m == 1:
            yield bench.mmr(read)
            yield bench.feedback(read)
            words = lexical(bench)
            found = grid(bench, words)
            best = max(OKAPI, key=lambda c: quality(bench, found[c]))
            yield fused(bench, read, words, best)
        yield bench.vote(self.plain, self.voters, read, m, tau)
        yield from compressed(bench, name, read, m, tau)

    def writing(self, seed: int) -> None:
        """What searches with the language model's texts, read by MiniLM or as the one vector."""
        texts = [written(self.ledger, self.bench, self.name, prompt) for prompt in PROMPTS]

        def systems(bench: Bench, name: str, read: Read, m: int, tau: float) -> Iterator[System]:
            readers = {"untrained": bench.untrained, "tuned": read}
            yield expanded(bench, readers, texts[0])
            yield decomposed(bench, readers, listed(texts[1]))

        self._train(self.bench, "one vector", "single", 1, seed, systems, writing=True)

    def _train(
        self, bench: Bench, name: str, model: str, m: int, seed: int,
        systems: Callable[[Bench, str, Read, int, float], Iterator[System]], **more: Any,
    ) -> None:  # fmt: skip
        point = point_of(self.fair, self.name, model)
        dim = bench.world.index.dim
        setting = {"experiment": self.name, "dim": dim, "seed": seed, "model": model, "m": m}
        setting |= point._asdict() | more

        def train() -> AMER:
            if dim == SMALL or (model, seed) not in self.kept:
                trained = fair.train(bench.world, fair.MODELS[model], point, seed)[0]
                if dim == SMALL:
                    return trained
                self.kept[model, seed] = trained
            return self.kept[model, seed]

        def measure(trained: AMER) -> Iterator[Record]:
            for system in systems(bench, name, bench.by(trained, m), m, point.temperature):
                yield from rows_of(bench, system)

        self.ledger.once(setting, train, measure, **({} if more else {"writing": None}))


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__, "worlds", NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    return parser


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    compared = [Comparison(name) for name in arguments.worlds]
    for comparison in compared:
        comparison.untrained()
    for seed in arguments.seeds:
        for comparison in compared:
            comparison.trained(seed)
    for comparison in compared:
        comparison.writing(arguments.seeds[0])
        comparison.late()
        comparison.small(arguments.seeds[0])


if __name__ == "__main__":
    main()
