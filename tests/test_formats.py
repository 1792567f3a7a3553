"""Data as others publish them: BEIR's folders, passages as TSV."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest

from amer_lite.datasets import beir, files
from amer_lite.datasets.audit import audit
from amer_lite.datasets.types import Example
from tests.test_files import jsonl

CORPUS = [
    {"_id": "d1", "title": "Bank", "text": "sloping land", "metadata": {"url": "u"}},
    {"_id": 2, "title": "", "text": "an institution"},
    {"_id": "d3", "title": "only a title", "text": ""},
    {"_id": "blank", "title": "", "text": " "},
]
QUERIES = [{"_id": f"q{i}", "text": f"query {i}", "metadata": {}} for i in range(5)]
TSV = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t2\t1.0\nq1\td3\t0\nq2\td3\t1\nq3\tblank\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set/qrels").mkdir(parents=True)
    jsonl(tmp_path / "set/corpus.jsonl", CORPUS)
    jsonl(tmp_path / "set/queries.jsonl", QUERIES)
    (tmp_path / "set/qrels/test.tsv").write_text(TSV)
    return tmp_path / "set"


def test_beir(folder: Path) -> None:
    dataset = beir.load(folder)
    assert dataset.corpus == {
        "d1": "Bank sloping land",
        "2": "an institution",
        "d3": "only a title",
    }
    golds = {name: {e.id: e.golds for e in part} for name, part in dataset.splits.items()}
    assert golds == {"test": {"q1": (("d1",), ("2",)), "q2": (("d3",),)}}
    assert dataset.source == (
        "BEIR's format, folder set; left out: 1 blank documents, 1 queries without golds"
    )
    assert "queries: test 2" in str(audit(dataset))  # a test split is enough
    rows = [
        {"query-id": "q4", "corpus-id": 2, "score": 1},
        {"query-id": "q0", "corpus-id": "d1", "score": -1},
    ]
    jsonl(folder / "qrels/train.jsonl", rows)
    for path in [*folder.glob("*.jsonl"), folder / "qrels/test.tsv"]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = beir.load(folder)
    assert list(packed.splits) == ["train", "test"] and packed.corpus == dataset.corpus
    assert packed.splits["test"] == dataset.splits["test"]
    assert packed.splits["train"] == [Example("q4", "query 4", ["2"])]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q9\td1\t1", r"line 7: \('q9', 'd1'\) are no query and document"),
        ("q1\td9\t1", r"line 7: \('q1', 'd9'\) are no"),
        ("q1\td1\t0", r"line 7: \('q1', 'd1'\) was judged 2 before"),
        ("q1\td1\tx", "line 7: score = 'x': could not convert"),
        ("q1\td1\tnan", "line 7: score = 'nan': .*finite"),
        ("q1 d1 1", "line 7: 1 cells, but the columns"),
        ('q1\t"d1', "line 7: unexpected end of data; quote cells"),
    ],
)
def test_a_wrong_judgement_is_named(line: str, message: str, folder: Path) -> None:
    (folder / "qrels/test.tsv").write_text(f"{TSV}{line}\n")
    with pytest.raises(ValueError, match=r"qrels/test\.tsv, " + message):
        beir.load(folder)


def test_a_missing_file_of_beir_is_named(folder: Path) -> None:
    (folder / "queries.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"set: no queries\.jsonl"):
        beir.load(folder)


PASSAGES = [
    ("1", 'Aaron ( or ; "Ahärôn") is', "Aaron"),
    ("2", "two\nlines\tand a tab", 'A "b"'),
    ("3", "plain", ""),
]


def read(path: Path, content: bytes) -> list[tuple[str, str, str | None]]:
    path.write_bytes(content)
    return [(one.id, one.text, one.title) for one in files.documents(path)]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_passages_as_the_csv_module_writes_them(quoting: Any, tmp_path: Path) -> None:
    with (tmp_path / "made.tsv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", quoting=quoting)
        rows.writerows([("id", "text", "title"), *PASSAGES])
    content = (tmp_path / "made.tsv").read_bytes()
    assert read(tmp_path / "p.tsv", content) == PASSAGES
    assert read(tmp_path / "p.tsv.gz", gzip.compress(b"\xef\xbb\xbf" + content)) == PASSAGES
    plain = b"\n".join(
        content.splitlines(keepends=True)[1:2] + content.splitlines(keepends=True)[4:]
    )
    assert read(tmp_path / "p.tsv", plain) == [PASSAGES[0], PASSAGES[2]]  # without names, too


def test_passages_without_names_of_columns(tmp_path: Path) -> None:
    content = b'0\tThe "bank" is.\n\n1\t"Sloping" land it "is\n2\t' + b"long " * 50_000 + b"\r\n"
    found = read(tmp_path / "collection.tsv", content)
    assert found[:2] == [("0", 'The "bank" is.', None), ("1", '"Sloping" land it "is', None)]
    assert found[2][1] == "long " * 50_000
    for first in (b"doc\tbody\n", b"id\tbody\n", b"1\ta b\tc\td\n", b"1 a b\n"):
        with pytest.raises(ValueError, match=r"collection\.tsv, line [12]: "):
            read(tmp_path / "collection.tsv", first + content)
