"""What a trained retriever is compared with, and the walk by which all choose their settings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from amer_book import beliefs, records
from amer_book.climb import at_an_end, beside, climb
from amer_book.runs import fair, recipe, synthetic
from amer_book.runs.settings import WORLDS

from amer_lite import FaissIndex, Prefix, TrainData
from amer_lite.datasets.types import Example
from amer_lite.evaluation import rivals
from amer_lite.search.merge import mixture


class Point(NamedTuple):
    a: int
    b: float
    c: bool


LADDERS = {"a": (1, 2, 4, 8, 16), "b": (0.1, 0.2, 0.5, 1.0), "c": (True, False)}


def test_climb_ends_where_no_neighbour_is_better_and_measures_nothing_twice() -> None:
    measured: list[Point] = []

    def score(point: Point) -> float:
        measured.append(point)
        return -abs(point.a - 8) - 10 * abs(point.b - 0.5) - point.c

    top = climb(Point(2, 0.2, True), LADDERS, score)
    assert top == Point(8, 0.5, False)
    assert len(measured) == len(set(measured)) < 5 * 4 * 2
    assert {*beside(top, LADDERS)} <= {*measured}
    assert at_an_end(top, LADDERS) == []
    assert at_an_end(Point(16, 0.1, True), LADDERS) == ["a", "b"]  # c has but two rungs
    flat = climb(Point(2, 0.2, True), LADDERS, lambda point: 0.0)
    assert flat == Point(2, 0.2, True)  # of equals the first
    with pytest.raises(ValueError, match="3"):
        climb(Point(3, 0.2, True), LADDERS, score)


def test_a_split_keeps_the_words_that_tell_and_cuts_at_connectives() -> None:
    queries = ["find a flight"] * 5 + ["find a hotel"] * 5 + [f"w{i}" for i in range(90)]
    common = rivals.common_words(queries)
    assert common == {"find", "a", "flight", "hotel"}
    assert rivals.telling_words("Find a cheap flight, a CHEAP one", common) == ["cheap", "one"]
    assert rivals.telling_words("find a flight", common) == ["find a flight"]
    assert rivals.clauses("Book a flight to Oslo, and then rent a car; play jazz") == [
        "Book a flight to Oslo", "rent a car", "play jazz"
    ]  # fmt: skip
    assert rivals.clauses("one need") == ["one need"]


def test_neighbours_vote_by_nearness_and_share_out_their_golds() -> None:
    known = np.eye(3, dtype=np.float32)
    query = np.array([[0.8, 0.6, 0.0]], np.float32)
    golds = [[0, 1], [1], [2]]
    belief = rivals.vote(query, known, golds, 4, rivals.Neighbours(2, 0.1))
    near = 1 / (1 + np.exp(-2))
    np.testing.assert_allclose(belief, [[near / 2, near / 2 + 1 - near, 0, 0]], rtol=1e-5)
    assert rivals.popularity(golds, 4).tolist() == [[0.25, 0.5, 0.25, 0]]


def test_beliefs_mix_and_rank() -> None:
    rows, scores = np.array([[[2, 0, -1]]]), np.array([[[0.9, 0.8, -np.inf]]], np.float32)
    belief = beliefs.as_belief(mixture(scores, rows, 3, tau=0.1), 4)
    assert belief.shape == (1, 4) and belief.sum() == pytest.approx(1)
    assert belief[0, [1, 3]].tolist() == [0, 0] and belief[0, 2] > belief[0, 0] > 0
    index = FaissIndex(2)
    index.add(np.ones((4, 2), np.float32), list("abcd"))
    run = rivals.best(belief, index, [Example("q", "q", ["a"])], 3)
    assert list(run.rankings["q"]) == ["c", "a"]
    other = np.array([[0, 0.5, 0, 0.5]], np.float32)
    mixed = rivals.best(beliefs.mix(belief, other, 0.9), index, [Example("q", "q", ["a"])], 9)
    assert list(mixed.rankings["q"]) == ["b", "d", "c", "a"]


def test_the_best_rows_are_sorted_and_end_where_nothing_speaks() -> None:
    scores = np.array([[0, 2, 5, 2], [0, 0, 0, 1]], np.float32)
    assert rivals.top(scores, 3).tolist() == [[2, 1, 3], [3, -1, -1]]


def point_of(record: records.Record) -> fair.Point:
    return fair.Point(*(record[field] for field in fair.Point._fields))


def test_no_recorded_choice_lies_at_an_end_of_its_ladder() -> None:
    """Of every model that has looked at test, all points beside its choice were measured."""
    found = [record for record in records.read("fair") if "steps" in record]
    looked = {
        (record["experiment"], record["model"])
        for record in found
        if record["seed"]
        and "-draw-" not in record["experiment"]
        and record["model"] not in fair.FIXED
    }
    if not looked:
        pytest.skip("no model has looked at test yet")
    for world, model in looked:
        point = fair.chosen(found, world, model)
        _, ladders = fair.walk_of(WORLDS[world])
        assert at_an_end(point, ladders) == [], (world, model, point)
        own = records.select(found, experiment=world, model=model)
        tried = {point_of(record) for record in own if not record["seed"]}
        assert {*beside(point, ladders)} <= tried, (world, model)
        looks = {point_of(record) for record in own if record["seed"]}
        assert looks == {point}, (world, model)  # no look of a walk that went on afterwards


def test_the_single_vector_of_the_synthetic_worlds_chose_inside_its_ladders() -> None:
    found = records.read("synthetic")
    walk = records.select(found, experiment="tuning")
    tried = {synthetic.Point(r["masked"], r["learning_rate"]): r["value"] for r in walk}
    best = max(tried, key=lambda point: tried[point])
    assert at_an_end(best, synthetic.LADDERS) == []
    assert {*beside(best, synthetic.LADDERS)} <= {*tried}
    for record in records.select(found, experiment="published", model="single"):
        assert (record["masked"], record["learning_rate"]) == best


def test_every_change_of_the_recipe_has_the_seeds_and_the_point_of_its_rivals() -> None:
    found, tried = records.read("fair"), records.read("recipe")
    for world in recipe.WORLDS_TRIED:
        for name, change in recipe.CHANGES.items():
            point = recipe.start(found, world, change)._asdict()
            rows = records.select(tried, experiment=world, model=name, **point)
            assert {row["seed"] for row in rows} == {*fair.SEEDS}, (world, name)


def test_augmentation_asks_every_query_twice_and_never_for_nothing() -> None:
    mask = torch.tensor([[True] * 9, [True] + [False] * 8])
    data = TrainData(Prefix(torch.ones(2, 9, 4), mask), [[0], [1]], torch.eye(2))
    twice = recipe.augmented(data, 1)
    assert twice.golds == [[0], [1], [0], [1]]
    assert torch.equal(twice.prefix.mask[:2], mask)
    assert 1 <= twice.prefix.mask[2].sum() < 9
    assert twice.prefix.mask[3].sum() == 1
    assert not (twice.prefix.mask[2:] & ~mask).any()
