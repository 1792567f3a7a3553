"""``make bench``: the library against the obvious loop, side by side in one run.

Every row times both versions in turn and reports medians and their ratio. Absolute times are the
machine's; the ratios are what the library is measured by. Written to ``data/results/bench.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# isort: split
import faiss  # after torch: on macOS the other way round crashes

from amer_lite.datasets.splits import groups
from amer_lite.datasets.types import Example
from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.prefix import Prefix
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.merge import round_robin
from amer_lite.storage import write_text
from amer_lite.training.matching import set_info_nce
from tests import slow_matching, slow_merge, slow_model, slow_splits

RESULTS = Path(__file__).parents[1] / "data" / "results" / "bench.json"
Task = Callable[..., object]


@dataclass(frozen=True)
class Row:
    """One comparison; ``ratio`` is other / ours, so more is better for us."""

    name: str
    ours_ms: float
    other_ms: float
    ratio: float
    setting: str


def compare(
    name: str, setting: str, ours: Task, other: Task, *arguments: Any, runs: int = 7
) -> Row:
    """Medians of both tasks on the same arguments, in turns: a slower machine is so for both.

    Each timed run follows an untimed one of the same task: what the other left in the caches and
    in the allocator is no part of the comparison.
    """
    times = np.empty((runs, 2))
    for run, column in np.ndindex(times.shape):
        task = (ours, other)[column]
        task(*arguments)
        start = time.perf_counter()
        task(*arguments)
        times[run, column] = (time.perf_counter() - start) * 1000
    a, b = np.median(times, axis=0).tolist()
    ratio = float(np.median(times[:, 1] / times[:, 0]))
    return Row(name, round(a, 3), round(b, 3), round(ratio, 2), setting)


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def losses() -> Iterator[Row]:
    vectors, golds = unit(256, 5, 64), unit(256, 5, 64)

    def step(loss: Callable[..., Tensor], **options: Any) -> Task:
        return lambda: loss(vectors.detach().requires_grad_(), golds, **options).backward()

    ours, loop = step(set_info_nce), step(slow_matching.authors_loop)
    unmatched = step(set_info_nce, pairing="ordered")
    setting = "B=256 m=5 d=64, forward + backward, 1 thread"
    yield compare("set_loss_vs_loop", setting + ", loop over examples", ours, loop)
    yield compare("set_loss_vs_unmatched", setting + ", no matching", ours, unmatched, runs=21)


def models() -> Iterator[Row]:
    model = AMER(AMERConfig(384, decoder=DecoderConfig(state_dim=384))).eval()
    prefix = Prefix(torch.randn(64, 32, 384), torch.ones(64, 32, dtype=torch.bool))
    m = 5

    def train(rollout: Callable[[], Tensor]) -> Task:
        def task() -> None:
            model.zero_grad()
            rollout().sum().backward()

        return task

    ours = train(lambda: model.rollout(prefix, m=m))
    other = train(lambda: slow_model.rollout(model, prefix, m))
    setting = "B=64 prefix=32 m=5, decoder 2 × 384"
    yield compare("rollout_cached", setting + ", forward + backward, 1 thread", ours, other)
    slow = torch.no_grad()(slow_model.rollout)
    yield compare("generate_cached", setting + ", 1 thread", AMER.generate, slow, model, prefix, m)
    # Batching saves overhead, not arithmetic: what it gives depends on the length of the prefix.
    # Six tokens is a word between MiniLM's special tokens, the queries of chapters 1, 4 and 12.
    words = Prefix(prefix.values[:, :6], prefix.mask[:, :6])
    single = [words.select(torch.tensor([i])) for i in range(64)]
    yield compare(
        "generate_batched",
        "B=64 prefix=6 m=5, decoder 2 × 384, at once against one by one, 1 thread",
        lambda: model.generate(words, m),
        lambda: [model.generate(one, m) for one in single],
    )


def searching() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    # Lists of 100 out of 250 documents: most documents stand in several lists.
    rows = np.stack([[rng.permutation(250)[:100] for _ in range(5)] for _ in range(1000)])
    setting = "round robin, 5 lists × 100 × 1,000 queries, k=100"
    yield compare("merge", setting, round_robin, slow_merge.round_robin, rows, 100)
    documents, queries = unit(50_000, 64).numpy(), unit(640, 64).numpy()
    index, raw = FaissIndex(64), faiss.IndexFlatIP(64)
    index.add(documents, [str(i) for i in range(len(documents))])
    raw.add(documents)
    setting = "flat cosine, 640 queries, 50,000 × 64, k=100, 1 thread"
    yield compare("search_vs_raw_faiss", setting, index.search, raw.search, queries, 100, runs=15)


def splitting() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    examples = [  # Zipf: one document is gold for most of the queries
        Example(f"q{i}", f"w{i}", [f"d{d % 30_000}" for d in rng.zipf(1.3, rng.integers(2, 9))])
        for i in range(500)
    ]
    setting = "like examples, 500 queries of 2 to 8 golds"
    yield compare("groups_vs_all_pairs", setting, groups, slow_splits.groups, examples, runs=3)


def main() -> None:
    torch.set_num_threads(1)  # two threads on two shared cores measure the neighbours
    faiss.omp_set_num_threads(1)
    torch.manual_seed(0)
    records = []
    print(f"{'name':24}{'ours ms':>10}{'other ms':>11}{'ratio':>8}  setting")
    for row in chain(losses(), models(), searching(), splitting()):
        records.append(asdict(row))
        times = f"{row.ours_ms:10.2f}{row.other_ms:11.2f}{row.ratio:8.2f}"
        print(f"{row.name:24}{times}  {row.setting}", flush=True)
    write_text(RESULTS, json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    print(f"written to {RESULTS.relative_to(RESULTS.parents[2])}")


if __name__ == "__main__":
    main()
