"""A user's own files: what is read, and an error for every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amer_lite.datasets import files
from amer_lite.datasets.audit import audit

CORPUS = [
    {"id": "d1", "text": "sloping land", "title": "Bank"},
    {"id": "d2", "text": "an institution", "title": None},
    {"id": "d3", "text": "  a turn\n"},
]


def jsonl(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "corpus.jsonl", CORPUS)


def test_documents_and_queries(corpus: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "bank", "query": "bank", "golds": ["d1", "d2"], "split": "train", "note": 7},
        {"query": "turn", "golds": [["d3", "d1"], "d2"], "split": "test"},
    ]
    dataset = files.load(corpus, jsonl(tmp_path / "q.jsonl", rows), name="mine")
    assert (dataset.name, dataset.source) == ("mine", "corpus.jsonl, q.jsonl")
    assert dataset.corpus == {
        "d1": "Bank sloping land",
        "d2": "an institution",
        "d3": "  a turn\n",  # as it is: the audit must be able to see it
    }
    assert {name: [e.id for e in part] for name, part in dataset.splits.items()} == {
        "train": ["bank"],
        "test": ["q2"],
    }
    assert dataset.splits["test"][0].golds == (("d3", "d1"), ("d2",))


def test_a_file_a_split_compressed_and_with_a_mark(corpus: Path, tmp_path: Path) -> None:
    packed = tmp_path / "corpus.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + corpus.read_bytes() + b"\n \r\n"))
    train = jsonl(tmp_path / "a.jsonl", [{"query": "bank", "golds": ["d1"]}])
    test = jsonl(tmp_path / "b.jsonl", [{"query": "turn", "golds": ["d3"], "split": "test"}])
    dataset = files.load(packed, {"train": train, "test": str(test)})
    assert [(name, part[0].id) for name, part in dataset.splits.items()] == [
        ("train", "q1"),
        ("test", "q2"),
    ]
    assert len(dataset.corpus) == 3


def test_without_splits_like_queries_stay_together(tmp_path: Path) -> None:
    corpus = jsonl(tmp_path / "c.jsonl", [{"id": f"d{i}", "text": f"text {i}"} for i in range(60)])
    rows = [{"query": f"word {i % 40}", "golds": [f"d{i}"]} for i in range(60)]
    queries = jsonl(tmp_path / "q.jsonl", rows)
    dataset = files.load(corpus, queries, seed=1)
    assert {name: len(part) for name, part in dataset.splits.items()}.keys() == {
        "train",
        "dev",
        "test",
    }
    assert audit(dataset).clean
    assert dataset == files.load(corpus, queries, seed=1) != files.load(corpus, queries, seed=2)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=4))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> None:
    """Line separators other than the line feed belong to the text."""
    texts = {doc: f"{text}." for doc, text in texts.items() if doc.strip()}
    path = tmp_path_factory.mktemp("any") / "c.jsonl"
    rows = [{"id": doc, "text": text} for doc, text in texts.items()]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_bytes("".join(lines).encode())
    assert {r.text("id"): r.text("text") for r in files.read_jsonl(path)} == texts


WRONG_LINES = {
    "array": (b'[{"query": "x", "golds": ["d1"]}]', r"line 2: expected an object .* got a list"),
    "document": (b"[\n", r"line 2, .* one JSON document; write one object a line"),
    "a value": (b"7", r"line 2: expected an object .* got a number: 7"),
    "truncated": (b'{"query": "x", "gol', r"line 2, .* truncated; fetch it again"),
    "not JSON": (b"{'query': 'x'}\n", r"line 2, .*: not JSON .* write one JSON object"),
    "latin-1": (b'{"query": "caf\xe9"}', r"line 2, byte 15: 0xe9 is not UTF-8; save"),
    "UTF-16": ('{"query": "x"}'.encode("utf-16"), r"line 2, byte 1: 0xff is not UTF-8"),
    "no query": (b'{"question": "x"}', r"line 2: field 'query' is missing; .* are 'question'"),
    "null query": (b'{"query": null}', r"line 2: field 'query' must be a string, got null"),
    "blank query": (rb'{"query": " \t"}', r"line 2: field 'query' is empty: ' \\t'"),
    "number": (b'{"query": 5}', r"line 2: field 'query' must be a string, got a number: 5"),
    "half an emoji": (rb'{"query": "\ud83d"}', r"line 2: field 'query' holds half a character"),
    "no golds": (b'{"query": "x"}', r"line 2: field 'golds' is missing"),
    "a gold, no list": (
        b'{"query": "x", "golds": "d1"}',
        r"line 2: field 'golds' must be a list, got a string: 'd1'",
    ),
    "empty golds": (b'{"query": "x", "golds": []}', r"line 2: field 'golds' is empty"),
    "empty answer": (b'{"query": "x", "golds": ["d1", []]}', r"line 2: golds\[1\] is \[\]"),
    "numeric gold": (b'{"query": "x", "golds": [[3]]}', r"line 2: golds\[0\] names 3; .* string"),
    "unknown gold": (
        b'{"query": "x", "golds": ["d1", ["d2", "d9"]]}',
        r"line 2: golds\[1\] names 'd9', which is not among the 3 documents of .*corpus.jsonl",
    ),
    "id twice": (
        b'{"id": "first", "query": "x", "golds": ["d1"]}',
        r"line 2: id 'first' stands twice",
    ),
    "a split in one": (
        b'{"query": "x", "golds": ["d1"], "split": "test"}',
        r"line 1: field 'split' is missing, but other queries have one",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_LINES)
def test_a_wrong_line_is_named(wrong: str, corpus: Path, tmp_path: Path) -> None:
    line, message = WRONG_LINES[wrong]
    queries = tmp_path / "queries.jsonl"
    queries.write_bytes(b'{"id": "first", "query": "bank", "golds": ["d1"]}\n' + line)
    with pytest.raises(ValueError, match=r"queries\.jsonl, " + message):
        files.load(corpus, queries)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "d1", "text": "again"}, r"line 4: id 'd1' stands twice"),
        ({"id": "d4"}, r"line 4: field 'text' is missing"),
        ({"id": "d4", "text": ""}, r"line 4: field 'text' is empty"),
        ({"id": 4, "text": "four"}, r"line 4: field 'id' must be a string, got a number"),
        ({"id": "d4", "text": "x", "title": ["t"]}, r"'title' must be a string, got a list"),
    ],
)
def test_a_wrong_document_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    corpus = jsonl(tmp_path / "corpus.jsonl", [*CORPUS, row])
    with pytest.raises(ValueError, match=r"corpus\.jsonl, .*" + message):
        files.load(corpus, tmp_path / "never read")


def test_missing_files_and_wrong_splits(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.jsonl: no such file; check the path"):
        files.load(tmp_path / "nothing.jsonl", corpus)
    queries = jsonl(tmp_path / "q.jsonl", [{"query": "x", "golds": ["d1"], "split": "dev"}])
    with pytest.raises(ValueError, match=r"q.jsonl, line 1: field 'split' is 'dev', .* 'train'"):
        files.load(corpus, {"train": queries})
    with pytest.raises(ValueError, match="give a path, or"):
        files.load(corpus, {})
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match=r"empty\.jsonl: no queries"):
        files.load(corpus, {"dev": queries, "test": tmp_path / "empty.jsonl"})


@pytest.mark.parametrize("damage", [lambda b: b[:-12], lambda b: b"plain text", lambda b: b[:30]])
def test_a_damaged_gzip_file_is_named(damage: Any, corpus: Path, tmp_path: Path) -> None:
    packed = tmp_path / "corpus.jsonl.gz"
    packed.write_bytes(damage(gzip.compress(corpus.read_bytes())))
    with pytest.raises(ValueError, match=r"corpus\.jsonl\.gz: not a whole gzip file"):
        list(files.read_jsonl(packed))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1}', r"a\.json: the file must be a list, got an object"),
        ('[{"id": 1},\n {"id": 2', r"a\.json, line 2, column \d+: not JSON .* truncated"),
        ('{"id": 1}\n{"id": 2}', r"a\.json, line 2, .* expected one array of objects"),
        ('[{"id": 1}, 3.5]', r"a\.json, record 2: expected an object .* got a number: 3.5"),
    ],
)
def test_a_wrong_array_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        files.read_json(tmp_path / "a.json")


def test_fields_of_a_record() -> None:
    record = files.Record("f, line 3", {"a": ["x", 1], "b": [{"c": "d"}, "e"], "long": "y" * 99})
    with pytest.raises(ValueError, match=r"^f, line 3: a\[1\] must be a string, got a number: 1$"):
        record.texts("a")
    with pytest.raises(ValueError, match=r"^f, line 3, b\[1\]: expected an object"):
        record.records("b")
    with pytest.raises(ValueError, match=r"'y{56}…'$"):
        record.value("long", list)
    assert record.texts("none", []) == []
