from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from amer_book import retrievers
from amer_book.retrievers import (
    BM25,
    Dense,
    LateInteraction,
    PooledStates,
    Splade,
    gold_distance,
    gold_ranks,
    static_embed,
)

from amer_lite.encoders.sentence import SentenceEncoder
from tests.tiny_lm import save_tiny_lm

TEXTS = [
    "a large wading bird",
    "a machine that lifts heavy objects",
    "a bird of the marshes",
    "money paid for the use of a machine",
]


def test_gold_ranks_order_ties_by_row_and_mark_what_is_not_returned() -> None:
    scores = np.array([[0.5, 0.9, 0.5, -np.inf], [-np.inf, 0.1, -np.inf, -np.inf]], np.float32)
    ranks = gold_ranks(scores, [[0, 1, 2, 3], [2, 1]])
    assert [one.tolist() for one in ranks] == [[2, 1, 3, 5], [5, 1]]


def test_gold_distance_is_the_mean_over_pairs() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], np.float32)
    retriever = Dense(lambda texts: vectors, ["a", "b", "c"])
    distance = gold_distance(retriever, [[0, 1], [0, 2], [0, 1, 2]])
    assert distance.tolist() == pytest.approx([1, 0, 2 / 3])


def test_bm25_returns_what_shares_a_word_and_scores_by_the_formula() -> None:
    retriever = BM25(TEXTS)
    scores = retriever.scores(["birds", "bird", "the bird bird", "marshes"])
    assert np.isneginf(scores[0]).all()  # nothing is stemmed
    assert np.isfinite(scores[1]).tolist() == [True, False, True, False]
    assert scores[2] == pytest.approx(2 * scores[1])  # stop words count for nothing
    lengths = [3, 4, 2, 4]  # without stop words
    k1, b, frequency = 1.5, 0.75, 1
    rarity = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    norm = frequency + k1 * (1 - b + b * lengths[2] / np.mean(lengths))
    assert scores[3, 2] == pytest.approx(rarity * frequency / norm, rel=1e-5)
    similarity = retriever.similarity([0, 1, 2])
    assert np.diag(similarity) == pytest.approx(1)
    assert similarity[0, 1] == 0 < similarity[0, 2] < 1


def test_another_content_of_a_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name, digests = retrievers.MODELS["static_model"]
    for file in digests:
        other = {"static_model": (name, {**digests, file: "0" * 64})}
        monkeypatch.setattr(retrievers, "MODELS", other)
        retrievers._checked.cache_clear()
        with pytest.raises(ValueError, match=rf"{file}: sha256 {digests[file]}, expected 0000"):
            static_embed(TEXTS)


@pytest.mark.parametrize("texts", ["bank", []])
def test_a_bare_text_is_no_list_of_letters(texts: Any) -> None:
    for call in (BM25, BM25(TEXTS).scores, static_embed):
        with pytest.raises(ValueError, match="pass a list of at least one text"):
            call(texts)


def test_documents_without_words() -> None:
    with pytest.raises(ValueError, match="no document has a word"):
        BM25(["the of", "a"])


def test_rows_that_there_are_not() -> None:
    with pytest.raises(ValueError, match=r"golds \[0, -1\] are no rows of 2 documents"):
        gold_ranks(np.zeros((1, 2), np.float32), [[0, -1]])
    with pytest.raises(ValueError, match=r"two golds or more of a query, got \[1\]"):
        gold_distance(BM25(TEXTS), [[0, 1], [1]])


def test_static_vectors_have_length_one() -> None:
    vectors = static_embed(TEXTS)
    assert vectors.shape == (4, 64) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


def test_splade_equals_the_library_of_sentence_transformers() -> None:
    modules = pytest.importorskip("sentence_transformers.sparse_encoder.modules")
    transformer = pytest.importorskip("sentence_transformers.base.modules").Transformer
    from sentence_transformers import SparseEncoder

    retriever = Splade(TEXTS)
    path = retriever.tokenizer.name_or_path
    body = transformer(path, transformer_task="fill-mask")
    reference = SparseEncoder(modules=[body, modules.SpladePooling("max")], device="cpu")
    queries = ["crane", "a big bird by the water"]
    wanted = reference.encode(queries, convert_to_sparse_tensor=False)
    np.testing.assert_allclose(retriever.expand(queries).toarray(), wanted.cpu(), atol=1e-4)
    documents = reference.encode(TEXTS, convert_to_sparse_tensor=False)
    scores = (wanted @ documents.T).cpu().numpy()
    scores[scores == 0] = -np.inf
    np.testing.assert_allclose(retriever.scores(queries), scores, rtol=1e-3)
    assert np.diag(retriever.similarity([0, 2, 3])) == pytest.approx(1)


def test_late_interaction_is_maxsim() -> None:
    encoder = SentenceEncoder(cache=False)
    retriever = LateInteraction(encoder, TEXTS)
    queries = ["crane", "lifting heavy things"]
    states = encoder.token_states([*queries, *TEXTS])
    texts = [
        torch.nn.functional.normalize(values[mask], dim=-1)
        for values, mask in zip(states.values, states.mask, strict=True)
    ]
    wanted = [[(q @ d.T).amax(1).mean().item() for d in texts[2:]] for q in texts[:2]]
    scores = retriever.scores(queries)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    similarity = retriever.similarity([0, 2, 1])
    np.testing.assert_allclose(similarity, similarity.T)
    assert np.diag(similarity) == pytest.approx(1, abs=1e-5)


def test_pooled_states_are_centred_means_of_one_layer(tmp_path: Path) -> None:
    texts = ["bank river", "money", "the bird has several meanings"]
    folder = save_tiny_lm(tmp_path / "lm")
    retriever = Dense(PooledStates(layer=2, name=folder, cache=False), texts)
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    pooled = []
    for text in texts:
        out = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        states = out.hidden_states[2][0].detach()
        pooled.append((states / states.square().mean(-1, keepdim=True).sqrt()).mean(0))
    centred = torch.stack(pooled) - torch.stack(pooled).mean(0)
    wanted = torch.nn.functional.normalize(centred, dim=-1)
    np.testing.assert_allclose(retriever.vectors, wanted, atol=1e-4)
    np.testing.assert_allclose(retriever.scores(texts), wanted @ wanted.T, atol=1e-4)
