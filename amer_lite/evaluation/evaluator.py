"""A score that training can choose a checkpoint by: retrieval itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import metrics
from amer_lite.model.amer import AMER
from amer_lite.model.numbers import positive
from amer_lite.model.prefix import Prefix
from amer_lite.search.index import VectorIndex
from amer_lite.search.retrieve import Merge, as_run, retrieve, search_and_merge


def evaluator(
    index: VectorIndex,
    prefix: Prefix,
    examples: Sequence[Example],
    *,
    m: int,
    k: int,
    merge: Merge = "round_robin",
    tau: float | None = None,
    metric: Callable[[Run, Sequence[Example], int], metrics.PerQuery] = metrics.recall,
) -> Callable[[AMER], float]:
    """A score for :func:`amer_lite.training.fit.fit`: the mean of ``metric`` at k.

    Args:
        index: over the whole corpus, so that the score means retrieval.
        prefix: of the queries of ``examples``, in their order.
        examples: of the dev split.
        m, k, merge, tau: see :func:`amer_lite.search.retrieve.retrieve`.
        metric: recall moves before MRecall does, which makes it the steadier guide in training.

    Raises:
        ValueError: at once, not after hours of training: m or k < 1, an unknown merge, not one
            example per query, or a gold that is not in the index.
    """
    positive("evaluator: m", m)
    if not examples or len(examples) != len(prefix.mask):
        raise ValueError(f"evaluator: {len(examples)} examples for {len(prefix.mask)} queries")
    gold = index.vectors(index.rows(doc for example in examples for doc in example.gold_ids)[:1])
    search_and_merge(index, gold[None], k, merge=merge, tau=tau)  # refuses what would fail later

    def score(model: AMER) -> float:
        merged = retrieve(model, index, prefix, m=m, k=k, merge=merge, tau=tau)
        return float(metric(as_run(merged, index, examples), examples, k).mean())

    return score
