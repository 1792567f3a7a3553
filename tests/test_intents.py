"""Many-intent queries: what is asked for, how far apart it is, and that tests ask for new words."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from amer_book import live
from amer_book.live import Point
from amer_book.worlds import intents
from amer_book.worlds.kinds import Synset
from amer_book.worlds.wordnet_files import Nouns

from amer_lite.datasets.audit import audit
from amer_lite.datasets.types import Example

BRANCHES = 6
LETTERS = str.maketrans("0123456789", "abcdefghij")
SMALL: dict[str, Any] = {
    "documents": 400,
    "words": 300,
    "queries": {"train": 200, "dev": 20, "test": 40},
    "fractions": {"train": 0.6, "dev": 0.2, "test": 0.2},
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six branches of two families of 40 nouns each, and words that will not do."""
    nouns = Nouns({}, {}, {}, "small nouns")
    synsets: dict[str, Synset] = {}

    def add(words: tuple[str, ...], branch: str, kinds: list[str], text: str = "") -> str:
        key = words[0]
        document = f"n-{key}"
        nouns.definitions[document] = text or f"meaning of {key}"
        synsets[key] = Synset(words, document, branch, tuple(kinds))
        for word in words:
            nouns.senses.setdefault(word.lower(), []).append(document)
        return key

    for branch in range(BRANCHES):
        families = []
        for family in range(2):
            letter = "pqrstuvwxyzk"[2 * branch + family]
            names = [letter + f"{i:03d}".translate(LETTERS) for i in range(40)]
            leaves = [add((name,), f"{branch:02d}", []) for name in names]
            families.append(add((f"Family {letter}",), f"{branch:02d}", leaves))
        add((f"Branch {branch}",), f"{branch:02d}", families)
    add(("Proper", "hot_dog", "x22", "usable", "synonym"), "00", [])
    add(("twosenses",), "00", [])
    nouns.senses["twosenses"].append("n-Proper")
    add(("curse",), "00", [], "an offensive word")
    monkeypatch.setattr(intents, "fetch", lambda: nouns)
    monkeypatch.setattr(intents, "hierarchy", lambda nouns: synsets)
    monkeypatch.setattr(intents, "FAMILY", 30)


def _words(example: Example) -> list[str]:
    return [doc.removeprefix("d-") for doc in example.gold_ids]


def test_a_query_mentions_its_golds_in_order_and_nothing_else(small: None) -> None:
    dataset = intents.load(min_intents=1, **SMALL)
    vocabulary = {doc.removeprefix("d-") for doc in dataset.corpus}
    for example in dataset.examples():
        words = _words(example)
        assert [word for word in re.findall(r"\w+", example.query) if word in vocabulary] == words
        assert example.id == "i-" + "+".join(words)
        for doc, word in zip(example.gold_ids, words, strict=True):
            assert dataset.corpus[doc] == f"{word}: meaning of {word}"
    assert dataset.source == "small nouns"


def test_no_test_word_is_seen_in_training(small: None) -> None:
    for spread in intents.SPREADS:
        dataset = intents.load(spread, max_intents=3, **SMALL)
        asked = [{doc for e in part for doc in e.gold_ids} for part in dataset.splits.values()]
        assert all(a.isdisjoint(b) for a, b in combinations(asked, 2))
        assert {name: len(part) for name, part in dataset.splits.items()} == SMALL["queries"]
        assert len({frozenset(e.gold_ids) for e in dataset.examples()}) == 260
        assert audit(dataset).clean


def test_spread(small: None) -> None:
    """Near: one family, here the first letter. Far: all branches differ, two letters each."""
    found: dict[str, set[tuple[int, int]]] = {}  # numbers of families and of branches in a query
    for spread in intents.SPREADS:
        golds = [_words(example) for example in intents.load(spread, 3, 3, **SMALL).examples()]
        letters = [{"pqrstuvwxyzk".index(word[0]) for word in words} for words in golds]
        found[spread] = {(len(own), len({letter // 2 for letter in own})) for own in letters}
    assert found["near"] == {(1, 1)} and found["far"] == {(3, 3)}
    assert {branches for _, branches in found["random"]} == {1, 2, 3}


def test_which_nouns_may_be_asked_for(small: None) -> None:
    pool = 2 * BRANCHES * 40 + 1
    dataset = intents.load(documents=pool, words=pool)
    assert "d-usable" in dataset.corpus
    for word in ("synonym", "Proper", "x22", "hot_dog", "twosenses", "curse"):
        assert f"d-{word}" not in dataset.corpus
    assert len(dataset.corpus) == pool
    with pytest.raises(ValueError, match=f"documents <= {pool} "):
        intents.load(documents=pool + 1, words=pool)


def test_the_density_of_the_corpus_leaves_the_queries_alone(small: None) -> None:
    sparse, dense = (intents.load(**SMALL | {"documents": size}) for size in (400, 470))
    assert sparse.splits == dense.splits
    assert sparse.corpus.items() < dense.corpus.items() and len(dense.corpus) == 470


def test_number_of_intents_and_phrasings(small: None) -> None:
    queries, halves = {"train": 400, "test": 100}, {"train": 0.5, "test": 0.5}
    dataset = intents.load("far", 2, 5, 400, 300, queries, halves)
    sizes = Counter(len(example.gold_ids) for example in dataset.examples())
    assert {*sizes} == {2, 3, 4, 5} and min(sizes.values()) > 90  # of 125: hard ones are not rarer
    for part in dataset.splits.values():
        shapes = {re.sub(r"\b[k-z][a-j]{3}\b", "_", e.query) for e in part if len(e.gold_ids) == 3}
        assert len(shapes) == len(intents.PHRASINGS)
        assert {"_, _ and _", "_ _ _"} < shapes


def test_the_seed_decides(small: None) -> None:
    one, again, other = (intents.load(**SMALL, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one.corpus != other.corpus and one.splits != other.splits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spread": "wide"}, "spread 'wide' is unknown; choose one of"),
        ({"words": 401}, "got words=401 and documents=400"),
        ({"queries": {"train": 5}}, r"\['train'\] and "),
        ({"fractions": {"train": 1, "dev": 1, "test": 1}}, "fractions must"),
        ({"max_intents": 1, "min_intents": 1, "words": 30}, "after 18 queries"),
        ({"spread": "near", "words": 30}, "no new near set"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str, small: None) -> None:
    with pytest.raises(ValueError, match=message):
        intents.load(**SMALL | arguments)


@pytest.mark.parametrize("spread", intents.SPREADS)
def test_the_real_intents(
    spread: str, wordnet_nouns: Nouns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "fetch", lambda: wordnet_nouns)
    dataset = intents.load(spread)
    assert len(dataset.corpus) == 16_000
    assert {name: len(part) for name, part in dataset.splits.items()} == intents.QUERIES
    assert audit(dataset).clean
    assert all(re.match(r"[a-z]+: \S", text) for text in dataset.corpus.values())
    sizes = Counter(len(example.gold_ids) for example in dataset.examples())
    assert {*sizes} == {2, 3, 4, 5} and max(sizes.values()) < 1.1 * min(sizes.values())


@pytest.mark.parametrize("best", [Point(True, 3e-4), Point(False, 1e-3), Point(True, 3e-3)])
def test_what_is_trained_live_keeps_the_model_that_is_best_on_dev(
    best: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(world: object, m: int, point: Point) -> tuple[str, float]:
        apart = abs(math.log10(point.learning_rate / best.learning_rate))
        return f"{m} {point}", -apart - (point.masked != best.masked)

    monkeypatch.setattr(live, "train", train)
    model, tried = live.tuned(None, 6)  # type: ignore[arg-type]
    assert model == f"6 {best}" and max(tried, key=lambda point: tried[point]) == best
    assert live.START in tried and len(tried) >= 4
