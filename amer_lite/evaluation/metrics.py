"""Retrieval measures per query, and paired tests.

Every measure takes a run, examples and k, and returns one float64 per example, in the order of the
examples, so that two systems can be compared query by query. Golds are *answers*: an answer is
found at the first rank that holds any of its documents, and counts once; a later document of a
found answer is not relevant again. When every answer has one document, Recall, Precision and nDCG
are those of trec_eval.

Measures raise ValueError for k < 1, no examples, or a run that ranks none of their queries; a query
that it does not rank counts as zero, with a warning. Tests and intervals take arrays (Q,) of such
values, and raise ValueError for those that are empty, not finite or of different lengths, and for
arguments out of range. ``n`` is the number of random draws, ``level`` the coverage of an interval
(low, high), such as 0.95.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amer_lite.datasets.types import Example, Run
from amer_lite.model.numbers import positive

PerQuery = NDArray[np.float64]

_CHUNK = 1 << 22  # cells of a resampling table that are in memory at a time


def _found(
    run: Run, examples: Sequence[Example], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """New answers per rank, (Q, width <= k) int64, and answers per query, (Q,) int64."""
    k = positive("k", k)
    if not examples:
        raise ValueError("no examples to evaluate; is the split empty?")
    if lost := [example.id for example in examples if example.id not in run.rankings]:
        said = f"the run has no ranking for {len(lost)} of {len(examples)} queries: {lost[:3]}"
        if len(lost) == len(examples):
            raise ValueError(f"{said}; is it a run over another split?")
        warnings.warn(f"{said}; they count as zero", stacklevel=3)
    width = min(k, max(map(len, run.rankings.values()), default=0))
    new = np.zeros((len(examples), width), dtype=np.int64)
    for row, example in zip(new, examples, strict=True):
        missing = [frozenset(answer) for answer in example.golds]
        for rank, doc in enumerate(run.rankings.get(example.id, ())[:k]):
            still = [answer for answer in missing if doc not in answer]
            row[rank], missing = len(missing) - len(still), still
    return new, np.array([len(example.golds) for example in examples], dtype=np.int64)


def mrecall(run: Run, examples: Sequence[Example], k: int) -> PerQuery:
    """MRecall@k (Min et al., EMNLP 2021): 1 if all answers are found in the top k, else 0.

    A query with more than k answers needs k of them.
    """
    new, answers = _found(run, examples, k)
    return (new.sum(axis=1) >= np.minimum(answers, k)).astype(np.float64)


def recall(run: Run, examples: Sequence[Example], k: int) -> PerQuery:
    """Recall@k: the share of the answers found in the top k."""
    new, answers = _found(run, examples, k)
    return new.sum(axis=1) / answers


def precision(run: Run, examples: Sequence[Example], k: int) -> PerQuery:
    """Precision@k: the share of k ranks that bring a new answer, even if fewer were ranked."""
    new, _ = _found(run, examples, k)
    return (new > 0).sum(axis=1) / k


def ndcg(run: Run, examples: Sequence[Example], k: int) -> PerQuery:
    """nDCG@k (Järvelin and Kekäläinen, TOIS 2002) with gain 1 for a rank that brings a new answer.

    The ideal ranking brings one at each of its first min(k, answers) ranks.
    """
    new, answers = _found(run, examples, k)
    discounts = 1 / np.log2(np.arange(2, max(new.shape[1], answers.max()) + 2))
    ideal = np.cumsum(discounts)[np.minimum(answers, k) - 1]
    return (new > 0) @ discounts[: new.shape[1]] / ideal


# --- tests and intervals --------------------------------------------------------------------------


def mcnemar_exact(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p of the exact McNemar test: do two systems succeed equally often?

    For values 0 and 1, such as those of `mrecall`. Only the queries on which they differ count;
    under the null each of these falls to either side with probability 1/2.
    """
    from scipy.stats import binomtest

    first, second = _paired(a, b)
    both = np.concatenate([first, second])
    if (odd := both[(both != 0) & (both != 1)]).size:
        raise ValueError(f"mcnemar_exact: needs 0 and 1 only, found {odd[0]}")
    wins, losses = int((first > second).sum()), int((first < second).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def sign_flip(a: ArrayLike, b: ArrayLike, n: int, generator: np.random.Generator) -> float:
    """Two-sided p of the paired randomisation test on the mean difference.

    Under the null a query's difference is as likely with either sign. ``n`` random sign vectors are
    drawn, and the observed one counts as one more, so that p is never 0 and the test is valid at
    any ``n`` (Phipson and Smyth, 2010).
    """
    differences = np.subtract(*_paired(a, b))
    differences = differences[differences != 0]
    # Sums of the same numbers in another order must tie with the observed one.
    threshold = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    extreme = 1
    for rows in _chunks(n, len(differences)):
        signs = generator.integers(0, 2, (rows, len(differences)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= threshold).sum())
    return extreme / (n + 1)


def bootstrap_mean(
    a: ArrayLike, n: int, level: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries (Efron and Tibshirani, 1993)."""
    values = _finite("a", a)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    q = len(values)
    drawn = (generator.integers(q, size=(rows, q)) for rows in _chunks(n, q))
    means = np.concatenate([values[queries].mean(axis=1) for queries in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_difference(
    a: ArrayLike, b: ArrayLike, n: int, level: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(a) - mean(b), queries resampled in pairs."""
    return bootstrap_mean(np.subtract(*_paired(a, b)), n, level, generator)


def _finite(name: str, values: ArrayLike) -> PerQuery:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} must be a non-empty array (Q,), got {array.shape}")
    if (bad := np.flatnonzero(~np.isfinite(array))).size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}; scores must be finite")
    return array


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[PerQuery, PerQuery]:
    first, second = _finite("a", a), _finite("b", b)
    if len(first) != len(second):
        raise ValueError(f"a and b must be paired by query, got {len(first)} and {len(second)}")
    return first, second


def _chunks(n: int, width: int) -> Iterator[int]:
    """Row counts that sum to ``n``, each so small that rows × width cells fit in memory."""
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, positive("n", n), step):
        yield min(step, n - start)
