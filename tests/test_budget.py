"""Chapter 14's rivals against naive forms of themselves."""

import numpy as np
import pytest
from amer_book import budget, records
from amer_book.budget import Point
from amer_book.rewriting import listed
from amer_book.runs import budget as run
from amer_book.systems import TAUS
from amer_book.text_systems import CONSTANTS


def unit(random: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = random.standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def naive_mmr(relevance: np.ndarray, similar: np.ndarray, k: int, lam: float) -> list[int]:
    taken: list[int] = []
    while len(taken) < min(k, len(relevance)):
        rest = [i for i in range(len(relevance)) if i not in taken]

        def gain(i: int) -> float:
            near = max((similar[i, j] for j in taken), default=0)
            return lam * relevance[i] - (1 - lam) * near if taken else relevance[i]

        taken.append(max(rest, key=gain))
    return taken


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.7, 1.0])
def test_mmr_is_the_naive_loop(lam: float) -> None:
    random = np.random.default_rng(0)
    documents, query = unit(random, 12, 4), unit(random, 4)
    relevance, similar = documents @ query, documents @ documents.T
    found = budget.mmr(relevance, similar, 9, lam)
    assert found.tolist() == naive_mmr(relevance, similar, 9, lam)
    if lam == 1:
        assert found.tolist() == np.argsort(-relevance)[:9].tolist()
    assert sorted(budget.mmr(relevance, similar, 99, lam)) == list(range(12))


@pytest.mark.parametrize("lam", [-0.1, 1.01, float("nan")])
def test_mmr_refuses_a_lambda_outside(lam: float) -> None:
    with pytest.raises(ValueError, match=r"lambda .* must lie in \[0, 1\]"):
        budget.mmr(np.ones(2, np.float32), np.eye(2, dtype=np.float32), 1, lam)


def test_feedback_by_hand() -> None:
    query = np.array([[1.0, 0.0]], np.float32)
    found = np.array([[[0.0, 1.0], [0.6, 0.8]]], np.float32)
    moved = budget.rocchio(query, found, 2.0)  # (1, 0) + 2 · (0.3, 0.9) = (1.6, 1.8)
    assert moved == pytest.approx(np.array([[1.6, 1.8]]) / np.hypot(1.6, 1.8))
    assert budget.rocchio(query, found, 0.0) == pytest.approx(query)
    with pytest.raises(ValueError, match="must not be negative"):
        budget.rocchio(query, found, -1.0)


def test_the_frontier_is_what_nothing_beats() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        points = [Point(*map(float, random.integers(5, size=2))) for _ in range(8)]
        systems = {str(i): point for i, point in enumerate(points)}
        unbeaten = {
            name
            for name, (cost, quality) in systems.items()
            if not any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)
        }
        found = budget.pareto(systems)
        assert set(found) == unbeaten
        assert [systems[name].cost for name in found] == sorted(systems[n].cost for n in found)


def test_a_budget_buys_the_best_within_or_says_why_not() -> None:
    systems = {"one": Point(1, 30), "two": Point(2, 40), "six": Point(6, 40)}
    assert budget.affordable(systems, 6) == "two"
    assert budget.affordable(systems, 1.5) == "one"
    with pytest.raises(ValueError, match=r"no system meets a budget of 0.5; .* one, costs 1"):
        budget.affordable(systems, 0.5)


def test_sub_queries_are_lines_without_bullets() -> None:
    assert budget.sub_queries("1. bees\n- honey\n\n* bees\n2) bees\n—") == ["bees", "honey"]
    assert budget.sub_queries("2 kings") == ["2 kings"]
    with pytest.raises(ValueError, match="holds no sub-query; search with the query itself"):
        budget.sub_queries("\n- \n—")


def test_where_the_language_model_writes_nothing_the_query_is_alone() -> None:
    answers = {"bees and honey": "bees; honey", "mead": "", "wax": "wax"}
    lists = listed(lambda queries: [answers[query] for query in queries])
    assert lists(list(answers)) == [["bees", "honey"], [], []]


def test_a_world_that_was_not_walked_stops_the_run() -> None:
    walked = {"experiment": "words", "model": "single", "seed": 0, "metric": "mean recall"}
    walked |= run.fair.START._replace(steps=50)._asdict() | {"value": 1.0}
    assert run.point_of([walked], "words", "single").steps == 50
    with pytest.raises(ValueError, match=r"words: no amer-mixture in fair.jsonl; run python -m"):
        run.point_of([walked], "words", "amer-mixture")
    fixed = {"experiment": "words", "model": "amer-fixed", "seed": 1}
    assert run.point_of([walked, fixed], "words", "amer-mixture") == run.fair.START


def test_no_recorded_choice_lies_at_an_end_of_its_grid() -> None:
    """But at bounds: a constant of 0, or a temperature at which the best vector decides alone."""
    found = [row for row in records.read("budget") if row.get("metric") == "cost"]
    assert {row["experiment"] for row in found} == set(run.NAMES)
    for row in found:
        name, setting = row["system"], row["setting"]
        if name == "BM25 + one vector":
            assert int(setting) < CONSTANTS[-1], row
        elif name.startswith("six vectors") and "neighbours" not in name:
            assert float(setting) < TAUS[-1], row
