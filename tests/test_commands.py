"""The five commands, for real, on small files in the official formats."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amer_lite.__main__ import main
from amer_lite.commands import embed, train
from amer_lite.datasets.types import Example
from amer_lite.evaluation import metrics, trec
from amer_lite.search.shards import ShardIndex
from tests.test_ambigqa import row as ambigqa_row
from tests.test_files import jsonl as write
from tests.test_qampari import chunk, topic
from tests.tiny_lm import save_tiny_lm

NAMES = [f"{first}{second}" for first in ("Al", "Be", "Co", "Du") for second in "abcdefgh"]
RECIPE = """
[train]
epochs = 2
evaluations = 2
m = 2
batch_size = 8
accumulate = 2
learning_rate = 1e-2
feedback = "scheduled"
negatives = 1
pool = 20
k = 10
[retrieve]
m = 2
k = 10
[evaluate]
at = [5, 10]
resamples = 100
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """QAMPARI: 32 questions of five answers, a page each, and 40 other pages in a second file."""
    folder = tmp_path_factory.mktemp("files")
    rows = [topic(f"{i}__wikidata_simple__train", name) for i, name in enumerate(NAMES)]
    for name, part in (("train", rows[:20]), ("dev", rows[20:26]), ("test", rows[26:])):
        write(folder / f"{name}.jsonl", part)
    pages = [
        chunk(f"{name} {i}", f"{name} {i} was made by {name} works. It is known.")
        for name in NAMES
        for i in range(5)
    ]
    others = [chunk(f"Other {i}", f"Nobody made number {i}.") for i in range(40)]
    write(folder / "chunks-0.jsonl", pages)
    write(folder / "chunks-1.jsonl", others)
    save_tiny_lm(folder / "lm", ["What", "was", "made", "by", "works", "?", *NAMES])
    (folder / "qampari.toml").write_text(
        f"""
folder = "{folder}/run"
[data]
set = "qampari"
corpus = "{folder}/chunks-*.jsonl"
least = 5
[data.queries]
train = "{folder}/train.jsonl"
dev = "{folder}/dev.jsonl"
test = "{folder}/test.jsonl"
[encoder]
shard = 70
half = true
[lm]
name = "{folder}/lm"
prompt = "{{query}}"
[lora]
rank = 4
dropout = 0.1
{RECIPE}"""
    )
    return folder


def run(command: str, config: Path, *more: str, folder: Path | None = None) -> int:
    changes = [] if folder is None else ["--set", f'folder="{folder}"']
    return main([command, str(config), *changes, *more])


@pytest.fixture(scope="module")
def whole(files: Path) -> Path:
    """All five commands, one after the other, in ``<files>/run``."""
    config = files / "qampari.toml"
    for command in ("audit", "embed", "train", "retrieve"):
        assert run(command, config) == 0
    assert run("retrieve", config, "--untrained") == 0
    against = str(files / "run/runs/test-untrained.trec")
    assert run("evaluate", config, "--against", against) == 0
    return files / "run"


def test_the_figures_are_those_of_run_and_qrels(whole: Path) -> None:
    found = trec.read_run(whole / "runs/test.trec")
    golds = trec.read_qrels(whole / "runs/test.qrels")
    assert len(golds) == 6 and all(len(answers) == 5 for answers in golds.values())
    examples = [Example(query, query, answers) for query, answers in golds.items()]
    records = json.loads((whole / "evaluation/test.json").read_text())
    assert [(r["metric"], r["k"]) for r in records] == [
        ("mrecall", 5), ("mrecall", 10), ("recall", 5), ("recall", 10),
    ]  # fmt: skip
    for record in records:
        values = getattr(metrics, record["metric"])(found, examples, record["k"])
        assert record["value"] == pytest.approx(values.mean())
        assert record["low"] <= record["value"] <= record["high"] and record["queries"] == 6
        assert record["difference_low"] <= record["difference"] <= record["difference_high"]
        assert 0 < record["p_value"] <= 1
    untrained = trec.read_run(whole / "runs/test-untrained.trec")
    assert metrics.recall(untrained, examples, 10).mean() > 0.9  # MiniLM reads names


def test_the_corpus_is_embedded_with_its_white_space_made_plain(whole: Path, files: Path) -> None:
    index = ShardIndex(whole / "embeddings")
    assert len(index) == 200 and index.ids[160] == "Other 0__0"
    assert [path.name for path in sorted((whole / "embeddings").iterdir())] == [
        "00000", "00001", "00002",
    ]  # fmt: skip
    from amer_lite.encoders.sentence import SentenceEncoder

    expected = SentenceEncoder(cache=False).embed(["Other 0 Nobody made number 0."])
    np.testing.assert_allclose(index.vectors(np.array([160])), expected, atol=1e-3)


def killer(real: Callable[..., Any], call: int) -> Callable[..., Any]:
    calls: list[int] = []

    def dies(*arguments: Any, **settings: Any) -> Any:
        calls.append(0)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    return dies


def test_killed_runs_resume_to_the_same_bytes(
    whole: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = files / "qampari.toml"
    with monkeypatch.context() as patch:
        patch.setattr(embed, "write_shard", killer(embed.write_shard, 2))
        with pytest.raises(KeyboardInterrupt):
            run("embed", config, folder=tmp_path)
    first = next((tmp_path / "embeddings" / "00000").glob("vectors*"))
    written = first.stat().st_mtime_ns
    assert run("train", config, folder=tmp_path) == 2  # not all shards are there
    assert run("embed", config, folder=tmp_path) == 0
    assert first.stat().st_mtime_ns == written
    with monkeypatch.context() as patch:
        patch.setattr(train, "retrieve", killer(train.retrieve, 2))
        with pytest.raises(KeyboardInterrupt):
            run("train", config, folder=tmp_path)
    assert not (tmp_path / "model").exists() and (tmp_path / "training").exists()
    for command in ("train", "retrieve", "evaluate"):
        assert run(command, config, folder=tmp_path) == 0
    for pattern in ("embeddings/*/*.npy", "model/weights-*", "runs/test.*"):
        ours, theirs = (
            {path.relative_to(root): path.read_bytes() for path in root.glob(pattern)}
            for root in (tmp_path, whole)
        )
        assert ours == {name: theirs[name] for name in ours} and ours


def test_a_command_without_its_input_says_which_comes_first(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, first in (("train", "embed"), ("retrieve", "train"), ("evaluate", "retrieve")):
        assert run(command, files / "qampari.toml", folder=tmp_path) == 2
        wanted = f"nothing from `{first}` here; run `python -m amer_lite {first}` first"
        assert wanted in capsys.readouterr().err
    assert run("retrieve", files / "qampari.toml", "--untrained", folder=tmp_path) == 2
    assert "nothing from `embed` here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "change", "message"),
    [
        ("embed", "encoder.batch_size=7", "another encoder: encoder.batch_size was 64, is 7"),
        ("train", "data.least=4", "`embed` was run with other settings: data.least was 5, is 4"),
        ("train", "train.epochs=3", "holds another run, which differs in TrainConfig: steps 4 → 6"),
        ("retrieve", "lora.rank=5", "`train` was run with other settings: lora.rank was 4, is 5"),
        ("retrieve", "retrieve.split=other", "split 'other' is unknown; the splits are train, dev"),
        ("evaluate", "retrieve.m=3", "`retrieve` was run with other settings: retrieve.m was 2"),
    ],
)
def test_files_of_another_config_are_refused(
    command: str,
    change: str,
    message: str,
    whole: Path,
    files: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(command, files / "qampari.toml", "--set", change) == 2
    assert message in capsys.readouterr().err


def test_another_corpus_under_the_same_name_is_refused(
    whole: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "chunks-1.jsonl"
    before = path.read_text()
    try:
        path.write_text(before.replace("Nobody", "Somebody"))
        assert run("embed", files / "qampari.toml") == 2
        assert "00002: a shard of other passages or another encoder" in capsys.readouterr().err
        path.unlink()  # the first file ends within a shard
        assert run("embed", files / "qampari.toml") == 2
    finally:
        path.write_text(before)


def test_a_run_over_other_questions_cannot_be_compared(
    whole: Path, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.trec"
    other.write_text("q1 Q0 d1 1 1 x\n")
    assert run("evaluate", files / "qampari.toml", "--against", str(other)) == 2
    assert "other.qrels: no such file" in capsys.readouterr().err
    other.with_suffix(".qrels").write_text("q1 0 d1 1\n")
    assert run("evaluate", files / "qampari.toml", "--against", str(other)) == 2
    assert "not the same questions: 7 are in one run only" in capsys.readouterr().err


def test_ambigqa_by_answer_string(files: Path, tmp_path: Path) -> None:
    """Golds are mined, and a passage is right if it holds an answer; frozen states are read."""

    def rows(names: Sequence[str], first: int) -> list[dict[str, Any]]:
        return [
            ambigqa_row(
                str(first + i),
                f"What was made by {name} works?",
                [(f"What was the {n}. of {name}?", [f"{name} {n}"]) for n in (1, 2)]
                + [(f"What was the lost one of {name}?", [f"{name} lost"])],
            )
            for i, name in enumerate(names)
        ]

    for name, part in (("train", NAMES[:24]), ("test", NAMES[24:])):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows(part, ord(name[1]) * 100)))
    config = tmp_path / "ambigqa.toml"
    config.write_text(
        f"""
folder = "{tmp_path}/run"
[data]
set = "ambigqa"
corpus = "{files}/chunks-*.jsonl"
[data.queries]
train = "{tmp_path}/train.json"
test = "{tmp_path}/test.json"
[lm]
name = "{files}/lm"
prompt = "{{query}}"
[states]
layers = [1, 3]
last = 2
width = 16
{RECIPE}"""
    )
    for command in ("audit", "embed", "train", "retrieve"):
        assert run(command, config) == 0
    mined = json.loads((tmp_path / "run/golds.json").read_text())
    assert len(mined) == 24  # train, and the tenth of it that became dev
    first = mined[str(ord("r") * 100)]
    assert first == [["Ala 1__0"], ["Ala 2__0"]]  # the lost one has no passage
    assert run("retrieve", config, "--untrained") == 0
    qrels = trec.read_qrels(tmp_path / "run/runs/test-untrained.qrels")
    run_ = trec.read_run(tmp_path / "run/runs/test-untrained.trec")
    examples = [Example(query, query, answers) for query, answers in qrels.items()]
    assert all(len(answers) == 3 for answers in qrels.values())
    np.testing.assert_allclose(metrics.recall(run_, examples, 10), 2 / 3)  # the lost one is missed
    assert metrics.mrecall(run_, examples, 10).sum() == 0


OWN = """
folder = "{at}/run"
[data]
set = "files"
queries = "{at}/queries.jsonl"
corpus = "{at}/corpus.tsv"
least = 1
[lm]
name = "{files}/lm"
prompt = "{{query}}"
[lora]
{recipe}"""


@pytest.fixture
def own(files: Path, tmp_path: Path) -> Path:
    """A user's own TSV and questions with splits."""
    lines = [f"d{i}\ttext {i} of {NAMES[i % 32]}\tTitle\n" for i in range(64)]
    (tmp_path / "corpus.tsv").write_text("id\ttext\ttitle\n" + "".join(lines))
    splits = ["train"] * 20 + ["dev"] * 6 + ["test"] * 6
    rows = [
        {"query": name, "golds": [f"d{i}", f"d{i + 32}"], "split": splits[i]}
        for i, name in enumerate(NAMES)
    ]
    write(tmp_path / "queries.jsonl", rows)
    config = tmp_path / "own.toml"
    config.write_text(OWN.format(at=tmp_path, files=files, recipe=RECIPE))
    return config


def test_a_users_own_files(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", own) == 0
    for command in ("embed", "train", "retrieve", "evaluate"):
        assert run(command, own) == 0
    assert "recall@10" in capsys.readouterr().out


def test_an_audit_with_findings_exits_with_1(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = own.with_name("queries.jsonl")
    leak = {"query": f"{NAMES[0]}!", "golds": ["d40"], "split": "test"}
    queries.write_text(queries.read_text() + json.dumps(leak) + "\n")
    assert run("audit", own) == 1
    assert "not clean: leaked_queries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("queries.jsonl", '["d3", "d35"]', '["d3", "d99"]',
         "queries.jsonl, line 4: golds name 'd99', which is not among the passages of"),
        ("queries.jsonl", '"golds": ["d3", "d35"]', '"gold": ["d3"]',
         "queries.jsonl, line 4: golds: Field required"),
        ("queries.jsonl", '["d31", "d63"], "split": "test"}\n', '["d31", "d6',
         "queries.jsonl, line 32: Invalid JSON"),
        ("corpus.tsv", "d7\ttext 7", "d7 text 7", "corpus.tsv, line 9: 2 cells, but the columns"),
        ("corpus.tsv", "id\ttext", "number\ttext", "corpus.tsv, line 1: ['number', 'text'"),
        ("corpus.tsv", "d9\ttext", "d8\tx\ty\nd9\ttext", "id 'd8' stands twice in the corpus"),
        ("corpus.tsv", "d40\ttext 40 of Bea\tTitle", "d40\t \t ", "passage 'd40' is blank"),
    ],
)  # fmt: skip
def test_bad_files_are_named(
    file: str, old: str, new: str, message: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own.with_name(file)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert run("embed", own) == 2
    assert message in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from amer_lite.__main__ import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "SECTION.FIELD=VALUE" in shown
    assert not {"torch", "numpy", "faiss", "transformers"} & set(shown.split())
