"""Documents that are trained: the loop, and the recorded run of chapter 17."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from amer_book import joint, records
from amer_book.runs import documents

from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    Prefix,
    SentenceEncoder,
    TrainConfig,
    TrainData,
    fit,
)
from amer_lite.datasets.types import Dataset, Example

EMBEDDINGS = F.normalize(torch.randn(8, 6, generator=torch.Generator().manual_seed(0)), dim=-1)
QUERIES = Prefix(EMBEDDINGS[:4, None].clone(), torch.ones(4, 1, dtype=torch.bool))
DATA = TrainData(QUERIES, [[0, 4], [1, 5], [2, 6], [3, 7]], EMBEDDINGS)


def new_model() -> AMER:
    torch.manual_seed(0)
    return AMER(AMERConfig(6, DecoderConfig(state_dim=6, width=8, layers=1, heads=2)))


def config(steps: int) -> TrainConfig:
    return TrainConfig(steps=steps, m=1, batch_size=4, learning_rate=0.05, evaluate_every=steps)


def test_over_frozen_documents_it_is_the_librarys_training() -> None:
    ours, theirs = new_model(), new_model()
    joint.fit_both(ours, EMBEDDINGS.__getitem__, DATA, config(1))
    fit(theirs, DATA, config(1), lambda model: 0.0, progress=False)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        # AdamW here decays vectors, too: by 0.05 · 0.01 of a weight.
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=0)


def test_in_a_table_the_golds_of_a_query_move_together() -> None:
    table, seen = joint.DocumentTable(EMBEDDINGS), list[int]()
    rows = torch.tensor(DATA.golds)
    cosine = F.cosine_similarity(*table(rows).unbind(1))
    joint.fit_both(new_model(), table, DATA, config(40), seen.append)
    after = F.cosine_similarity(*table(rows).unbind(1))
    assert seen == [0, 40]
    assert (after > cosine).all()
    assert (after - cosine).mean() > 0.3


def test_a_map_starts_as_the_identity_and_moves_documents_that_were_never_golds() -> None:
    documents = joint.DocumentMap(EMBEDDINGS, width=8)
    everything = torch.arange(8)
    torch.testing.assert_close(documents(everything), EMBEDDINGS)
    few = TrainData(QUERIES.select([0, 1]), [[0], [1]], EMBEDDINGS)
    joint.fit_both(new_model(), documents, few, config(3))
    assert ((documents(everything) - EMBEDDINGS).norm(dim=-1) > 1e-3).all()


TEXTS = ["a bird", "a machine that lifts heavy things", "a bank of a river", "money", "a crane"]


def test_an_encoder_with_adapters_starts_as_the_frozen_one() -> None:
    embeddings = torch.from_numpy(SentenceEncoder(cache=False).embed(TEXTS))
    documents = joint.DocumentEncoder(TEXTS)
    rows = torch.tensor([[4, 0, 4], [1, 1, 3]])
    with torch.no_grad():
        torch.testing.assert_close(documents(rows), embeddings[rows], atol=1e-5, rtol=0)
    rounded = documents(rows)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, embeddings[rows], atol=0.01, rtol=0)


def test_it_reads_each_text_of_a_batch_once() -> None:
    documents, read = joint.DocumentEncoder(TEXTS), list[list[int]]()
    rows = torch.tensor([[2, 0], [2, 1], [0, 2]])
    documents.body.register_forward_pre_hook(
        lambda body, _, inputs: read.append(inputs["input_ids"].tolist()), with_kwargs=True
    )
    with torch.no_grad():
        together = documents(rows)
        assert len(read) == 1 and len(read[0]) == 3
        alone = torch.stack([documents(torch.tensor(row)) for row in range(3)])
    torch.testing.assert_close(together, alone[rows], atol=1e-6, rtol=0)


def test_of_the_encoder_only_adapters_are_trained() -> None:
    documents, rows = joint.DocumentEncoder(TEXTS), torch.arange(5)
    before = {name: weight.clone() for name, weight in documents.named_parameters()}
    with torch.no_grad():
        start = documents(rows)
    torch.manual_seed(0)
    model = AMER(AMERConfig(384, DecoderConfig(state_dim=384, width=8, layers=1, heads=2)))
    data = TrainData(Prefix(start[:4, None], QUERIES.mask), [[0, 4], [1], [2], [3]], start)
    joint.fit_both(model, documents, data, config(2))
    changed = {
        n for n, weight in documents.named_parameters() if not torch.equal(weight, before[n])
    }
    assert changed == {name for name in before if "lora_" in name}
    assert changed == {n for n, weight in documents.named_parameters() if weight.grad is not None}
    with torch.no_grad():
        assert ((documents(rows) - start).norm(dim=-1) > 1e-3).all()


def test_the_recorded_run_tunes_tests_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["crane", "seal", "bank", "bat", "club", "bow"]
    corpus = {f"{name}-{i}": f"{name} of kind {i}" for name in names for i in (1, 2)}
    examples = [Example(name, name, [f"{name}-1", f"{name}-2"]) for name in names]
    splits = {"train": examples[:4], "dev": examples[4:5], "test": examples[5:]}
    tiny = {"tags": lambda: Dataset("tiny", corpus, splits, "made up")}
    for name, value in {"WORLDS": tiny, "STEPS": 1, "EVERY": 1, "SEEDS": (1,)}.items():
        monkeypatch.setattr(documents, name, value)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["documents", "tags"])
    documents.main()
    written = (tmp_path / "documents.jsonl").read_text()
    documents.main()
    assert (tmp_path / "documents.jsonl").read_text() == written
    found = records.read("documents")
    on_test = records.select(found, split="test", metric="mrecall", k=10)
    assert [(r["model"], r["m"], r["documents"]) for r in on_test] == [
        *(("single", 1, kind) for kind in ("frozen", "trained", "encoder")),
        *(("amer-mixture", 4, kind) for kind in ("frozen", "trained", "encoder")),
        ("blind", 1, "trained"),
    ]  # fmt: skip
    tuning = records.select(found, seed=0)
    assert {r["split"] for r in tuning} == {"dev"}
    grid = {tuple(r[name] for name in documents.Point._fields) for r in tuning}
    assert grid == set(documents.GRID)
