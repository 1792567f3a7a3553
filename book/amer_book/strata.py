"""Comparing queries only with queries of the same kind, such as those with as many golds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata


class Trend(NamedTuple):
    """How a score changes with a level, see `trend`."""

    slope: float
    low: float
    high: float
    p: float


def quarters(values: ArrayLike, strata: ArrayLike) -> NDArray[np.int64]:
    """Which quarter of its stratum each of Q values lies in, (Q,), 0 (lowest) to 3.

    Quarters are equally large up to one query; of equal values the first is the lower.
    """
    strata, values = _checked(strata, values)
    found = np.zeros(len(values), np.int64)
    for stratum in np.unique(strata):
        own = strata == stratum
        place = rankdata(values[own], method="ordinal") - 1
        found[own] = 4 * place // own.sum()
    return found


def trend(
    scores: ArrayLike,
    levels: ArrayLike,
    strata: ArrayLike,
    n: int,
    level: float,
    generator: np.random.Generator,
) -> Trend:
    """The common slope of the scores on the levels within strata, and its test.

    The slope is that of least squares with an intercept for each stratum; one of a single query
    says nothing. Its interval is a percentile bootstrap over the queries of each stratum, without
    the resamples in which no stratum has two levels. The test is Mantel's (JASA 1963): if scores
    were shuffled within each stratum, how often would so steep a slope, up or down, come about? (By
    the normal approximation.)

    Args:
        scores, levels, strata: (Q,), such as MRecall, `quarters` and numbers of golds.
        n: number of resamples.
        level: of the interval, such as 0.95.
        generator: of the resamples.

    Raises:
        ValueError: arrays of other shapes, values that are not finite, levels that vary in no
            stratum, n < 1 or a level that is no share.
    """
    strata, scores, levels = _checked(strata, scores, levels)
    if n < 1 or not 0 < level < 1:
        raise ValueError(f"trend: n={n} must be at least 1, level={level} between 0 and 1")
    groups = [np.flatnonzero(strata == one) for one in np.unique(strata)]
    above = below = variance = 0.0
    drawn = np.zeros((2, n))
    for rows in groups:
        x, y = levels[rows] - levels[rows].mean(), scores[rows]
        above += x @ y
        below += x @ x
        variance += (x @ x) * y.var(ddof=1) if len(y) > 1 else 0
        picks = generator.integers(len(rows), size=(n, len(rows)))
        x = levels[rows][picks]
        x = x - x.mean(1, keepdims=True)
        drawn += np.stack([(x * y[picks]).sum(1), (x * x).sum(1)])
    varied = drawn[1] > 1e-12 * below
    if not below or not varied.any():
        raise ValueError("trend: the levels vary in no stratum, or in no resample; draw more")
    low, high = np.quantile(drawn[0, varied] / drawn[1, varied], [(1 - level) / 2, (1 + level) / 2])
    p = 2 * norm.sf(abs(above) / variance**0.5) if variance else 1.0
    return Trend(above / below, float(low), float(high), float(p))


def independent(found: NDArray[Any]) -> float:
    """The share of queries that would have all golds found if one said nothing of another.

    With (Q, n) bool, whether the j-th gold of a query was found, it is the product over j of the
    share of queries whose j-th gold was found.
    """
    shares = np.asarray(found, np.float64)
    if shares.ndim != 2 or not shares.size or not ((shares == 0) | (shares == 1)).all():
        raise ValueError(f"independent: expected true or false (Q, n), got {shares.shape}")
    return float(shares.mean(0).prod())


def _checked(strata: ArrayLike, *values: ArrayLike) -> list[NDArray[Any]]:
    arrays = [np.asarray(strata), *(np.asarray(value, np.float64) for value in values)]
    if arrays[0].ndim != 1 or not arrays[0].size or len({array.shape for array in arrays}) > 1:
        raise ValueError(f"expected arrays (Q,) alike, got {[array.shape for array in arrays]}")
    if not all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f"):
        raise ValueError("NaN or infinity among the values, levels or strata")
    return arrays
