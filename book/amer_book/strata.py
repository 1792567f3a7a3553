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
    values, strata = np.asarray(values), np.asarray(strata)
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

    The slope is that of least squares with an intercept for each stratum. Its interval is a
    percentile bootstrap over the queries of each stratum. The test is Mantel's (JASA 1963): if
    scores were shuffled within each stratum, how often would so steep a slope, up or down, come
    about? (By the normal approximation.)

    Args:
        scores, levels, strata: (Q,), such as MRecall, `quarters` and numbers of golds.
        n: number of resamples.
        level: of the interval, such as 0.95.
        generator: of the resamples.
    """
    scores, levels = np.asarray(scores, np.float64), np.asarray(levels, np.float64)
    groups = [np.flatnonzero(np.asarray(strata) == one) for one in np.unique(strata)]
    above = below = variance = 0.0
    drawn = np.zeros((2, n))
    for rows in groups:
        x, y = levels[rows] - levels[rows].mean(), scores[rows]
        above += x @ y
        below += x @ x
        variance += (x @ x) * y.var(ddof=1)
        picks = generator.integers(len(rows), size=(n, len(rows)))
        x = levels[rows][picks]
        x = x - x.mean(1, keepdims=True)
        drawn += np.stack([(x * y[picks]).sum(1), (x * x).sum(1)])
    low, high = np.quantile(drawn[0] / drawn[1], [(1 - level) / 2, (1 + level) / 2])
    p = 2 * norm.sf(abs(above) / variance**0.5) if variance else 1.0
    return Trend(above / below, float(low), float(high), float(p))


def independent(found: NDArray[Any]) -> float:
    """The share of queries that would have all golds found if one said nothing of another.

    With (Q, n) bool, whether the j-th gold of a query was found, it is the product over j of the
    share of queries whose j-th gold was found.
    """
    return float(np.asarray(found, np.float64).mean(0).prod())
