from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amer_book.strata import independent, quarters, trend
from scipy import stats


def test_quarters_are_cut_within_each_stratum() -> None:
    values = [3, 1, 4, 2, 30, 10, 40, 20]
    assert quarters(values, [2] * 4 + [3] * 4).tolist() == [2, 0, 3, 1, 2, 0, 3, 1]
    assert quarters([5.0] * 8, [2] * 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # ties in order
    assert np.bincount(quarters(np.arange(10), np.zeros(10))).tolist() == [3, 2, 3, 2]


def test_trend_finds_the_slope_that_all_strata_share() -> None:
    rng = np.random.default_rng(0)
    strata = rng.integers(0, 3, 3000)
    levels = rng.integers(0, 4, 3000)
    scores = rng.random(3000) < 0.9 - 0.3 * strata - 0.05 * levels
    found = trend(scores, levels, strata, 500, 0.95, rng)
    columns = np.column_stack([strata == 0, strata == 1, strata == 2, levels]).astype(float)
    slope = np.linalg.lstsq(columns, scores.astype(float), rcond=None)[0][3]
    assert found.slope == pytest.approx(slope)
    assert found.low < -0.05 < found.high < 0
    assert found.p < 1e-4


def test_trend_of_one_stratum_is_the_correlation_test() -> None:
    rng = np.random.default_rng(1)
    levels = rng.normal(size=200)
    scores = (rng.random(200) < 0.5).astype(float)
    z = np.corrcoef(levels, scores)[0, 1] * np.sqrt(199)
    found = trend(scores, levels, np.zeros(200), 10, 0.95, rng)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_trend_keeps_its_level_when_only_the_strata_differ() -> None:
    rng = np.random.default_rng(2)
    strata = np.repeat([0, 1], 200)
    ps = [
        trend(rng.random(400) < 0.2 + 0.5 * strata, rng.permutation(400), strata, 1, 0.95, rng).p
        for _ in range(1000)
    ]
    assert 0.03 < np.mean(np.array(ps) < 0.05) < 0.07


def test_trend_without_variation_is_no_evidence() -> None:
    found = trend(np.zeros(8), range(8), np.zeros(8), 10, 0.95, np.random.default_rng(0))
    assert found == (0, 0, 0, 1)


def test_a_stratum_of_one_query_says_nothing() -> None:
    rng = np.random.default_rng(3)
    scores, levels, strata = rng.random(60), rng.integers(0, 4, 60), np.repeat([0, 1], 30)
    without = trend(scores, levels, strata, 200, 0.95, np.random.default_rng(0))
    scores, levels, strata = (np.append(array, 5) for array in (scores, levels, strata))
    assert trend(scores, levels, strata, 200, 0.95, np.random.default_rng(0)) == without


def test_resamples_without_a_slope_are_left_out() -> None:
    found = trend([0, 1], [0, 2], [0, 0], 50, 0.95, np.random.default_rng(0))
    assert found[:3] == (0.5, 0.5, 0.5) and found.p == pytest.approx(2 * stats.norm.sf(1))


@pytest.mark.parametrize(
    ("scores", "levels", "strata", "n", "level", "message"),
    [
        ([0, 1], [1, 1], [0, 0], 5, 0.9, "levels vary in no stratum"),
        ([0, 1], [1, 2], [0, 1], 5, 0.9, "levels vary in no stratum"),
        ([0, 1, 1], [1, 2], [0, 0], 5, 0.9, "arrays .* alike"),
        ([], [], [], 5, 0.9, "arrays .* alike"),
        ([0, np.nan], [1, 2], [0, 0], 5, 0.9, "NaN"),
        ([0, 1], [1, np.inf], [0, 0], 5, 0.9, "NaN or inf"),
        ([0, 1], [1, 2], [0, np.nan], 5, 0.9, "NaN"),
        ([0, 1], [1, 2], [0, 0], 0, 0.9, "n=0"),
        ([0, 1], [1, 2], [0, 0], 5, 95, "level=95"),
    ],
)
def test_bad_trends_are_refused(
    scores: Any, levels: Any, strata: Any, n: int, level: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trend(scores, levels, strata, n, level, np.random.default_rng(0))


def test_independent_multiplies_the_shares_of_each_place() -> None:
    together = np.array([[1, 1], [1, 1], [0, 0], [0, 0]], bool)
    apart = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    assert independent(together) == independent(apart) == 0.25
    for bad in (np.zeros((0, 2)), np.zeros(3), np.full((2, 2), np.nan), [[2, 0]]):
        with pytest.raises(ValueError, match="true or false"):
            independent(np.asarray(bad))
