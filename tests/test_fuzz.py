"""Bad input for the public functions, drawn from two tables: what is wrong is said by the library.

A row of `table` is a function with valid arguments; a row of `damage.KINDS` is what can be wrong
with values of a type. One argument, or something inside it, is damaged at a time. The call may take
it, or refuse it by itself; what is raised deeper down, or by an assertion, is a failure.
"""

from __future__ import annotations

import random
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import amer_lite
from amer_lite import (
    AMER,
    AMERConfig,
    Dataset,
    DecoderConfig,
    Example,
    FaissIndex,
    Prefix,
    Run,
    TrainConfig,
    TrainData,
    fit,
    retrieve,
)
from amer_lite.commands.config import read
from amer_lite.datasets import ambigqa, cleaning, files, qampari, splits
from amer_lite.datasets.audit import audit
from amer_lite.encoders.cache import Ragged, encode_cached
from amer_lite.evaluation import geometry, metrics, trec
from amer_lite.evaluation.evaluator import evaluator
from amer_lite.model.language_model import LoRA
from amer_lite.search import merge
from amer_lite.search.index import search_sets
from amer_lite.search.retrieve import search_and_merge
from amer_lite.search.shards import ShardIndex, write_shard
from amer_lite.storage import load_bundle, save_bundle
from amer_lite.training import matching
from tests.damage import damaged

HERE = str(Path(amer_lite.__file__).parent)
DRAWS = 40  # damages of each function

Row = tuple[Callable[..., object], dict[str, Any]]


def unit(*shape: int) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def table(folder: Path) -> dict[str, Row]:
    """Functions with arguments that they take; what a call may change is made in the call."""
    torch.manual_seed(0)
    decoder = DecoderConfig(4, width=8, layers=1, heads=2)
    model = AMER(AMERConfig(4, decoder=decoder))
    prefix = Prefix(torch.randn(3, 2, 4), torch.ones(3, 2).bool())
    vectors, golds = torch.from_numpy(unit(3, 2, 4)), torch.from_numpy(unit(3, 2, 4))
    ids, mask = torch.arange(6).view(3, 2), torch.ones(3, 2).bool()
    documents, names = unit(9, 4), [f"d{i}" for i in range(9)]
    index = FaissIndex(4)
    index.add(documents, names)
    index.save(folder / "index")
    model.save(folder / "model")
    for part in "ab":
        named = [part + name for name in names]
        write_shard(folder / "shards" / part, documents, named, {"made": 1})
    shards = ShardIndex(folder / "shards")
    rows = np.arange(9).repeat(2).reshape(3, 2, 3) % 5
    scores = np.sort(documents[:, :2].reshape(3, 2, 3))[..., ::-1].copy()
    examples = [Example(f"q{i}", f"query {i}", [f"d{i}", [f"d{i + 3}"]]) for i in range(3)]
    run = Run({example.id: names[:5] for example in examples})
    corpus = {name: f"text of {name}" for name in names}
    config = TrainConfig(steps=1, m=2, batch_size=2, evaluate_every=1)
    data = TrainData(prefix, [[0, 1], [2], [3, 4]], torch.from_numpy(documents))
    path = dict(written(folder))
    a, generator = np.array([0.1, 0.5, 0.2]), np.random.default_rng(0)
    found = {"run": run, "examples": examples, "k": 3}
    sets = {"golds": unit(3, 2, 4), "gold_mask": np.ones((3, 2), bool)}
    pairs = {"similarity": torch.randn(3, 2, 2), "gold_mask": mask}
    loss = {"vectors": vectors, "golds": golds, "gold_mask": mask, "temperature": 0.1}
    more = {"gold_ids": ids, "negatives": golds[0], "negative_ids": ids[0] + 9}
    even = torch.full((3, 2), 0.5).log()
    encode = lambda texts, size: Ragged.of([np.ones((1, 4), np.float32) for _ in texts])  # noqa: E731
    texts = {"texts": [*corpus.values()], "batch_size": 2, "progress": False}
    texts |= {"cache": folder / "cache"}
    return {
        "AMERConfig": (
            AMERConfig,
            {"dim": 4, "decoder": decoder, "pointer": True},
        ),
        "AMERConfig.lm": (AMERConfig, {"dim": 4, "lm": {"model_type": "gpt2"}, "lora": LoRA("x")}),
        "DecoderConfig": (DecoderConfig, {"state_dim": 4, "width": 8, "heads": 2, "dropout": 0.1}),
        "LoRA": (LoRA, {"base": "x", "rank": 4, "alpha": 8.0, "targets": ("q_proj", "v_proj")}),
        "TrainConfig": (TrainConfig, vars(config)),
        "generate": (model.generate, {"prefix": prefix, "m": 2, "batch_size": 2}),
        "rollout": (
            model.rollout,
            {"prefix": prefix, "golds": golds, "gold_mask": mask, "m": 2}
            | {"feedback": "scheduled", "sampling": 0.5},
        ),
        "select": (prefix.select, {"rows": [0, 2]}),
        "save": (model.save, {"folder": folder / "saved"}),
        "load": (AMER.load, {"folder": folder / "model"}),
        "TrainData": (TrainData, vars(data)),
        "fit": (
            lambda **given: fit(AMER(model.config), progress=False, **given),
            {"data": data, "config": config, "evaluate": lambda model: 0.5, "folder": None},
        ),
        "match": (matching.match, pairs),
        "complete": (matching.complete, pairs),
        "coverage": (matching.coverage, pairs),
        "ordered": (matching.ordered, pairs),
        "set_info_nce": (matching.set_info_nce, loss | more | {"pairing": None, "masked": True}),
        "single_info_nce": (matching.single_info_nce, loss | more | {"vectors": vectors[:, 0]}),
        "mixture_info_nce": (matching.mixture_info_nce, loss | more | {"log_weights": even}),
        "FaissIndex": (FaissIndex, {"dim": 4, "factory": "Flat", "metric": "cosine", "search": ""}),
        "add": (lambda **given: FaissIndex(4).add(**given), {"vectors": documents, "ids": names}),
        "search": (index.search, {"queries": documents, "k": 3}),
        "index.vectors": (index.vectors, {"rows": np.arange(3)}),
        "index.rows": (index.rows, {"ids": names}),
        "index.save": (index.save, {"folder": folder / "kept"}),
        "index.load": (FaissIndex.load, {"folder": folder / "index"}),
        "write_shard": (
            write_shard,
            {"folder": folder / "shard", "vectors": documents}
            | {"ids": names, "settings": {"made": 1}},
        ),
        "ShardIndex": (ShardIndex, {"folder": folder / "shards"}),
        "shards.search": (shards.search, {"queries": documents, "k": 3}),
        "shards.vectors": (shards.vectors, {"rows": np.arange(3)}),
        "shards.rows": (shards.rows, {"ids": ["ad1", "bd2"]}),
        "search_sets": (search_sets, {"index": index, "vectors": unit(3, 2, 4), "k": 3}),
        "round_robin": (merge.round_robin, {"rows": rows, "k": 3}),
        "max_score": (merge.max_score, {"scores": scores, "rows": rows, "k": 3}),
        "rrf": (merge.rrf, {"rows": rows, "k": 3, "c": 60}),
        "soft_sum": (
            merge.soft_sum,
            {"rows": rows, "queries": unit(3, 2, 4), "k": 3, "tau": 0.1}
            | {"vectors_of": index.vectors},
        ),
        "mixture": (merge.mixture, {"scores": scores, "rows": rows, "k": 3, "tau": 0.1}),
        "search_and_merge": (
            search_and_merge,
            {"index": index, "vectors": unit(3, 2, 4), "k": 3}
            | {"merge": "soft_sum", "depth": 4, "tau": 0.1},
        ),
        "retrieve": (retrieve, {"model": model, "index": index, "prefix": prefix, "m": 2, "k": 3}),
        "evaluator": (
            evaluator,
            {"index": index, "prefix": prefix, "examples": examples}
            | {"m": 2, "k": 3, "merge": "rrf"},
        ),
        "mrecall": (metrics.mrecall, found),
        "recall": (metrics.recall, found),
        "precision": (metrics.precision, found),
        "ndcg": (metrics.ndcg, found),
        "mcnemar_exact": (metrics.mcnemar_exact, {"a": a > 0.3, "b": a > 0.1}),
        "sign_flip": (metrics.sign_flip, {"a": a, "b": a[::-1], "n": 9, "generator": generator}),
        "bootstrap_mean": (
            metrics.bootstrap_mean,
            {"a": a, "n": 9, "level": 0.9} | {"generator": generator},
        ),
        "gold_cosine": (geometry.gold_cosine, sets),
        "diameter": (geometry.diameter, sets),
        "centroid": (geometry.centroid, sets),
        "equalised": (geometry.equalised, sets),
        "smallest_cap": (geometry.smallest_cap, sets),
        "rho": (geometry.rho, sets | {"index": index, "ks": [1, 3]}),
        "vector_cosine": (geometry.vector_cosine, {"vectors": unit(3, 2, 4)}),
        "effective_number": (geometry.effective_number, {"vectors": unit(3, 2, 4)}),
        "same_top": (geometry.same_top, {"rows": rows[..., 0]}),
        "write_run": (trec.write_run, {"path": folder / "out.trec", "run": run, "tag": "x"}),
        "read_run": (trec.read_run, {"path": path["run.trec"]}),
        "write_qrels": (trec.write_qrels, {"path": folder / "out.qrels", "examples": examples}),
        "read_qrels": (trec.read_qrels, {"path": path["run.qrels"]}),
        "Example": (Example, {"id": "q", "query": "a query", "golds": ["d1", ["d2", "d3"]]}),
        "Run": (Run, {"rankings": {"q": ["d1", "d2"]}}),
        "Dataset": (Dataset, {"name": "x", "corpus": corpus, "splits": {"test": examples}}),
        "audit": (
            lambda **given: audit(Dataset("x", splits={"test": examples}, **given)),
            {"corpus": corpus},
        ),
        "normalise_text": (splits.normalise_text, {"text": "Some Téxt, here"}),
        "split": (
            splits.split,
            {"examples": examples, "fractions": {"train": 0.5, "test": 0.5}}
            | {"seed": 0, "families": {"q0": 1, "q1": 2, "q2": 3}, "largest": 2.0},
        ),
        "mentions": (cleaning.mentions, {"text": "a b", "aliases": ["b", "c"]}),
        "files.load": (
            files.load,
            {"corpus": path["corpus.jsonl"], "queries": path["asked.jsonl"]},
        ),
        "ambigqa": (ambigqa.load, {"files": {"test": path["ambigqa.json"]}, "min_pairs": 1}),
        "qampari": (
            qampari.load,
            {"files": {"test": path["qampari.jsonl"]}, "min_answers": 1}
            | {"passages": path["corpus.jsonl"]},
        ),
        "encode_cached": (partial(encode_cached, encode=encode, kind="x", model="y"), texts),
        "save_bundle": (
            save_bundle,
            {"folder": folder / "bundle", "kind": "x"}
            | {"config": {"a": 1}, "files": {"a.txt": lambda place: place.write_text("x")}},
        ),
        "load_bundle": (
            load_bundle,
            {"folder": folder / "index", "kind": "amer-lite/faiss-index-2"},
        ),
        "read": (read, {"path": path["run.toml"], "changes": ["train.epochs=3", "retrieve.k=200"]}),
    }


FILES = {
    "corpus.jsonl": '{"id": "d1", "title": "A", "text": "a b"}\n{"id": "d2", "text": "c"}\n',
    "asked.jsonl": "".join(
        f'{{"query": "{name}?", "golds": ["d1", ["d2"]], "split": "{name}"}}\n'
        for name in ("train", "test")
    ),
    "run.trec": "q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\nq2 Q0 d1 1 0.5 x\n",
    "run.qrels": "q1 0 d1 1\nq1 0 d2 2\nq2 0 d1 0\n",
    "ambigqa.json": '[{"id": "1", "question": "q?", "annotations": [{"type": "multipleQAs", '
    '"qaPairs": [{"question": "a?", "answer": ["x"]}, {"question": "b?", "answer": ["y"]}]}]}]',
    "qampari.jsonl": '{"qid": "1", "question_text": "q?", "answer_list": [{"answer_text": "a", '
    '"aliases": ["b"], "proof": [{"proof_text": "a b", "found_in_url": "http://x/wiki/A"}]}]}\n',
    "run.toml": 'folder = "out"\n[data]\nset = "files"\nqueries = "q.jsonl"\ncorpus = "c.jsonl"\n'
    "[lm]\n[lora]\n[train]\nepochs = 2\nm = 2\n[retrieve]\nm = 2\n",
}


def written(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, text in FILES.items():
        (folder / name).write_text(text)
        yield name, folder / name


def fault(error: Exception) -> str | None:
    """What makes an exception no refusal of the library's own."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, TypeError) and (last.filename == __file__ or "os.PathLike" in str(error)):
        return None  # a wrong Python type, at the call itself or as a path
    if isinstance(error, ValidationError) or (isinstance(error, OSError) and error.filename):
        return None
    if last.filename.startswith(HERE) and not isinstance(error, AssertionError):
        return None
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said:.150} ({last.filename}:{last.lineno})"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return table(tmp_path_factory.mktemp("fuzz"))


def test_the_undamaged_calls_are_taken(rows: dict[str, Row]) -> None:
    for call, arguments in rows.values():
        call(**arguments)


def test_whatever_is_damaged_is_taken_or_refused_by_the_library(
    rows: dict[str, Row], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where the empty path leads
    failures = []
    for name, (call, arguments) in rows.items():
        draw = random.Random(name)
        for _ in range(DRAWS):
            argument = draw.choice([*arguments])
            value = damaged(arguments[argument], draw)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    call(**arguments | {argument: value})
            except Exception as error:
                if said := fault(error):
                    failures.append(f"{name}({argument}={value!r:.80}): {said}")
    assert not failures, "\n".join([f"{len(failures)} failures", *failures])
