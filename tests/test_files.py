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
    {"id": "d4", "meta": {"title": "Page", "content": "as QAMPARI has it"}},
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
    queries = jsonl(tmp_path / "q.jsonl", rows)
    dataset = files.load(corpus, queries)
    assert (dataset.name, dataset.source) == ("files", "corpus.jsonl, q.jsonl")
    assert dataset.corpus == {
        "d1": "Bank sloping land",
        "d2": "an institution",
        "d3": "  a turn\n",  # as it is: the audit must be able to see it
        "d4": "Page as QAMPARI has it",
    }
    ids = {name: [e.id for e in part] for name, part in dataset.splits.items()}
    assert ids == {"train": ["bank"], "test": ["q2"]}
    assert dataset.splits["test"][0].golds == (("d3", "d1"), ("d2",))
    assert files.load(dataset.corpus, queries) == dataset


def test_a_file_a_split_compressed_and_with_a_mark(corpus: Path, tmp_path: Path) -> None:
    packed = tmp_path / "corpus.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + corpus.read_bytes() + b"\n \r\n"))
    train = jsonl(tmp_path / "a.jsonl", [{"query": "bank", "golds": ["d1"]}])
    test = jsonl(tmp_path / "b.jsonl", [{"query": "turn", "golds": ["d3"], "split": "test"}])
    dataset = files.load(packed, {"train": train, "test": str(test)})
    ids = {name: [e.id for e in part] for name, part in dataset.splits.items()}
    assert ids == {"train": ["q1"], "test": ["q2"]}
    assert len(dataset.corpus) == 4


def test_without_splits_like_queries_stay_together(tmp_path: Path) -> None:
    corpus = {f"d{i}": f"text {i}" for i in range(60)}
    rows = [{"query": f"word {i % 40}", "golds": [f"d{i}"]} for i in range(60)]
    queries = jsonl(tmp_path / "q.jsonl", rows)
    dataset = files.load(corpus, queries, seed=1)
    assert list(dataset.splits) == ["train", "dev", "test"]
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
    assert {document.id: document.text for document in files.documents(path)} == texts


WRONG_LINES = {
    "truncated": (b'{"query": "x", "gol', "line 2: Invalid JSON: EOF .* at column 19"),
    "latin-1": (b'{"query": "caf\xe9"}', "line 2: .*0xe9.*; save the file as UTF-8"),
    "no query": (b'{"question": "x"}', "line 2: query: Field required; gol"),
    "blank query": (rb'{"query": " \t"}', r"line 2: query = ' \\t': .*pattern"),
    "a gold, no list": (b'{"query": "x", "golds": "d1"}', "line 2: golds = 'd1': .* array"),
    "numeric gold": (
        b'{"query": "x", "golds": [[0.5]]}',
        r"line 2: golds.* = 0.5: .* string",
    ),
    "unknown gold": (b'{"query": "x", "golds": ["d1", ["d2", "d9"]]}', "line 2: gold 'd9' is no"),
    "id twice": (b'{"id": "first", "query": "x", "golds": ["d1"]}', "line 2: id 'first' .* twice"),
    "a split in one": (b'{"query": "x", "golds": ["d1"], "split": "test"}', "line 1: no split"),
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
        ({"id": "d1", "text": "again"}, "id 'd1' stands twice"),
        ({"id": "d5", "text": ""}, "text: blank, and there is no title"),
        ({"id": "d5", "meta": {"title": "t"}}, "text: Field required"),
    ],
)
def test_a_wrong_document_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    corpus = jsonl(tmp_path / "corpus.jsonl", [*CORPUS, row])
    with pytest.raises(ValueError, match=r"corpus\.jsonl, line 5: " + message):
        files.load(corpus, tmp_path / "never read")


def test_missing_files_and_wrong_splits(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.jsonl"):
        files.load(tmp_path / "nothing.jsonl", corpus)
    queries = jsonl(tmp_path / "q.jsonl", [{"query": "x", "golds": ["d1"], "split": "dev"}])
    with pytest.raises(ValueError, match=r"q.jsonl, line 1: split is 'dev', .* 'train'"):
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
    with pytest.raises(ValueError, match=r"corpus\.jsonl\.gz, line \d: .*; fetch it again"):
        list(files.documents(packed))


@pytest.mark.parametrize(
    ("content", "message"),
    [('[{"id": 2', "Invalid JSON"), ('[{"id": "1", "text": "x"}, 3.5]', r"\[1\] = 3.5: .* object")],
)
def test_a_wrong_array_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a\.json: " + message):
        list(files.read_records(tmp_path / "a.json", files.Document))


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.json", "["), ("a.jsonl", '{"id": "a", "text": "b", "x": ')):
        (tmp_path / name).write_text(content + "[" * 100_000)
        with pytest.raises(ValueError, match=rf"{name}.*recursion limit"):
            list(files.read_records(tmp_path / name, files.Document))


def test_an_array_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_ARRAY", 1000)
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(b"[1,\n" + b"1,\n" * 1000))
    with pytest.raises(ValueError, match=r"a\.json\.gz: an array of more than"):
        list(files.read_records(packed, files.Document))
