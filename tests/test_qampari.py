"""The QAMPARI loader: a small file in the official format, with one published trap at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from amer_book.negatives import false_negatives
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.datasets import qampari
from amer_lite.datasets.audit import audit
from amer_lite.datasets.cleaning import Loaded, distinct_golds
from tests.test_files import jsonl

WIKI = "https://en.wikipedia.org/wiki/"
Row = dict[str, Any]


def proof(page: str, text: str) -> Row:
    return {"proof_text": text, "found_in_url": WIKI + page.replace(" ", "_"), "pid": "filled in"}


def row(qid: str, question: str, answers: dict[str, list[Row]]) -> Row:
    """A line of the official files."""
    listed = []
    for i, (answer, proofs) in enumerate(answers.items()):
        numbered = [{**entry, "pid": f"{qid}__{i}__{j}"} for j, entry in enumerate(proofs)]
        entry = {"answer_text": answer, "aliases": [answer], "answer_url": WIKI + answer}
        listed.append({**entry, "proof": numbered})
    return {"qid": qid, "question_text": question, "answer_list": listed, "entities": []}


def topic(qid: str, name: str, n: int = 5) -> Row:
    """A question with ``n`` answers of one proof each, all on pages of their own."""
    answers = {
        f"{name} {i}": [proof(f"{name} {i}", f"{name} {i} was made by {name} works.")]
        for i in range(n)
    }
    return row(qid, f"What was made by {name} works?", answers)


def chunk(page: str, body: str, number: int = 0) -> Row:
    """A line of ``wikipedia_chunks``."""
    meta = {"url": "u", "title": page, "content": body, "chunk_id": f"{page}__{number}"}
    return {"id": f"{page}__{number}", "contents": f"{page} {body}", "meta": meta}


TRAIN = [topic("0__wikidata_simple__train", "Autozam"), topic("1__wikidata_simple__train", "Mazda")]
TEST = [topic("0__wikidata_simple__test", "Suzuki"), topic("1__wikidata_comp__test", "Honda")]


Loader = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def load(
        train: Sequence[Row] = TRAIN,
        test: Sequence[Row] = TEST,
        chunks: Sequence[Row] | None = None,
        **limits: Any,
    ) -> Loaded:
        parts = {"train": train, "test": test}
        files = {name: jsonl(tmp_path / f"{name}_data.jsonl", rows) for name, rows in parts.items()}
        passages = None if chunks is None else jsonl(tmp_path / "chunks.jsonl", chunks)
        return qampari.load(files, passages, **limits)

    return load


def counts(loaded: Loaded) -> dict[str, int]:
    return {name: f.count for name, f in loaded.report.findings.items() if f.count}


def ids(loaded: Loaded) -> dict[str, list[str]]:
    return {name: [e.id for e in part] for name, part in loaded.dataset.splits.items()}


def test_one_cluster_an_answer(load: Loader, tmp_path: Path) -> None:
    answers = {
        "Clef": [proof("Clef (car)", "The Clef is one."), proof("Autozam", "It made the Clef.")],
        "Carol": [proof("Carol%2C_a_car", "The Carol is one.")],
        "Revue": [],
        "Scrum": [proof("Scrum", " "), {"proof_text": "Scrum too.", "pid": "no address"}],
    }
    loaded = load([*TRAIN, row("7__wikidata_simple__train", "What cars?", answers)])
    assert counts(loaded) == {"unproved_answers": 1}
    example = loaded.dataset.splits["train"][-1]
    assert [[loaded.dataset.corpus[doc] for doc in answer] for answer in example.golds] == [
        ["Clef (car) The Clef is one.", "Autozam It made the Clef."],
        ["Carol, a car The Carol is one."],
        ["Scrum too."],
    ]
    assert loaded.answers[example.id] == (("Clef",), ("Carol",), ("Revue",), ("Scrum",))
    assert audit(loaded.dataset).clean
    assert list(loaded.dataset.corpus) == sorted(loaded.dataset.corpus)
    assert str(tmp_path) not in loaded.dataset.source


def test_limits_on_the_answers(load: Loader) -> None:
    train = [*TRAIN, topic("a", "Ford", 2), topic("b", "Fiat", 9)]
    loaded = load(train, min_answers=5, max_answers=8)
    assert ids(loaded)["train"] == [row["qid"] for row in TRAIN]
    assert counts(loaded) == {"out_of_range": 2}
    with pytest.raises(ValueError, match="got 3 and 2"):
        load(min_answers=3, max_answers=2)


def test_white_space_is_made_plain_in_golds_and_others_alike(load: Loader) -> None:
    entry = TRAIN[0]["answer_list"][0]["proof"][0]["proof_text"]
    chunks = [chunk("Autozam 0 ", f" Before. {entry}\tAfter. "), chunk("Else ", " No matter.\n")]
    loaded = load(chunks=chunks)
    spaces = {"white_space_golds": 1, "white_space_others": 1}
    assert counts(loaded) == {**spaces, "proofs_outside": 19}
    assert loaded.dataset.corpus["Else __0"] == "Else No matter."
    assert loaded.dataset.corpus["Autozam 0 __0"] == f"Autozam 0 Before. {entry} After."


def test_a_passage_of_two_answers(load: Loader) -> None:
    both = proof("List", "Al and Bo both studied there.")
    answers = {
        "Al": [both, proof("Al", "Al studied there.")],
        "Bo": [both],
        "Cy": [proof("List", "AL and Bo, both studied there")],  # the same text, normalised
        "Di": [proof("Di", "Di studied there."), proof("Di", "Di studied there.")],
    }
    loaded = load([*TRAIN, row("x", "Who studied there?", answers)])
    assert counts(loaded) == {"repeated_golds": 1}
    golds = [loaded.dataset.corpus[doc] for (doc,) in loaded.dataset.splits["train"][-1].golds]
    expected = ["Al Al studied", "List Al and Bo both studied", "Di Di studied"]
    assert golds == [f"{text} there." for text in expected]
    assert "'x' 'Who studied there?': 'p-" in str(loaded.report)


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4), max_size=5))
def test_distinct_golds_share_nothing_and_lose_nothing(golds: list[list[str]]) -> None:
    kept, shared = distinct_golds(golds)
    flat = [doc for cluster in kept for doc in cluster]
    assert len(flat) == len(set(flat)) and set(flat) == {doc for answer in golds for doc in answer}
    assert all(kept)
    assert set(shared) == {d for d in flat if sum(d in answer for answer in golds) > 1}
    assert distinct_golds(kept) == (kept, [])


def test_a_proof_stands_for_the_passages_that_contain_it(load: Loader) -> None:
    entry = TRAIN[0]["answer_list"][0]["proof"][0]["proof_text"]
    chunks = [
        chunk("Autozam 0", f"First words. {entry.lower()} Last words.", 0),
        chunk("Autozam 0", f"An overlap: {entry}", 1),
        chunk("Autozam 0", "Nothing of it.", 2),
        chunk("Another page", f"The same words: {entry}", 0),
    ]
    loaded = load(chunks=chunks)
    first = loaded.dataset.splits["train"][0]
    assert first.golds[0] == ("Autozam 0__0", "Autozam 0__1")
    assert {c["id"] for c in chunks} <= loaded.dataset.corpus.keys()
    assert len(loaded.dataset.corpus) == 4 + 19
    assert loaded.report["proofs_outside"].count == 19


def test_false_negatives(load: Loader) -> None:
    bodies = {
        "Cars": "There is the AUTOZAM-3.",
        "More": "No Autozam 33.",
        "Zebra": "It has stripes.",
    }
    loaded = load(chunks=[chunk(page, body) for page, body in bodies.items()])
    example = loaded.dataset.splits["train"][0]
    sampled = {example.id: ["Cars__0", "More__0", "Zebra__0", example.gold_ids[3]]}
    share, finding = false_negatives(loaded.dataset, loaded.answers, sampled)
    assert share == pytest.approx(1 / 3)  # the gold is no negative
    assert "Autozam works?': 'Cars__0' holds 'Autozam 3'" in finding.cases[0]
    for answers, wrong, message in [
        ({}, sampled, "query '0__wiki"),
        (loaded.answers, {"nobody": ["Cars__0"]}, "query 'nobody'"),
        (loaded.answers, {example.id: ["nothing"]}, "document 'nothing' is unknown"),
        (loaded.answers, {example.id: [example.gold_ids[0]]}, "no negatives"),
    ]:
        with pytest.raises(ValueError, match=message):
            false_negatives(loaded.dataset, answers, wrong)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"qid": 0.5}, r"train_data\.jsonl, line 2: qid = 0.5: .* string"),
        ({"answer_list": [{"answer": "x"}]}, r"answer_list\[0\]\.answer_text: Field required"),
        ({"qid": TRAIN[0]["qid"]}, "id '0__wikidata_simple__train' in 'train' stands twice"),
    ],
)
def test_a_wrong_line_is_named(damage: Row, message: str, load: Loader) -> None:
    with pytest.raises(ValueError, match=message):
        load([TRAIN[0], {**TRAIN[1], **damage}])


def test_a_passage_twice_is_named(load: Loader) -> None:
    with pytest.raises(ValueError, match=r"chunks\.jsonl, line 2: id 'a__0' stands twice"):
        load(chunks=[chunk("a", "text"), chunk("a", "text")])
