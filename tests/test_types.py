"""The value types: what they drop, what they refuse, and what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.datasets.types import Dataset, Example, Run

IDS = st.sampled_from("abcdef")


def test_golds_are_answers_of_one_or_more_documents_each_once() -> None:
    assert Example("q", "text", ["a", ("b", "c")]).golds == (("a",), ("b", "c"))
    assert Example("q", "text", ["a", "b", "a", ("b",)]).golds == (("a",), ("b",))
    assert Example("q", "text", [("a", "b"), ("b", "a")]).golds == (("a", "b"),)


@given(st.lists(st.lists(IDS, min_size=1), min_size=1))
def test_repeats_are_dropped_and_first_seen_order_kept(golds: list[list[str]]) -> None:
    example = Example("q", "text", golds)
    flat = [doc for answer in golds for doc in answer]
    assert len(set(example.golds)) == len(example.golds)
    assert all(len(set(answer)) == len(answer) for answer in example.golds)
    assert list(example.gold_ids) == sorted(set(flat), key=flat.index)
    assert {frozenset(answer) for answer in example.golds} == {frozenset(g) for g in golds}
    assert Example("q", "text", example.golds) == example  # cleaning twice changes nothing


def test_a_dataset_lists_the_examples_of_all_splits_in_order() -> None:
    one, two, three = (Example(name, "text", ["a"]) for name in "xyz")
    dataset = Dataset("d", {"a": "text"}, {"train": [one, two], "dev": [], "test": [three]})
    assert list(dataset.examples()) == [one, two, three]
    assert Dataset("d", {}, {}, "here") == Dataset("d", {}, {}, "there")


def test_a_run_takes_any_ordered_ids_and_keeps_its_own() -> None:
    ids = ["a", "b"]
    run = Run({"q": ids})
    assert run == Run({"q": ("a", "b")}) == Run({"q": dict.fromkeys(ids).keys()})  # type: ignore[dict-item]
    assert run == Run({"q": np.array(ids)}) == Run({"q": iter(ids)})  # type: ignore[dict-item]
    ids.append("c")
    assert run.rankings == {"q": ["a", "b"]}


def dataset(**splits: list[Example]) -> Dataset:
    return Dataset("d", {"a": "text"}, splits)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Example("", "text", ["a"]), "empty id"),
        (lambda: Example("q7", " \t", ["a"]), "'q7'.*empty query"),
        (lambda: Example("q7", "text", []), "'q7'.*empty gold set"),
        (lambda: Example("q7", "text", ["a", ()]), "'q7'.*without a document"),
        (lambda: Example("q7", "text", [("a", 2)]), "'q7'.*without a document"),  # type: ignore[list-item]
        (lambda: Example("q7", "text", "doc1"), "golds is a single str 'doc1'"),
        (lambda: Example(7, "text", ["a"]), "Example 7: .*no str"),  # type: ignore[arg-type]
        (lambda: Example("q7", "\ud800", ["a"]), "'q7'.*empty query"),
        (lambda: Dataset("d", {7: "text"}, {}), "document 7"),  # type: ignore[dict-item]
        (lambda: Dataset("d", {"a": None}, {}), "document 'a' .* None"),  # type: ignore[dict-item]
        (lambda: dataset(**{"../../x": []}), "d: '../../x' cannot name a split"),
        (lambda: dataset(**{"": []}), "d: '' cannot name a split"),
        (lambda: Dataset("d", {"a": "\n "}, {}), "document 'a' has an empty text"),
        (lambda: dataset(dev=[Example("q", "text", [("a", "zz")])]), "d: gold 'zz'.*'q'"),
        (lambda: dataset(a=[Example("q", "x", ["a"])], b=[Example("q", "y", ["a"])]), "'q' stan"),
        (lambda: Run({"q1": ["a"], "q2": ["a", "b", "c", "b"]}), "'q2' ranks document 'b' more"),
        *(
            (lambda odd=odd: Run({"q": odd}), "'q': no list of document ids")
            for odd in ("abc", b"ab", {"a", "b"}, {"a": 1.0}, ["a", 3], ["a", ""])
        ),
        (lambda: Run({1: ["a"]}), "query 1: no list"),  # type: ignore[dict-item]
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
