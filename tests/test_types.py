"""The value types: what they drop, what they refuse, and what they say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.datasets.types import Dataset, Example, Run

IDS = st.sampled_from("abcdef")


def test_a_plain_gold_is_an_answer_with_one_document() -> None:
    assert Example("q", "text", ["a", ("b", "c")]).golds == (("a",), ("b", "c"))


@given(st.lists(st.lists(IDS, min_size=1), min_size=1))
def test_repeats_are_dropped_and_first_seen_order_kept(golds: list[list[str]]) -> None:
    example = Example("q", "text", golds)
    flat = [doc for answer in golds for doc in answer]
    assert len(set(example.golds)) == len(example.golds)
    assert all(len(set(answer)) == len(answer) for answer in example.golds)
    assert list(example.gold_ids) == sorted(set(flat), key=flat.index)
    assert {frozenset(answer) for answer in example.golds} == {frozenset(g) for g in golds}
    assert Example("q", "text", example.golds) == example  # cleaning twice changes nothing


def test_repeated_answers_count_once() -> None:
    assert Example("q", "text", ["a", "b", "a", ("b",)]).golds == (("a",), ("b",))


@pytest.mark.parametrize(
    ("id", "query", "golds", "message"),
    [
        ("", "text", ["a"], "empty id"),
        ("q7", " \t", ["a"], "'q7'.*empty query"),
        ("q7", "text", [], "'q7'.*empty gold set"),
        ("q7", "text", ["a", ()], "'q7'.*without a document"),
        ("q7", "text", [""], "'q7'.*without a document"),
        ("q7", "text", [("a", "")], "'q7'.*without a document"),
    ],
)
def test_example_refuses(id: str, query: str, golds: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Example(id, query, golds)


def test_values_are_frozen_and_examples_hashable() -> None:
    example = Example("q", "text", ["a"])
    assert {example, Example("q", "text", ["a", "a"])} == {example}
    with pytest.raises(FrozenInstanceError):
        example.query = "other"  # type: ignore[misc]


def test_dataset_lists_the_examples_of_all_splits_in_order() -> None:
    one, two, three = (Example(name, "text", ["a"]) for name in "xyz")
    dataset = Dataset("d", {"a": "text"}, {"train": [one, two], "dev": [], "test": [three]})
    assert list(dataset.examples()) == [one, two, three]


def test_the_source_does_not_make_data_sets_differ() -> None:
    assert Dataset("d", {}, {}, "here") == Dataset("d", {}, {}, "there")


@pytest.mark.parametrize(
    ("corpus", "splits", "message"),
    [
        ({"a": "\n "}, {}, "document 'a' has an empty text"),
        ({"a": "text"}, {"dev": [Example("q", "text", [("a", "zz")])]}, "d/dev: gold 'zz'.*'q'"),
        (
            {"a": "text"},
            {"train": [Example("q", "text", ["a"])], "dev": [Example("q", "other", ["a"])]},
            "d/dev: query id 'q' stands twice",
        ),
    ],
)
def test_dataset_refuses(
    corpus: dict[str, str], splits: dict[str, list[Example]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset("d", corpus, splits)


def test_run_refuses_a_document_twice() -> None:
    with pytest.raises(ValueError, match="query 'q2' ranks document 'b' more than once"):
        Run({"q1": ["a"], "q2": ["a", "b", "c", "b"]})


def test_an_answer_is_a_set_and_a_bare_str_is_no_list() -> None:
    assert Example("1", "q", [("a", "b"), ("b", "a")]).golds == (("a", "b"),)
    with pytest.raises(ValueError, match="golds is a single str 'doc1'"):
        Example("1", "q", "doc1")
    with pytest.raises(ValueError, match="without a document id"):
        Example("1", "q", [("a", 2)])  # type: ignore[list-item]
