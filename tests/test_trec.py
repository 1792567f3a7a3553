"""TREC files: round trips, foreign files, ties as trec_eval has them, what they cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.datasets.types import Example, Run
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
    assert read_qrels(path) == {example.id: example.golds for example in examples}


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


@pytest.mark.parametrize("bad", ["a b", "a\n", "a\u3000b", ""])
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
        with pytest.raises(ValueError, match=r"white space|empty id|without a document id"):
            write()
    with pytest.raises(ValueError, match="'q2' ranks no document"):
        write_run(path, Run({"q1": ["a"], "q2": []}), "tag")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("read", "first", "line", "message"),
    [
        (read_run, "q Q0 first 1 2 t", "q Q0 a 1 2", "6 columns, found 5"),
        (read_run, "q Q0 first 1 2 t", "q Q0 a 1 nan t", "found 'nan'"),
        (read_run, "q Q0 first 1 2 t", "q Q0 first 1 3 t", "'first' stands twice"),
        (read_qrels, "q 0 a 1", "q 0 a", "4 columns"),
        (read_qrels, "q 0 a 1", "q 0 a 0.5", r"found '0\.5'"),
    ],
)
def test_malformed_lines_are_named(
    read: Callable[[Path], object], first: str, line: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_text(f"{first}\n\n{line}\n")
    with pytest.raises(ValueError, match=rf"bad:3: .*{message}"):
        read(tmp_path / "bad")
