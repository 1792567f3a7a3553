"""The recorded run of chapter 16: what m vectors cost, and where the cost lies.

    python -m amer_book.runs.cost [part ...]

One thread, CPU time, medians of repetitions; a repetition takes other queries. Parts: ``decode``
(reading a query and emitting m vectors, by a small decoder over MiniLM's states and by SmolLM2),
``merge``, ``together`` (all of it in one call) and ``search-N``: six indexes of N vectors, their
size, their share of the exact ten, their time. The small decoder's weights are random: time does
not depend on them. Some minutes a part.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import faiss
import numpy as np
import torch

from amer_book.records import Ledger, Record
from amer_book.runs import parser_of
from amer_lite import AMER, AMERConfig, DecoderConfig, FaissIndex, SentenceEncoder, retrieve
from amer_lite.encoders.prompt import open_lm, prompt_ids
from amer_lite.model.prefix import Prefix
from amer_lite.search import merge
from amer_lite.search.index import Rows, Vectors, search_sets

DIM, LATENT, K = 128, 16, 10
MANY, BATCHES, PROBED = (1, 2, 3, 5, 8), (1, 16, 256), 320
SIZES = (10_000, 100_000, 1_000_000)
CLUSTERS = {10_000: 128, 100_000: 512, 1_000_000: 1024}  # about √n
NPROBE, EF = (1, 2, 4, 8, 16, 32, 64), (10, 20, 40, 80, 160, 320)
# faiss's factory, option of the search and its values
INDEXES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "flat": ("Flat", "", (0,)),
    "int8": ("SQ8", "", (0,)),
    "PQ": ("PQ32", "", (0,)),
    "IVF": ("IVF{clusters},Flat", "nprobe", NPROBE),
    "HNSW": ("HNSW16", "efSearch", EF),
    "IVF + PQ": ("IVF{clusters},PQ32", "nprobe", NPROBE),
}
RULES: dict[str, Callable[[Rows, Vectors, Vectors, Vectors], object]] = {
    "round robin": lambda rows, scores, sets, documents: merge.round_robin(rows, K),
    "RRF": lambda rows, scores, sets, documents: merge.rrf(rows, K),
    "max score": lambda rows, scores, sets, documents: merge.max_score(scores, rows, K),
    "soft sum": lambda rows, scores, sets, documents: merge.soft_sum(
        rows, sets, documents.__getitem__, K
    ),
}
READERS = ("decoder", "SmolLM2")


@cache
def documents(n: int) -> Vectors:
    """(n, DIM) unit vectors near a curved surface of LATENT dimensions, as embeddings lie."""
    return _surface(n, np.random.default_rng(0))


def queries(n: int, seed: int) -> Vectors:
    """(n, DIM) other points of the surface."""
    return _surface(n, np.random.default_rng([1, seed]))


def _surface(n: int, random: np.random.Generator) -> Vectors:
    fixed = np.random.default_rng(7)
    into = fixed.standard_normal((LATENT, 256), np.float32)
    out = fixed.standard_normal((256, DIM), np.float32)
    found = np.empty((n, DIM), np.float32)
    for start in range(0, n, 50_000):
        part = found[start : start + 50_000]
        latent = random.standard_normal((len(part), LATENT), np.float32)
        part[:] = np.tanh(latent @ into / 4) @ out
        part += 2 * random.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def spent(
    task: Callable[[int], object], times: int, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Median, least and most milliseconds of ``task(repetition)``, after one to warm up."""
    found = []
    for repetition in range(times + 1):
        start = clock()
        task(repetition)
        found.append(1000 * (clock() - start))
    return [round(float(f(found[1:])), 4) for f in (np.median, min, max)]


def row_of(took: list[float], **row: object) -> Record:
    return {**row, **dict(zip(("ms", "least", "most"), took, strict=True))}


def times_of(batch: int) -> int:
    return {1: 9, 16: 5, 256: 2}[batch]


def texts(batch: int, seed: int) -> list[str]:
    """Questions of about sixteen tokens."""
    random, words = np.random.default_rng(seed), ["river", "bank", "crane", "spring", "bass"]
    return [
        f"which {' and '.join(random.choice(words, 3))} did people of the {random.choice(words)} "
        f"name after {random.integers(1800, 2000)}"
        for _ in range(batch)
    ]


@cache
def reader(name: str) -> tuple[AMER, Callable[[list[str]], Prefix]]:
    """A model, and what makes its prefix of texts."""
    torch.manual_seed(0)
    if name == "decoder":
        encoder = SentenceEncoder(cache=False)
        decoder = DecoderConfig(state_dim=encoder.dim, width=256, layers=2, heads=4)
        return AMER(AMERConfig(dim=DIM, decoder=decoder)).eval(), encoder.token_states
    lm, tokenizer = open_lm()
    return AMER.from_lm(lm, DIM).eval(), partial(prompt_ids, tokenizer, "{query}")


def decoded(name: str) -> Iterator[Record]:
    model, read = reader(name)
    for batch in BATCHES[: 2 if name == "SmolLM2" else 3]:
        asked = [texts(batch, seed) for seed in range(16)]
        for m in MANY:

            def emit(repetition: int, m: int = m, asked: list[list[str]] = asked) -> object:
                return model.generate(read(asked[repetition]), m)

            times = times_of(batch) if name == "decoder" else 3
            yield row_of(spent(emit, times), m=m, batch=batch)


def merged(rule: str) -> Iterator[Record]:
    stored, random = documents(10_000), np.random.default_rng(0)
    for batch in BATCHES:
        for m in MANY:
            sets = queries(batch * m, m).reshape(batch, m, DIM)
            rows = random.integers(len(stored), size=(batch, m, K))
            scores = -np.sort(-random.random((batch, m, K), np.float32))

            def run(
                _: int, rows: Rows = rows, scores: Vectors = scores, sets: Vectors = sets
            ) -> None:
                RULES[rule](rows, scores, sets, stored)

            yield row_of(spent(run, 15), m=m, batch=batch)


def built(name: str, n: int) -> tuple[FaissIndex, float]:
    """The index, and the seconds that training and adding took."""
    index = FaissIndex(DIM, INDEXES[name][0].format(clusters=CLUSTERS[n]))
    start = time.process_time()
    index.add(documents(n), [str(row) for row in range(n)])
    return index, time.process_time() - start


@cache
def nearest(n: int) -> Rows:
    """The exact K rows of PROBED vectors: those of 64 queries with m = 5."""
    exact = FaissIndex(DIM)
    exact.add(documents(n), [str(row) for row in range(n)])
    return exact.search(queries(PROBED, 0), K).rows


def searched(name: str, n: int) -> Iterator[Record]:
    """Size; Recall@10 and time at each setting; time by m and batch at recall 0.9 or the best."""
    index, seconds = built(name, n)
    with tempfile.TemporaryDirectory() as folder:
        index.save(folder)
        size = next(Path(folder).glob("index*.faiss")).stat().st_size
    yield {"build_s": round(seconds, 1), "bytes": round(size / n, 1)}
    _, option, values = INDEXES[name]
    chosen, best = values[0], 0.0
    for value in values:
        index.tune(f"{option}={value}" if option else "")
        found = index.search(queries(PROBED, 0), K).rows
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(nearest(n), found, strict=True)])
        took = spent(lambda _: index.search(queries(PROBED, 0), K), 2)
        yield row_of(took, option=value, m=5, batch=PROBED // 5, recall=round(float(recall), 4))
        if best < 0.9:
            chosen, best = value, float(recall)
    index.tune(f"{option}={chosen}" if option else "")
    for batch in BATCHES[: 2 if n == SIZES[-1] else 3]:
        for m in MANY:
            asked = [queries(batch * m, seed).reshape(batch, m, DIM) for seed in range(16)]

            def search(repetition: int, asked: list[Vectors] = asked) -> object:
                return search_sets(index, asked[repetition], K)

            yield row_of(spent(search, times_of(batch)), m=m, batch=batch, chosen=chosen)


def together(n: int) -> Iterator[Record]:
    """Texts to merged rows by the small decoder over a flat index."""
    index, (model, read) = built("flat", n)[0], reader("decoder")
    for batch in BATCHES:
        asked = [texts(batch, seed) for seed in range(16)]
        for m in MANY:

            def run(repetition: int, m: int = m, asked: list[list[str]] = asked) -> object:
                return retrieve(model, index, read(asked[repetition]), m=m, k=K)

            yield row_of(spent(run, times_of(batch)), m=m, batch=batch)


def record(ledger: Ledger, setting: Record, found: Callable[[], Iterator[Record]]) -> None:
    ledger.once({"experiment": "cost", **setting}, lambda: list(found()), lambda rows: rows)


PARTS = ["decode", "merge", "together", *(f"search-{n}" for n in SIZES)]


def parser() -> argparse.ArgumentParser:
    return parser_of(__doc__, "part", PARTS)


def main() -> None:
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    for part in parser().parse_args().part:
        ledger = Ledger("cost", f"cost {part}")
        kind, _, size = part.partition("-")
        if kind == "decode":
            for name in READERS:
                record(ledger, {"part": kind, "reader": name}, partial(decoded, name))
        elif kind == "merge":
            for rule in RULES:
                record(ledger, {"part": kind, "rule": rule}, partial(merged, rule))
        elif kind == "together":
            for n in SIZES[:2]:
                record(ledger, {"part": kind, "n": n}, partial(together, n))
        else:
            for name in INDEXES:
                setting = {"part": kind, "index": name, "n": int(size)}
                record(ledger, setting, partial(searched, name, int(size)))


if __name__ == "__main__":
    main()
