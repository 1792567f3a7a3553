"""Measures against trec_eval and by hand; statistical tests against their own guarantees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test

from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import metrics, trec

Measure = Callable[[Run, Sequence[Example], int], metrics.PerQuery]
MEASURES: list[Measure] = [metrics.mrecall, metrics.recall, metrics.precision, metrics.ndcg]


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


@pytest.mark.parametrize("k", [1, 2, 3, 5, 10, 40])
def test_single_document_answers_agree_with_trec_eval(k: int, tmp_path: Path) -> None:
    run, examples = _random_case(np.random.default_rng(k), 400)
    trec.write_run(tmp_path / "run", run, "tag")
    trec.write_qrels(tmp_path / "qrels", examples)
    oracle = {}
    for name, measure in (("R", metrics.recall), ("P", metrics.precision), ("nDCG", metrics.ndcg)):
        values = ir_measures.iter_calc(
            [ir_measures.parse_measure(f"{name}@{k}")],
            ir_measures.read_trec_qrels(str(tmp_path / "qrels")),
            ir_measures.read_trec_run(str(tmp_path / "run")),
        )
        by_query = {value.query_id: value.value for value in values}
        oracle[name] = np.array([by_query[example.id] for example in examples])
        np.testing.assert_allclose(measure(run, examples, k), oracle[name], atol=1e-12)
    complete = (oracle["R"] == 1) | (oracle["P"] == 1)
    np.testing.assert_array_equal(metrics.mrecall(run, examples, k), complete)
    assert k < 3 or 0 < complete.sum() < 400  # both outcomes were seen


def test_clusters_by_hand() -> None:
    examples = [Example("q", "text", [("a", "A"), "b", ("c", "C")])]
    run = Run({"q": ["A", "a", "x", "b", "C", "c"]})  # new answers at ranks 1, 4 and 5
    gained, ideal = 1 + 1 / math.log2(5) + 1 / math.log2(6), 1 + 1 / math.log2(3) + 1 / 2
    found = [measure(run, examples, 5)[0] for measure in MEASURES]
    assert found == pytest.approx([1, 1, 3 / 5, gained / ideal])


@given(st.data())
def test_clusters_against_the_definition(data: st.DataObject) -> None:
    documents = st.sampled_from("abcdefgh")
    golds = data.draw(st.lists(st.lists(documents, min_size=1, max_size=3), min_size=1, max_size=5))
    ranking = data.draw(st.lists(documents, max_size=8, unique=True))
    k = data.draw(st.integers(1, 10))
    example = Example("q", "text", golds)
    answers = len(example.golds)
    found = [  # answers in the top 0, 1, …, k; one document may prove several
        sum(not {*ranking[:rank]}.isdisjoint(answer) for answer in example.golds)
        for rank in range(k + 1)
    ]
    gains = np.diff(found) > 0
    discounts = 1 / np.log2(np.arange(2, k + 2))
    expected = [
        found[-1] >= min(k, answers),
        found[-1] / answers,
        gains.sum() / k,
        gains @ discounts / discounts[: min(k, answers)].sum(),
    ]
    scores = [measure(Run({"q": ranking}), [example], k)[0] for measure in MEASURES]
    np.testing.assert_allclose(scores, expected, atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_refuse_bad_input(measure: Measure) -> None:
    examples = [Example("q1", "text", ["a"])]
    run = Run({"q1": ["a"]})
    for k in (0, 1.5, "5"):
        with pytest.raises(ValueError, match=f"k={k!r} must be a whole number"):
            measure(run, examples, k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no examples"):
        measure(run, [], 5)
    with pytest.raises(
        ValueError, match=r"no ranking for 1 of 1 queries: \['q1'\]; is it a run ov"
    ):
        measure(Run({"q2": ["a"]}), examples, 5)
    with pytest.warns(match=r"no ranking for 1 of 2 queries: \['q2'\]; they count as zero"):
        assert measure(run, [*examples, Example("q2", "text", ["a"])], 1).tolist() == [1, 0]
    assert measure(Run({"q1": []}), examples, 5) == [0]  # an empty answer is a bad one, no error


# --- tests and intervals --------------------------------------------------------------------------


def flip(a: Any, b: Any, n: int = 500, seed: int = 0) -> object:
    return metrics.sign_flip(a, b, n, np.random.default_rng(seed))


def difference(a: Any, b: Any, n: int = 500, level: float = 0.9, seed: int = 0) -> object:
    return metrics.bootstrap_difference(a, b, n, level, np.random.default_rng(seed))


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 2), (0, 3), (4, 4), (0, 0)])
def test_mcnemar_closed_form(wins: int, losses: int) -> None:
    a = [1] * wins + [0] * losses + [1, 0, 1]
    b = [0] * wins + [1] * losses + [1, 0, 1]
    n = wins + losses
    tail = sum(math.comb(n, i) for i in range(min(wins, losses) + 1)) / 2**n
    assert metrics.mcnemar_exact(a, b) == pytest.approx(min(1, 2 * tail))
    assert metrics.mcnemar_exact(a, b) == metrics.mcnemar_exact(b, a)


def test_the_tests_agree_with_full_enumeration() -> None:
    rng = np.random.default_rng(1)
    graded = [(rng.normal(shift, 1, 10), rng.normal(0, 1, 10)) for shift in (0, 0.5, 1)]
    binary = rng.integers(0, 2, (2, 12)).astype(float)
    for a, b in [*graded, (binary[0], binary[1])]:
        oracle = permutation_test(  # so many resamples that it takes them all
            (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=2**12
        )
        p = metrics.sign_flip(a, b, 40_000, rng)
        assert abs(p - oracle.pvalue) < 5 * math.sqrt(oracle.pvalue / 40_000)
    assert metrics.mcnemar_exact(*binary) == pytest.approx(oracle.pvalue)


def test_sign_flip_counts_the_observed_one_and_ties() -> None:
    rng = np.random.default_rng(0)
    assert metrics.sign_flip(np.ones(60), np.zeros(60), 999, rng) == 1 / 1000  # never 0
    assert metrics.sign_flip([0.3, 0.4], [0.3, 0.4], 99, rng) == 1
    assert metrics.sign_flip([0.1 + 0.2], [0.0], 99, rng) == 1  # both signs tie
    for seed in range(20):  # tenths tie as often as the whole numbers that they stand for
        whole = rng.integers(-9, 10, 20)
        assert flip(whole / 10, 0 * whole, seed=seed) == flip(whole, 0 * whole, seed=seed)


def test_the_tests_keep_their_level_under_the_null() -> None:
    rng = np.random.default_rng(2)
    graded = binary = 0
    for _ in range(1000):
        a, b = rng.choice([0, 0.5, 1], (2, 40))
        graded += metrics.sign_flip(a, b, 199, rng) <= 0.05
        a, b = rng.integers(0, 2, (2, 200))
        binary += metrics.mcnemar_exact(a, b) <= 0.05
    least, most = (binom.ppf(q, 1000, 0.05) for q in (0.0001, 0.9999))
    assert least <= graded <= most  # nearly continuous scores
    assert 10 < binary <= most  # discrete, so conservative, but not idle


def test_bootstrap_intervals_cover_at_their_level() -> None:
    rng = np.random.default_rng(5)
    covered = paired = 0
    for _ in range(400):
        a = rng.normal(0.3, 1, 80)
        low, high = metrics.bootstrap_mean(a, 400, 0.9, rng)
        covered += low <= 0.3 <= high
        low, high = metrics.bootstrap_difference(a, a - rng.normal(0.1, 0.5, 80), 400, 0.9, rng)
        paired += low <= 0.1 <= high
    for hits in (covered, paired):  # the percentile interval is a little short at n = 80
        assert binom.ppf(0.0001, 400, 0.88) <= hits <= binom.ppf(0.9999, 400, 0.9)


def test_bootstrap_width_is_that_of_the_normal_interval() -> None:
    rng = np.random.default_rng(6)
    a = rng.normal(0, 1, 2000)
    low, high = metrics.bootstrap_mean(a, 4000, 0.95, rng)
    half = 1.96 * a.std() / math.sqrt(2000)
    assert (low, high) == pytest.approx((a.mean() - half, a.mean() + half), abs=0.1 * half)


def test_bootstrap_uses_the_pairing() -> None:
    rng = np.random.default_rng(7)
    a = rng.normal(0, 10, 50)
    assert metrics.bootstrap_difference(a, a - 1, 100, 0.95, rng) == pytest.approx((1, 1))
    assert metrics.bootstrap_mean([0.25], 10, 0.5, rng) == (0.25, 0.25)


@pytest.mark.parametrize("test", [flip, difference])
def test_the_generator_alone_decides(test: Callable[..., object]) -> None:
    a, b = np.random.default_rng(8).random((2, 30))
    assert test(a, b, seed=1) == test(a, b, seed=1) != test(a, b, seed=2)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([0, 1], [0], "paired by query, got 2 and 1"),
        ([], [], "non-empty"),
        ([0, 1], [0, math.nan], r"b\[1\] is nan"),
    ],
)
@pytest.mark.parametrize("test", [metrics.mcnemar_exact, flip, difference])
def test_bad_pairs_are_refused(test: Callable[..., object], a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        test(a, b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mcnemar_exact([0.5, 1], [0, 1]), "0 and 1 only"),
        (lambda: flip([1], [0], 0), "n=0 must be a whole number"),
        (lambda: difference([1], [0], 0), "n=0 must be a whole number"),
        (lambda: difference([1], [0], level=0), "level"),
        (lambda: difference([1], [0], level=math.nan), "level"),
    ],
)
def test_bad_settings_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
