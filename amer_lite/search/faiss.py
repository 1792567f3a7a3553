"""FAISS behind the protocol of :mod:`amer_lite.search.index`, exact or approximate, with files."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

if sys.platform == "darwin":
    # The wheels of torch and faiss each bring an OpenMP runtime. Two in one process abort unless
    # this is set before the second comes, and crash when faiss runs on several threads:
    # pytorch/pytorch#149201, faiss-wheels/faiss-wheels#73.
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
    import torch  # noqa: F401  (first: faiss before torch crashes torch)

import faiss
import numpy as np

from amer_lite.model.numbers import positive
from amer_lite.search.index import Hits, Rows, Vectors, checked_ids, comparable, known_rows, rows_of
from amer_lite.storage import load_bundle, save_bundle

if sys.platform == "darwin":
    faiss.omp_set_num_threads(1)

_BUNDLE = "amer-lite/faiss-index-2"


class FaissIndex:
    """A faiss index in memory, exact or approximate, with ids.

    Under ``cosine`` vectors are stored L2-normalised (those within 1e-6 of unit length as they
    are). The same vectors make the same index; with several threads faiss may link an HNSW graph a
    little differently from run to run.

    Args:
        dim: dimension of the vectors.
        factory: a string of ``faiss.index_factory``: "Flat" compares with every vector,
            "IVF256,Flat" with those of the nearest of 256 clusters (√n are usual), "HNSW32" walks a
            graph of 32 links a vector, "SQ8" keeps a byte a number, "PQ48" 48 bytes a vector.
        metric: "cosine" or "ip" (inner product). Larger is better.
        search: options of ``faiss.ParameterSpace``, such as "nprobe=16" (clusters to search) or
            "efSearch=64,efConstruction=80" (candidates kept). faiss's own if empty: nprobe=1 and
            efSearch=16, both low.

    Raises:
        ValueError: an unknown metric, a dimension below 1, a string that faiss cannot read.
    """

    def __init__(
        self,
        dim: int,
        factory: str = "Flat",
        metric: Literal["cosine", "ip"] = "cosine",
        search: str = "",
    ) -> None:
        if metric not in ("cosine", "ip"):
            raise ValueError(f"FaissIndex: metric {metric!r} is unknown; choose cosine or ip")
        if re.search(r"(HNSW|NSG)1(?!\d)|[A-Za-z]0(?!\d)", factory):  # crash faiss or never end
            said = "a count of 0, or a graph with fewer than two links a vector"
            raise ValueError(f"FaissIndex: factory {factory!r}: {said}")
        self.dim, self.factory, self.metric = positive("FaissIndex: dim", dim), factory, metric
        with _refused(f"FaissIndex: factory {factory!r} for dimension {dim}"):
            self._engine: Any = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        if self._engine.metric_type != faiss.METRIC_INNER_PRODUCT:  # such as HNSW32_PQ4
            raise ValueError(f"FaissIndex: factory {factory!r} knows distances only")
        if (clusters := faiss.try_extract_index_ivf(self._engine)) is not None:
            clusters.make_direct_map()  # lets vectors() find a row
        self._ids: list[str] = []
        self._row: dict[str, int] = {}
        self.tune(search)

    def tune(self, search: str) -> None:
        """Search with these options from now on; see ``search`` above."""
        space: Any = faiss.ParameterSpace()  # whose stubs do not know that it takes a string
        with _refused(f"FaissIndex: search {search!r} for factory {self.factory!r}"):
            space.set_index_parameters(self._engine, search)
        self.search_options = search

    @property
    def ids(self) -> Sequence[str]:
        """The ids in the order of their rows; not to be changed."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, vectors: Vectors, ids: Sequence[str]) -> None:
        """Append vectors (n ≥ 1, dim); everything is checked before anything is stored.

        The first to be added train an index of clusters or codes: let them be many and typical.
        ValueError: what :func:`~amer_lite.search.index.comparable` refuses; not n different new
        non-empty ids; too few vectors to train on.
        """
        vectors = comparable(vectors, self, "vectors")
        ids = checked_ids(ids, len(vectors), "add")
        if twice := [name for name in ids if name in self._row]:
            raise ValueError(f"add: ids {twice[:5]} are there already")
        if not self._engine.is_trained:
            with _refused(f"add: {len(vectors)} vectors cannot train {self.factory!r}"):
                self._engine.train(vectors)
        with _refused(f"add: factory {self.factory!r}"):
            self._engine.add(vectors)
        self._row.update(zip(ids, range(len(self), len(self) + len(ids)), strict=True))
        self._ids += ids

    def search(self, queries: Vectors, k: int) -> Hits:
        """The k best rows for each of the queries (N ≥ 1, dim), where there are so many.

        IVF and HNSW may find fewer than there are: −1 and −inf stand at the end. ValueError: an
        empty index, k < 1, queries that cannot be compared.
        """
        if not self._ids:
            raise ValueError("search: the index is empty; add vectors first")
        k, queries = positive("k", k), comparable(queries, self, "queries")
        with _refused(f"search: options {self.search_options!r}"):
            scores, rows = self._engine.search(queries, k)
        if (rows[:, -1] < 0).any():  # faiss pads at the end
            scores[rows < 0] = -np.inf
        return Hits(scores, rows)

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) float32 of rows (r,), under cosine the normalised ones.

        Exact for Flat, IVF and HNSW; for codes (SQ, PQ, …) what faiss makes of them again.
        ValueError names rows that are not in the index.
        """
        rows = known_rows(rows, self)
        return self._engine.reconstruct_batch(np.ascontiguousarray(rows))

    def rows(self, ids: Iterable[str]) -> Rows:
        """The rows of these ids in their order, (n,) int64; ValueError names unknown ids."""
        return rows_of(ids, self._row)

    def save(self, folder: str | Path) -> None:
        """Write settings, ids and vectors; a save that is interrupted leaves the old one whole."""
        settings = {"dim": self.dim, "factory": self.factory, "metric": self.metric}
        writers = {
            "ids.json": lambda path: path.write_text(json.dumps(self._ids), encoding="utf-8"),
            "index.faiss": lambda path: faiss.write_index(self._engine, str(path)),
        }
        save_bundle(folder, _BUNDLE, settings | {"search": self.search_options}, writers)

    @classmethod
    def load(cls, folder: str | Path) -> FaissIndex:
        """Read what :meth:`save` wrote.

        FileNotFoundError: no saved index in ``folder``, or part of it is missing. ValueError:
        another kind of bundle, a wrong checksum, or unknown settings.
        """
        return load_bundle(folder, _BUNDLE, cls._opened)

    @classmethod
    def _opened(cls, config: dict[str, Any], paths: dict[str, Path]) -> FaissIndex:
        index = cls(**config)
        index._engine = faiss.read_index(str(paths["index.faiss"]))
        index._ids = json.loads(paths["ids.json"].read_text(encoding="utf-8"))
        index._row = {name: row for row, name in enumerate(index._ids)}
        index.tune(index.search_options)
        return index


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """What faiss complains of is the caller's ValueError."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{what}: {error}") from error
