"""TREC files: round trips, foreign files, ties as trec_eval has them, what they cannot hold."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation.metrics import ndcg, recall
from amer_lite.evaluation.trec import read_qrels, read_run, write_qrels, write_run

IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)


RANKINGS = st.dictionaries(IDS, st.lists(IDS, min_size=1, max_size=5, unique=True), max_size=4)
ANSWERS = st.lists(st.lists(IDS, min_size=1, max_size=3), min_size=1, max_size=4)


@given(RANKINGS, st.lists(ANSWERS, max_size=3))
def test_files_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    rankings: dict[str, list[str]],
    golds: list[list[list[str]]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "trec"
    write_run(path, Run(rankings), "tag")
    assert read_run(path) == Run(rankings)
    examples = [Example(f"q{i}", "text", answers) for i, answers in enumerate(golds)]
    write_qrels(path, examples)
    assert read_qrels(path, clusters=True) == {example.id: example.golds for example in examples}


def test_exported_scores_strictly_decrease_in_single_precision(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Run({"q": [f"d{i}" for i in range(5000)]}), "tag")
    lines = [line.split() for line in (tmp_path / "run").read_text().splitlines()]
    scores = np.array([line[4] for line in lines], dtype=np.float32)
    assert (np.diff(scores) < 0).all()
    assert [int(line[3]) for line in lines] == list(range(1, 5001))


def test_foreign_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 low 1 -2.5 t\n\nq\tQ0\thigh 9 1e3 t\n")
    assert read_run(tmp_path / "run") == Run({"q": ["high", "low"]})
    (tmp_path / "qrels").write_text("q 0 a 2\nq 0 b 0\nq Q0 c 1\np 0 a 0\n")
    assert read_qrels(tmp_path / "qrels") == {"q": (("a",), ("c",))}


def test_ties_are_broken_as_trec_eval_breaks_them(tmp_path: Path) -> None:
    rows = [f"q Q0 {doc} 1 {score} t\n" for doc, score in zip("bdac", [1, 1, 1, 2], strict=True)]
    (tmp_path / "run").write_text("".join(rows))
    ours = read_run(tmp_path / "run")
    for doc in "abcd":
        qrels = [ir_measures.Qrel("q", doc, 1)]
        run = list(ir_measures.read_trec_run(str(tmp_path / "run")))
        rank = 1 / ir_measures.calc_aggregate([ir_measures.RR], qrels, run)[ir_measures.RR]
        assert ours.rankings["q"].index(doc) + 1 == pytest.approx(rank)


def test_scores_are_compared_in_single_precision(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 25.12345678 t\nq Q0 b 2 25.12345670 t\n")
    run = read_run(tmp_path / "run")
    assert run == Run({"q": ["b", "a"]})  # a tie
    assert ndcg(run, [Example("q", "text", ["a"])], 5)[0] == pytest.approx(1 / np.log2(3))


def test_the_second_column_of_qrels_is_a_cluster_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("1 4.5 aaa 2\n1 4.5 bbb 1\n1 4.5 ccc 1\n1 1 eee 2\n")
    golds = read_qrels(tmp_path / "qrels")
    assert golds == {"1": (("aaa",), ("bbb",), ("ccc",), ("eee",))}
    run = Run({"1": ["aaa", "x", "eee"]})
    assert recall(run, [Example("1", "text", golds["1"])], 3)[0] == 0.5
    grouped = {"1": (("aaa", "bbb", "ccc"), ("eee",))}
    assert read_qrels(tmp_path / "qrels", clusters=True) == grouped


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_may_be_packed_and_begin_with_a_mark(
    pack: Callable[[bytes], bytes], mark: str, tmp_path: Path
) -> None:
    (tmp_path / "run").write_bytes(pack(f"{mark}q\u00a01 Q0 a 1 1 t\r\n".encode()))
    assert read_run(tmp_path / "run") == Run({"q\u00a01": ["a"]})
    (tmp_path / "qrels").write_bytes(pack(f"{mark}q 0 a 1\n".encode()))
    assert read_qrels(tmp_path / "qrels") == {"q": (("a",),)}
    write_run(tmp_path / "run.gz", Run({"q": ["a"]}), "tag")
    assert read_run(tmp_path / "run.gz") == Run({"q": ["a"]})


def test_a_query_without_hits_is_left_out_and_counts_as_zero(tmp_path: Path) -> None:
    with pytest.warns(match="1 queries rank no document, such as 'q2'"):
        write_run(tmp_path / "run", Run({"q1": ["a"], "q2": []}), "tag")
    examples = [Example(query, "text", ["a"]) for query in ("q1", "q2")]
    with pytest.warns(match="count as zero"):
        assert recall(read_run(tmp_path / "run"), examples, 1).tolist() == [1, 0]


@pytest.mark.parametrize("bad", ["a b", "a\n", "a\u3000b", "\ufeffa", "a\0", "\ud800"])
def test_ids_that_trec_cannot_hold(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers: list[Callable[[], None]] = [
        lambda: write_run(path, Run({"q": [bad]}), "tag"),
        lambda: write_run(path, Run({bad: ["a"]}), "tag"),
        lambda: write_run(path, Run({"q": ["a"]}), bad),
        lambda: write_qrels(path, [Example(bad, "text", ["a"])]),  # itself refuses empty ids
        lambda: write_qrels(path, [Example("q", "text", [bad])]),
    ]
    for write in writers:
        with pytest.raises(ValueError, match=r"white space|empty id|without a document id|no list"):
            write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("read", "first", "line", "message"),
    [
        (read_run, "q Q0 first 1 2 t", "q Q0 a 1 2", "6 columns, found 5"),
        (read_run, "q Q0 first 1 2 t", "q Q0 a 1 nan t", "found 'nan'"),
        (read_run, "q Q0 first 1 2 t", "q Q0 first 1 3 t", "'first' stands twice"),
        *((read_run, "q Q0 first 1 2 t", f"q Q0 a 1 {n} t", "found") for n in ("1_0", "٣", "1e39")),
        (read_qrels, "q 0 a 1", "q 0 a", "4 columns"),
        (read_qrels, "q 1 a 1", "q 2 a 1", "twice .*; is its second column one of clusters"),
        (read_qrels, "q 0 a 1", "q 0 b 1_0", "found '1_0'"),
        (read_qrels, "q 0 a 1", "q 0 b 0.5", r"found '0\.5'"),
    ],
)
def test_malformed_lines_are_named(
    read: Callable[[Path], object], first: str, line: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_text(f"{first}\n\n{line}\n")
    with pytest.raises(ValueError, match=rf"bad, line 3: .*{message}"):
        read(tmp_path / "bad")
