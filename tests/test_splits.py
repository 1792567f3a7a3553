"""The splitter against all pairs, and the audit against one injected trap at a time."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amer_lite.datasets.audit import audit
from amer_lite.datasets.report import Report
from amer_lite.datasets.splits import groups, normalise_text, split
from amer_lite.datasets.types import Dataset, Example
from tests import slow_splits

HALVES = {"train": 0.5, "test": 0.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Who's\tthe\u00a0BEST?! ", "who s the best"),
        ("ﬁve — ½", "five 1⁄2"),
        ("Straße", "strasse"),
        ("C++", "c++"),  # a symbol, not punctuation: C++ and C are different queries
        ("!?", "!?"),
        ("", ""),
        ("कि", "कि"),  # vowel signs are letters' parts
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise_text(text) == expected


@given(st.text())
def test_normalise_twice_changes_nothing(text: str) -> None:
    assert normalise_text(normalise_text(text)) == normalise_text(text)


@st.composite
def example_lists(draw: st.DrawFn) -> list[Example]:
    """Few words and few documents, so that likeness and chains of it are common."""
    query = st.sampled_from(["bank", "Bank!", "a bank", "bat", " BAT", "bow", "ball", "bar"])
    golds = st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=7)
    pairs = draw(st.lists(st.tuples(query, golds), min_size=1, max_size=25))
    return [Example(f"q{i}", text, sorted(docs)) for i, (text, docs) in enumerate(pairs)]


@settings(max_examples=300)
@given(example_lists(), st.integers(0, 2**32 - 1))
def test_split_is_a_partition_that_parts_no_two_alike(examples: list[Example], seed: int) -> None:
    labels, slow = groups(examples), slow_splits.groups(examples)
    assert len({*labels}) == len({*slow}) == len({*zip(labels, slow, strict=True)})
    try:
        one, other = split(examples, HALVES, seed).values()
    except ValueError as error:  # a group of more than half may leave nothing over
        assert "must stay whole" in str(error)
        return
    assert one and other and sorted(e.id for e in one + other) == sorted(e.id for e in examples)
    assert not any(slow_splits.alike(a, b) for a in one for b in other)
    for part in (one, other):
        assert part == [example for example in examples if example in part]


@given(example_lists(), st.randoms())
def test_groups_do_not_hang_on_the_order(examples: list[Example], random: object) -> None:
    shuffled = examples.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    results = []
    for order in (examples, shuffled):
        with suppress(ValueError):
            parts = split(order, HALVES, 3)
            results.append({name: {e.id for e in part} for name, part in parts.items()})
    assert len(results) != 1 and results[:1] == results[1:]


def _words(n: int) -> list[Example]:
    """n examples without any likeness."""
    return [Example(f"q{i}", f"word {i}", [f"d{2 * i}", f"d{2 * i + 1}"]) for i in range(n)]


def test_chains_stay_together() -> None:
    chain = [  # each is like the next one only: by query, by golds, by query
        Example("a", "bank", ["1", "2"]),
        Example("b", "Bank.", ["3", "4", "5", "6"]),
        Example("c", "shore", ["3", "4", "5", "6", "7"]),
        Example("d", "SHORE", ["8"]),
    ]
    assert len({*groups(chain)}) == 1


@pytest.mark.parametrize(("shared", "size", "together"), [(28, 35, True), (27, 35, False)])
def test_the_threshold_is_exact(shared: int, size: int, together: bool) -> None:
    """28/35 is 0.8, which floats round the wrong way."""
    one = Example("a", "one", [f"s{i}" for i in range(shared)])
    other = Example("b", "two", [f"s{i}" for i in range(size)])
    assert len({*groups([one, other])}) == (1 if together else 2)


def test_sizes_are_those_asked_for_and_the_seed_decides() -> None:
    words = _words(1000)
    splits = split(words, seed=1)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [800, 100, 100]
    assert split(words, seed=1) == splits != split(words, seed=2)


def _mixed() -> list[list[str]]:
    likely = [[f"d{i * j % 40}" for j in range(1, 6)] for i in range(90)]
    examples = [Example(f"q{i}", f"w{i % 70}", golds) for i, golds in enumerate(likely)]
    return [[example.id for example in part] for part in split(examples).values()]


def test_another_process_gives_the_same_split() -> None:
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "from tests.test_splits import _mixed; print(_mixed())"]
    printed = subprocess.check_output(command, env=os.environ | environment, text=True)
    assert printed == f"{_mixed()}\n"


def test_many_examples_with_frequent_golds_are_all_shared_out() -> None:
    rng = np.random.default_rng(0)
    examples = [
        # Zipf: some documents are gold for thousands of queries; all pairs would take an hour
        Example(f"q{i}", f"w{i}", [f"d{d % 30_000}" for d in rng.zipf(1.3, rng.integers(2, 9))])
        for i in range(16_000)
    ]
    shared = [example.id for part in split(examples).values() for example in part]
    assert len(shared) == len(set(shared)) == 16_000


def test_families_stay_whole_and_the_large_ones_train() -> None:
    examples, family = _words(40), {f"q{i}": min(i // 2, 12) for i in range(40)}  # 12 pairs, one 16
    for seed in range(8):
        parts = split(examples, {"train": 0.6, "dev": 0.2, "test": 0.2}, seed, family, 0.5)
        places = [{family[e.id] for e in part} for part in parts.values()]
        assert sum(map(len, places)) == 13 and 12 in places[0] and len(parts["test"]) == 8
    with pytest.raises(KeyError, match="q1"):
        split(examples, families={"q0": 0})


@pytest.mark.parametrize(
    ("examples", "fractions", "message"),
    [
        (_words(10), {"train": 1.1, "test": -0.1}, "fractions must"),
        (_words(10), {"train": float("nan"), "test": 0.5}, "fractions must"),
        ([], HALVES, "no examples"),
        (_words(1), HALVES, r"nothing left for \['test'\]: 1 examples"),
    ],
)
def test_bad_examples_and_fractions(
    examples: list[Example], fractions: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        split(examples, fractions)


@pytest.mark.parametrize(
    "odd", [{"seed": -1}, {"seed": None}, {"seed": 0.5}, {"largest": math.nan}]
)
def test_bad_settings(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need int seed >= 0 and largest > 0"):
        split(_words(10), **odd)


# --- the audit ------------------------------------------------------------------------------------


def _clean() -> Dataset:
    """60 queries over 180 documents: every query has two golds, a third of the corpus has none."""
    examples = _words(60)
    return Dataset(
        "clean",
        {f"d{i}": f"definition number {i}, in words" for i in range(180)},
        {"train": examples[:40], "dev": examples[40:50], "test": examples[50:]},
    )


def _with_texts(texts: dict[str, str]) -> Dataset:
    return replace(_clean(), corpus={**_clean().corpus, **texts})


def _with(place: str, example: Example, texts: dict[str, str] | None = None) -> Dataset:
    base = _with_texts(texts or {})
    return replace(base, splits={**base.splits, place: [*base.splits[place], example]})


def _counts(report: Report) -> dict[str, int]:
    return {name: finding.count for name, finding in report.findings.items() if finding.count}


def test_a_clean_data_set_is_clean() -> None:
    report = audit(_clean())
    assert report.clean and _counts(report) == {}
    assert report.counts["queries"] == {"train": 40, "dev": 10, "test": 10}
    assert "all 180" in str(report) and str(report).endswith("clean")
    assert audit(Dataset("empty", {}, {})).clean


def _spaced(text: str, docs: range) -> Dataset:
    return _with_texts({f"d{i}": text.format(f"definition number {i}, in words") for i in docs})


@pytest.mark.parametrize(
    ("place", "query", "golds", "expected", "message"),
    [
        ("test", " Word, 7!", ["d150"], {"leaked_queries": 1},
         "test 'new' ' Word, 7!' is like train 'q7' 'word 7'"),
        ("dev", "synonym", ["d15", "d14"], {"leaked_golds": 1, "shared_golds": 1},
         "dev 'new' 'synonym' is like train 'q7' 'word 7'"),
        ("test", "new", ["d150", "d14"], {"shared_golds": 1},
         "test 'new' 'new' shares a gold with train 'q7' 'word 7'"),
        ("train", "WORD 7", ["d150"], {"repeated_queries": 1},
         "train 'new' 'WORD 7' repeats 'q7' 'word 7'"),
    ],
)  # fmt: skip
def test_the_audit_finds_the_injected_trap_and_nothing_else(
    place: str, query: str, golds: list[str], expected: dict[str, int], message: str
) -> None:
    report = audit(_with(place, Example("new", query, golds)))
    assert _counts(report) == expected and message in str(report)
    assert report.clean == (expected.keys() <= {"repeated_queries", "shared_golds"})


@pytest.mark.parametrize(
    ("text", "docs", "message"),
    [
        ("{} ", range(100), "trailing white space: 100 of 120 golds, 0 of 60 other documents"),
        (" {}", range(130, 170), "leading white space: 0 of 120 golds, 40 of 60 other documents"),
        ("a  {}", range(110), "double space: 110 of 120"),
        ("a\u00a0{}", range(110), "odd space: 110 of 120"),
    ],
)
def test_the_audit_finds_white_space_that_tells_golds(text: str, docs: range, message: str) -> None:
    report = audit(_spaced(text, docs))
    assert _counts(report) == {"white_space": 1} and message in str(report)


def test_the_same_white_space_everywhere_tells_nothing() -> None:
    assert all(audit(_spaced("{} ", range(0, 180, step))).clean for step in (1, 2))


def test_passages_of_one_answer_may_have_the_same_text() -> None:
    texts = {"d151": "Definition number 150 in words."}
    report = audit(_with("test", Example("new", "new", [("d150", "d151"), "d152"]), texts))
    assert _counts(report) == {"repeated_documents": 1}
    report = audit(_with("test", Example("new", "new", [("d152", "d150"), "d151"]), texts))
    assert _counts(report) == {"repeated_documents": 1, "repeated_golds": 1}
    assert "'new' 'new': 'd150' and 'd151' are" in str(report) and not report.clean


def test_only_a_few_cases_are_quoted() -> None:
    texts = {f"d{i}": "the same" for i in range(120, 150)}
    finding = audit(_with_texts(texts))["repeated_documents"]
    assert (finding.count, len(finding.examples)) == (29, 5)


@given(example_lists())
def test_what_the_splitter_makes_passes_the_audit(examples: list[Example]) -> None:
    corpus = {doc: f"text {doc}" for doc in "abcdefgh"}
    try:
        splits = split(examples, HALVES)
    except ValueError:
        return
    assert audit(Dataset("d", corpus, splits)).clean


@given(example_lists(), st.integers(0, 25))
def test_leaks_against_all_pairs(examples: list[Example], cut: int) -> None:
    corpus = {doc: f"text {doc}" for doc in "abcdefgh"}
    report = audit(Dataset("d", corpus, {"train": examples[:cut], "test": examples[cut:]}))
    queries = {normalise_text(e.query) for e in examples[:cut]}
    train, test = ([{*e.gold_ids} for e in part] for part in (examples[:cut], examples[cut:]))
    expected = {
        "leaked_queries": sum(normalise_text(e.query) in queries for e in examples[cut:]),
        "leaked_golds": sum(any(5 * len(g & h) >= 4 * len(g | h) for g in train) for h in test),
        "shared_golds": sum(any(g & h for g in train) for h in test),
    }
    assert {name: report[name].count for name in expected} == expected
