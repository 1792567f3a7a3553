"""Measures against trec_eval and by hand; statistical tests against their own guarantees."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test

from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import trec
from amer_lite.evaluation.metrics import (
    PerQuery,
    bootstrap_difference,
    bootstrap_mean,
    mcnemar_exact,
    mrecall,
    ndcg,
    precision,
    recall,
    sign_flip,
)

Measure = Callable[[Run, Sequence[Example], int], PerQuery]
MEASURES: list[Measure] = [mrecall, recall, precision, ndcg]


def _random_case(rng: np.random.Generator, queries: int) -> tuple[Run, list[Example]]:
    """Queries with 1 to 8 golds among 30 documents, 1 to 25 of them ranked, many of them gold."""
    documents = [f"d{i}" for i in range(30)]
    rankings, examples = {}, []
    for q in range(queries):
        golds = rng.choice(documents, rng.integers(1, 9), replace=False).tolist()
        pool = golds * 2 + documents  # golds are drawn often enough for full recall to happen
        drawn = dict.fromkeys(rng.choice(pool, rng.integers(1, 26)).tolist())
        rankings[f"q{q}"] = list(drawn)
        examples.append(Example(f"q{q}", "text", golds))
    return Run(rankings), examples


def _trec_eval(
    run: Run, examples: Sequence[Example], name: str, k: int, folder: Path
) -> list[float]:
    """ir_measures (trec_eval inside) on the exported files."""
    trec.write_run(folder / "run", run, "tag")
    trec.write_qrels(folder / "qrels", examples)
    values = ir_measures.iter_calc(
        [ir_measures.parse_measure(f"{name}@{k}")],
        ir_measures.read_trec_qrels(str(folder / "qrels")),
        ir_measures.read_trec_run(str(folder / "run")),
    )
    by_query = {value.query_id: value.value for value in values}
    return [by_query[example.id] for example in examples]


@pytest.mark.parametrize("k", [1, 2, 3, 5, 10, 40])
def test_single_document_answers_agree_with_trec_eval(k: int, tmp_path: Path) -> None:
    run, examples = _random_case(np.random.default_rng(k), 400)
    oracle = {
        name: np.array(_trec_eval(run, examples, name, k, tmp_path)) for name in ("R", "P", "nDCG")
    }
    np.testing.assert_allclose(recall(run, examples, k), oracle["R"], atol=1e-12)
    np.testing.assert_allclose(precision(run, examples, k), oracle["P"], atol=1e-12)
    np.testing.assert_allclose(ndcg(run, examples, k), oracle["nDCG"], atol=1e-12)
    complete = (oracle["R"] == 1) | (oracle["P"] == 1)
    np.testing.assert_array_equal(mrecall(run, examples, k), complete)
    assert k < 3 or 0 < complete.sum() < 400  # both outcomes were seen


def test_clusters_by_hand() -> None:
    examples = [Example("q", "text", [("a", "A"), "b", ("c", "C")])]
    run = Run({"q": ["A", "a", "x", "b", "C", "c"]})  # new answers at ranks 1, 4 and 5
    expected = {  # k: mrecall, recall, precision
        1: (1, 1 / 3, 1),
        2: (0, 1 / 3, 1 / 2),
        4: (0, 2 / 3, 2 / 4),
        5: (1, 1, 3 / 5),
        10: (1, 1, 3 / 10),
    }
    for k, (all_found, share, new) in expected.items():
        assert mrecall(run, examples, k) == [all_found]
        assert recall(run, examples, k) == pytest.approx([share])
        assert precision(run, examples, k) == pytest.approx([new])
    gained = 1 + 1 / math.log2(5) + 1 / math.log2(6)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(run, examples, 5) == pytest.approx([gained / ideal])


def test_one_document_may_prove_two_answers() -> None:
    examples = [Example("q", "text", [("a", "ab"), ("b", "ab")])]
    run = Run({"q": ["ab", "a"]})
    assert recall(run, examples, 1) == [1]
    assert precision(run, examples, 2) == [0.5]


def test_more_answers_than_k_need_k_of_them() -> None:
    examples = [Example("q", "text", list("abcd"))]
    assert mrecall(Run({"q": ["d", "b", "x"]}), examples, 2) == [1]
    assert mrecall(Run({"q": ["d", "b", "x"]}), examples, 3) == [0]


@settings(deadline=None)
@given(st.data())
def test_clusters_against_the_definition(data: st.DataObject) -> None:
    documents = st.sampled_from("abcdefgh")
    golds = data.draw(st.lists(st.lists(documents, min_size=1, max_size=3), min_size=1, max_size=5))
    ranking = data.draw(st.lists(documents, max_size=8, unique=True))
    k = data.draw(st.integers(1, 10))
    example = Example("q", "text", golds)
    run = Run({"q": ranking})
    top = set(ranking[:k])
    found = sum(bool(top.intersection(answer)) for answer in example.golds)
    assert recall(run, [example], k) == [found / len(example.golds)]
    all_found = found == len(example.golds) or (len(example.golds) > k and found >= k)
    assert mrecall(run, [example], k) == [all_found]
    for measure in MEASURES:
        assert 0 <= measure(run, [example], k)[0] <= 1 + 1e-12


def test_scores_follow_the_order_of_the_examples() -> None:
    run, examples = _random_case(np.random.default_rng(0), 20)
    for measure in MEASURES:
        scores = measure(run, examples, 5)
        assert scores.dtype == np.float64
        np.testing.assert_array_equal(measure(run, examples[::-1], 5), scores[::-1])


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_refuse_bad_input(measure: Measure) -> None:
    examples = [Example("q1", "text", ["a"])]
    run = Run({"q1": ["a"]})
    bad: list[tuple[Any, str]] = [
        ((run, examples, 0), "k must be at least 1"),
        ((run, [], 5), "no examples"),
        ((Run({"q2": ["a"]}), examples, 5), "no ranking for query 'q1'"),
    ]
    for arguments, message in bad:
        with pytest.raises(ValueError, match=message):
            measure(*arguments)
    assert measure(Run({"q1": []}), examples, 5) == [0]  # an empty answer is a bad one, no error


# --- tests and intervals --------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 2), (0, 3), (4, 4), (0, 0)])
def test_mcnemar_closed_form(wins: int, losses: int) -> None:
    a = [1] * wins + [0] * losses + [1, 0, 1]
    b = [0] * wins + [1] * losses + [1, 0, 1]
    n = wins + losses
    tail = sum(math.comb(n, i) for i in range(min(wins, losses) + 1)) / 2**n
    assert mcnemar_exact(a, b) == pytest.approx(min(1, 2 * tail))
    assert mcnemar_exact(a, b) == mcnemar_exact(b, a)


def test_sign_flip_converges_to_the_full_enumeration() -> None:
    a, b = np.array([0.9, 0.4, 0.8, 0.5, 0.7, 0.6]), np.array([0.1, 0.5, 0.2, 0.4, 0.3, 0.3])
    sums = [np.dot(signs, a - b) for signs in itertools.product([-1, 1], repeat=6)]
    exact = np.mean([abs(s) >= abs((a - b).sum()) - 1e-9 for s in sums])
    p = sign_flip(a, b, 40_000, np.random.default_rng(0))
    assert abs(p - exact) < 5 * math.sqrt(exact / 40_000)


def test_sign_flip_on_binary_scores_is_mcnemar() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, (2, 60))
    p = sign_flip(a, b, 40_000, rng)
    assert p == pytest.approx(mcnemar_exact(a, b), abs=0.015)


def test_sign_flip_counts_the_observed_one_and_ties() -> None:
    rng = np.random.default_rng(0)
    assert sign_flip(np.ones(60), np.zeros(60), 999, rng) == 1 / 1000  # never 0
    assert sign_flip([0.3, 0.4], [0.3, 0.4], 99, rng) == 1
    assert sign_flip([0.1 + 0.2], [0.0], 99, rng) == 1  # both signs tie with the observed sum


def _rejections_are_nominal(rejected: int, trials: int) -> bool:
    return rejected <= binom.ppf(0.9999, trials, 0.05)


def test_sign_flip_ties_survive_rounding() -> None:
    """Tenths tie as often as the whole numbers that they stand for."""
    rng = np.random.default_rng(9)
    for seed in range(20):
        whole = rng.integers(-9, 10, 20)
        zeros = np.zeros(20)
        exact = sign_flip(whole, zeros, 999, np.random.default_rng(seed))
        assert sign_flip(whole / 10, zeros, 999, np.random.default_rng(seed)) == exact


def test_the_tests_keep_their_level_under_the_null() -> None:
    rng = np.random.default_rng(2)
    trials = 1000
    graded = binary = 0
    for _ in range(trials):
        a, b = rng.choice([0, 0.5, 1], (2, 40))
        graded += sign_flip(a, b, 199, rng) <= 0.05
        a, b = rng.integers(0, 2, (2, 200))
        binary += mcnemar_exact(a, b) <= 0.05
    assert _rejections_are_nominal(graded, trials)
    assert graded >= binom.ppf(0.0001, trials, 0.05)  # and are not idle: nearly continuous scores
    assert _rejections_are_nominal(binary, trials)
    assert binary > 0.01 * trials  # discrete, so conservative, but not idle


def test_the_tests_find_a_real_difference() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(100):
        a = (rng.random(300) < 0.6).astype(float)
        b = (rng.random(300) < 0.4).astype(float)
        found += mcnemar_exact(a, b) < 0.05 and sign_flip(a, b, 199, rng) < 0.05
    assert found > 95


def test_sign_flip_agrees_with_scipy() -> None:
    rng = np.random.default_rng(4)
    for shift in (0.0, 0.1, 0.3):
        a, b = rng.normal(shift, 1, 80), rng.normal(0, 1, 80)
        oracle = permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=9999,
            rng=rng,
        )
        assert sign_flip(a, b, 9999, rng) == pytest.approx(float(oracle.pvalue), abs=0.025)


def test_bootstrap_intervals_cover_at_their_level() -> None:
    rng = np.random.default_rng(5)
    trials, covered, paired = 400, 0, 0
    for _ in range(trials):
        a = rng.normal(0.3, 1, 80)
        b = a - rng.normal(0.1, 0.5, 80)
        low, high = bootstrap_mean(a, 400, 0.9, rng)
        covered += low <= 0.3 <= high
        low, high = bootstrap_difference(a, b, 400, 0.9, rng)
        paired += low <= 0.1 <= high
    for hits in (covered, paired):  # the percentile interval is a little short at n = 80
        assert binom.ppf(0.0001, trials, 0.88) <= hits <= binom.ppf(0.9999, trials, 0.9)


def test_bootstrap_width_is_that_of_the_normal_interval() -> None:
    rng = np.random.default_rng(6)
    a = rng.normal(0, 1, 2000)
    low, high = bootstrap_mean(a, 4000, 0.95, rng)
    half = 1.96 * a.std() / math.sqrt(2000)
    assert (low, high) == pytest.approx((a.mean() - half, a.mean() + half), abs=0.1 * half)


def test_bootstrap_uses_the_pairing() -> None:
    rng = np.random.default_rng(7)
    a = rng.normal(0, 10, 50)
    assert bootstrap_difference(a, a - 1, 100, 0.95, rng) == pytest.approx((1, 1))
    assert bootstrap_mean([0.25], 10, 0.5, rng) == (0.25, 0.25)


def test_the_generator_alone_decides() -> None:
    a, b = np.random.default_rng(8).random((2, 30))
    for call in (sign_flip, lambda a, b, n, g: bootstrap_difference(a, b, n, 0.9, g)):
        first, again, other = (call(a, b, 500, np.random.default_rng(s)) for s in (1, 1, 2))
        assert first == again != other


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([0, 1], [0], "paired by query, got 2 and 1"),
        ([], [], "non-empty"),
        ([[0, 1]], [[0, 1]], "non-empty"),
        ([0, 1], [0, math.nan], r"b\[1\] is nan"),
    ],
)
def test_bad_pairs_are_refused(a: Any, b: Any, message: str) -> None:
    rng = np.random.default_rng(0)
    calls: list[Callable[..., object]] = [
        mcnemar_exact,
        lambda a, b: sign_flip(a, b, 9, rng),
        lambda a, b: bootstrap_difference(a, b, 9, 0.9, rng),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call(a, b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: mcnemar_exact([0.5, 1], [0, 1]), "0 and 1 only"),
        (lambda rng: sign_flip([1], [0], 0, rng), "n must be at least 1"),
        (lambda rng: bootstrap_mean([1], 0, 0.9, rng), "n must be at least 1"),
        (lambda rng: bootstrap_mean([1], 9, 0, rng), "level"),
        (lambda rng: bootstrap_mean([1], 9, math.nan, rng), "level"),
    ],
)
def test_bad_settings_are_refused(call: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))
