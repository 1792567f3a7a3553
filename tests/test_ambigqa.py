"""The AmbigQA loader: its traps in the official format, the hub's form, the real files' counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from amer_lite.datasets import ambigqa
from amer_lite.datasets.audit import audit
from amer_lite.datasets.cleaning import Loaded, mentions, separate
from amer_lite.datasets.types import Example

REAL = Path(__file__).parents[2] / "shared/data/ambigqa"

Pair = tuple[str, list[str]]
Row = dict[str, Any]


def row(id: str, question: str, *annotations: list[Pair] | list[str]) -> Row:
    """A record of the light files; a list of strings is a single answer."""
    entries: list[Row] = []
    for content in annotations:
        if isinstance(content[0], str):
            entries.append({"type": "singleAnswer", "answer": content})
        else:
            pairs = [{"question": q, "answer": a} for q, a in content]
            entries.append({"type": "multipleQAs", "qaPairs": pairs})
    return {"annotations": entries, "id": id, "question": question}


def pairs(topic: str, n: int) -> list[Pair]:
    return [(f"When was {topic} number {i}?", [f"{topic} year {1900 + i}"]) for i in range(n)]


TRAIN = [
    row("single", "Who is it?", ["me"]),
    row("a", "When was the ring?", [("one?", ["x"]), ("two?", ["y"])], pairs("ring", 3)),
    row("b", "When was the  lamp? ", pairs("lamp", 2), pairs("candle", 2)),
    row("c", "When was the door?", ["then"], pairs("door", 2)),
    row("long", "When was the book?", pairs("book", 9)),
]
DEV = [
    row("d", "When was the sea?", pairs("sea", 8)),
    row("e", "When was the sky?", pairs("sky", 2)),
]


def load(folder: Path, splits: Mapping[str, Sequence[Row]], **limits: Any) -> Loaded:
    paths = {name: folder / f"{name}_light.json" for name in splits}
    for name, path in paths.items():
        path.write_text(json.dumps(splits[name]), encoding="utf-8")
    return ambigqa.load(paths, **limits)


def test_the_longest_annotation_is_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"train": TRAIN, "dev": DEV})
    ids = {name: [e.id for e in part] for name, part in loaded.dataset.splits.items()}
    assert ids == {"train": ["a", "b", "c"], "dev": ["d", "e"]}
    golds = [loaded.dataset.corpus[d] for e in loaded.dataset.splits["train"] for d in e.gold_ids]
    read = [*pairs("ring", 3), *pairs("lamp", 2), *pairs("door", 2)]  # of equals the first
    assert golds == [f"{question} {answer[0]}" for question, answer in read]
    assert loaded.dataset.splits["train"][1].query == "When was the lamp?"
    assert len(loaded.dataset.corpus) == 3 + 2 + 2 + 8 + 2
    assert loaded.report.counts["questions read"] == {"train": 5, "dev": 2}
    assert loaded.report.counts["kept"] == {"train": 3, "dev": 2}
    assert loaded.report["out_of_range"].count == 2  # nine pairs, and none
    assert "CC BY-SA" in loaded.dataset.source and str(tmp_path) not in loaded.dataset.source
    wider = load(tmp_path, {"train": TRAIN}, min_pairs=9, max_pairs=9)
    assert [e.id for e in wider.dataset.examples()] == ["long"]


def in_columns(record: Row) -> Row:
    """The record as `datasets` returns it: lists of objects become objects of lists."""

    def columns(rows: list[Row], *names: str) -> Row:
        return {name: [row.get(name, []) for row in rows] for name in names}

    annotations = columns(record["annotations"], "type", "answer", "qaPairs")
    annotations["qaPairs"] = [columns(p, "question", "answer") for p in annotations["qaPairs"]]
    return {**record, "annotations": annotations}


def test_all_forms_give_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = load(tmp_path, {"train": TRAIN, "dev": DEV})
    full = {"nq_answer": ["1"], "used_queries": [{"query": "q", "results": [{"title": "t"}]}]}
    assert light == load(tmp_path, {"train": [row | full for row in TRAIN], "dev": DEV})
    package = ModuleType("datasets")
    copy = {"train": [*map(in_columns, TRAIN)], "validation": [*map(in_columns, DEV)]}
    package.load_dataset = lambda *name: copy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", package)
    assert ambigqa.load() == light
    monkeypatch.setitem(sys.modules, "datasets", None)  # Python's way to say: not installed
    with pytest.raises(ConnectionError, match="pip install datasets"):
        ambigqa.load()


# What is added to training, what the report then counts, and a case in words.
TRAPS: dict[str, tuple[list[Row], dict[str, int], str]] = {
    "test in train by a chain": (
        [
            row("x", "When was the ocean?", pairs("sea", 7)),
            row("y", "When was the ocean?", pairs("ocean", 2)),
        ],
        {"leaked_questions": 2},
        "train 'y' 'When was the ocean?' is like dev 'd'",
    ),
    "a copy under another id": (
        [row("x", "When was the door ?", pairs("door", 2))],
        {"repeated_questions": 1},
        "train 'x' 'When was the door ?' repeats 'c'",
    ),
    "a pair twice": (
        [row("x", "Who?", [("Who ran?", ["Al"]), ("who ran", ["al"]), ("Who sat?", ["Bo"])])],
        {"repeated_golds": 1, "repeated_answers": 1},
        "'x' 'Who?': 'p-",
    ),
    "white space": (
        [row("x", "Who?", [("Who  ran?", ["Al"]), ("Sat?", ["Bo "])])],
        {"white_space_golds": 2},
        "'Who  ran? Al'",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_the_injected_trap_is_found_and_repaired(trap: str, tmp_path: Path) -> None:
    added, expected, message = TRAPS[trap]
    loaded = load(tmp_path, {"train": [*TRAIN, *added], "dev": DEV})
    report = loaded.report
    found = {name: finding.count for name, finding in report.findings.items() if finding.count}
    assert found == {"out_of_range": 2, **expected}
    assert message in str(report)
    assert audit(loaded.dataset).clean
    assert [e.id for e in loaded.dataset.splits["dev"]] == ["d", "e"]
    assert loaded.answers.keys() == {e.id for e in loaded.dataset.examples()}
    golds = {doc for e in loaded.dataset.examples() for doc in e.gold_ids}
    assert golds == loaded.dataset.corpus.keys()  # dropped questions take theirs along
    assert all(text == " ".join(text.split()) for text in loaded.dataset.corpus.values())


def test_training_gives_way_whatever_the_order() -> None:
    test = [Example("t", "the bank", ["1"])]
    train = [Example("a", "The bank?", ["2"]), Example("b", "the bat", ["3"])]
    for splits in ({"train": train, "test": test}, {"test": test, "train": train}):
        kept, dropped = separate(splits)
        assert kept == {"train": train[1:], "test": test}
        assert dropped["leaked_questions"] == ["train 'a' 'The bank?' is like test 't' 'the bank'"]
    with pytest.raises(ValueError, match=r"no question is left in \['train'\]"):
        separate({"test": test, "train": train[:1]})


def test_answer_strings(tmp_path: Path) -> None:
    content: list[Pair] = [("Who ran?", ["Al", "Ray", "Ray"]), ("Sat?", ["Bo"]), ("?", ["bo."])]
    loaded = load(tmp_path, {"train": [row("x", "Who?", content)]})
    assert loaded.answers["x"] == (("Al", "Ray"), ("bo.",))
    assert len(loaded.dataset.splits["train"][0].golds) == 3
    assert mentions("It was RAY!", loaded.answers["x"][0]) == "Ray"
    assert mentions("an array of rays", loaded.answers["x"][0]) is None  # whole words
    assert mentions("anything", ["", " "]) is None


def test_one_file_is_shared_out(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    rows = [row(f"q{i}", f"When was {i % 30}?", pairs(f"thing {i}", 2)) for i in range(40)]
    path.write_text(json.dumps(rows))
    loaded = ambigqa.load(path, seed=3)
    assert audit(loaded.dataset).clean and len([*loaded.dataset.examples()]) == 40
    assert loaded.dataset.splits.keys() == {"train", "dev", "test"}
    assert "questions read: all 40; kept: train" in str(loaded.report)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"question": ""}, r" \[0\]\.question = ''"),
        ({"annotations": [{"type": "noAnswer"}]}, r" \[0\]\.annotations\[0\]: .*'noAnswer'"),
        ({"annotations": [{"type": "multipleQAs"}]}, r" \[0\]\..*qaPairs: Field required"),
    ],
)
def test_a_wrong_record_is_named(damage: Row, message: str, tmp_path: Path) -> None:
    rows = [{**TRAIN[1], **damage}, *TRAIN[1:]]
    with pytest.raises(ValueError, match=r"train_light\.json:" + message):
        load(tmp_path, {"train": rows})


@pytest.mark.skipif(not REAL.is_dir(), reason="no shared/data/ambigqa beside the project")
def test_the_real_files() -> None:
    loaded = ambigqa.load({"train": REAL / "train_light.json", "test": REAL / "dev_light.json"})
    report = loaded.report
    assert report.counts["questions read"] == {"train": 10_036, "test": 2_002}
    counts = {name: finding.count for name, finding in report.findings.items() if finding.count}
    assert counts.pop("out_of_range") == (10_036 - 4_719) + (2_002 - 1_149)
    assert counts == {"repeated_answers": 527, "white_space_golds": 221, "leaked_questions": 1}
    assert "When did the nba get the 3 point line?" in str(report)
    assert report.counts["kept"] == {"train": 4_718, "test": 1_149}
    assert len(loaded.dataset.corpus) == 17_227
    assert audit(loaded.dataset).clean
