"""FAISS behind the protocol of :mod:`amer_lite.search.index`, exact or approximate, with files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from amer_lite.search.index import Hits, Rows, Vectors
from amer_lite.storage import load_bundle, save_bundle

_BUNDLE = "amer-lite/faiss-index-1"
_ENGINES = {"flat": faiss.IndexFlat, "ivf": faiss.IndexIVFFlat, "hnsw": faiss.IndexHNSWFlat}
_METRICS = ("cosine", "ip")
_SETTINGS = (
    "dim",
    "kind",
    "metric",
    "nlist",
    "nprobe",
    "m",
    "ef_construction",
    "ef_search",
    "seed",
)
_TRAINING_ROWS = 64  # vectors per IVF list that k-means looks at


class FaissIndex:
    """A faiss index in memory: exact (``flat``) or approximate (``ivf``, ``hnsw``).

    Under ``cosine`` vectors are stored L2-normalised (those within 1e-6 of unit length as they
    are); the caller's arrays are never changed. ``nprobe`` and ``ef_search`` may be set at any time
    and count from the next search on.

    Args:
        dim: dimension of the vectors.
        kind: "flat" compares with every vector; "ivf" with those in the ``nprobe`` nearest of
            ``nlist`` clusters; "hnsw" walks a graph.
        metric: "cosine" or "ip" (inner product). Larger is better.
        nlist: IVF clusters; by default √n, rounded, of the first ``add``, which trains them.
        nprobe: IVF clusters searched.
        m: HNSW links per vector.
        ef_construction: HNSW candidates kept when building.
        ef_search: HNSW candidates kept when searching.
        seed: of the IVF clustering and of the HNSW levels. With several threads faiss may still
            link an HNSW graph a little differently from run to run.

    Raises:
        ValueError: an unknown kind or metric, or a setting below 1 (``m`` below 2).
    """

    def __init__(
        self,
        dim: int,
        *,
        kind: Literal["flat", "ivf", "hnsw"] = "flat",
        metric: Literal["cosine", "ip"] = "cosine",
        nlist: int | None = None,
        nprobe: int = 16,
        m: int = 32,
        ef_construction: int = 80,
        ef_search: int = 64,
        seed: int = 0,
    ) -> None:
        if kind not in _ENGINES:
            raise ValueError(f"FaissIndex: kind {kind!r} is unknown; choose one of {[*_ENGINES]}")
        if metric not in _METRICS:
            raise ValueError(f"FaissIndex: metric {metric!r} is unknown; choose one of {_METRICS}")
        counts = {"dim": dim, "nprobe": nprobe, "m": m}
        counts |= {"ef_construction": ef_construction, "ef_search": ef_search}
        for name, value in (counts if nlist is None else counts | {"nlist": nlist}).items():
            least = 2 if name == "m" else 1  # faiss crashes on a graph of single links
            if value < least:
                raise ValueError(f"FaissIndex: {name}={value!r} must be at least {least}")
        self.dim, self.kind, self.metric, self.nlist, self.nprobe = dim, kind, metric, nlist, nprobe
        self.m, self.ef_construction, self.ef_search = m, ef_construction, ef_search
        self.seed = seed
        self._ids: list[str] = []
        self._taken: set[str] = set()
        self._engine: Any = None  # made by the first add, which knows how many vectors there are

    @property
    def ids(self) -> Sequence[str]:
        """The ids in the order of their rows; not to be changed."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, vectors: Vectors, ids: Sequence[str], *, chunk: int = 16384) -> None:
        """Append vectors; everything is checked before anything is stored.

        Besides faiss's own store only ``chunk`` vectors are copied at a time. The first add to an
        ``ivf`` index trains its clusters, on up to 64·nlist of the given vectors: let it be large
        and typical.

        Args:
            vectors: (n, dim), n ≥ 1, read as float32.
            ids: n non-empty strings, unique within the index.
            chunk: vectors handled at a time.

        Raises:
            ValueError: wrong shape, NaN or infinity, a zero vector under cosine, ids that are
                repeated or do not match, fewer than nlist vectors to train on.
        """
        vectors, lengths = self._checked(vectors, "vectors")
        if isinstance(ids, str):
            raise ValueError(f"add: ids is a single str {ids!r}; pass one id per vector")
        ids = list(ids)
        if len(ids) != len(vectors):
            raise ValueError(f"add: {len(vectors)} vectors but {len(ids)} ids")
        fresh: set[str] = set()
        for row, name in enumerate(ids):
            if not isinstance(name, str) or not name:
                raise ValueError(f"add: id {name!r} (position {row}) is not a non-empty string")
            if name in self._taken or name in fresh:
                raise ValueError(f"add: id {name!r} (position {row}) is there already")
            fresh.add(name)
        parts = _chunks(len(vectors), chunk)
        if self._engine is None:
            self._engine = self._build(vectors, lengths)
        for part in parts:
            self._engine.add(_prepared(vectors[part], lengths[part]))
            self._ids += ids[part]  # with each chunk, so that an interrupted add stays consistent
            self._taken.update(ids[part])

    def search(self, queries: Vectors, k: int, *, chunk: int = 1024) -> Hits:
        """Find the k best rows for each query.

        Args:
            queries: (N, dim), N ≥ 1; contiguous float32 is handed to faiss without a copy.
            k: may exceed the number of stored vectors.
            chunk: queries handled at a time; bounds all memory but the result's.

        Returns:
            scores and rows, (N, k). IVF and HNSW may find fewer than k: −1 and −inf at the end.

        Raises:
            ValueError: an empty index, k < 1, wrong shape, NaN or infinity, a zero vector under
                cosine.
        """
        if not self._ids:
            raise ValueError("search: the index is empty; add vectors first")
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"search: k={k!r} must be an integer of at least 1")
        k = int(k)
        queries, lengths = self._checked(queries, "queries")
        self._tune()
        scores = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        for part in _chunks(len(queries), chunk):
            ready = _prepared(queries[part], lengths[part])
            self._engine.search(ready, k, D=scores[part], I=rows[part])
            if (rows[part, -1] < 0).any():  # faiss pads at the end
                scores[part][rows[part] < 0] = -np.inf
        return Hits(scores, rows)

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors, exact; under cosine the normalised ones.

        Args:
            rows: (r,) integers; repeats are fine.

        Returns:
            (r, dim) float32.

        Raises:
            ValueError: a row that is not in the index (−1 included), or not a flat integer array.
        """
        rows = self._known(rows)
        if rows.ndim != 1:
            raise ValueError(f"vectors: rows of shape {rows.shape}; expected (r,)")
        if not rows.size:
            return np.empty((0, self.dim), dtype=np.float32)
        return self._engine.reconstruct_batch(np.ascontiguousarray(rows))

    def save(self, folder: str | Path) -> None:
        """Write settings, ids and vectors; a save that is interrupted leaves the old one whole.

        Raises:
            ValueError: an empty index.
        """
        if not self._ids:
            raise ValueError("save: the index is empty; add vectors first")
        save_bundle(
            folder,
            _BUNDLE,
            {name: getattr(self, name) for name in _SETTINGS},
            {
                "ids.json": lambda path: path.write_text(json.dumps(self._ids), encoding="utf-8"),
                "index.faiss": lambda path: faiss.write_index(self._engine, str(path)),
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> FaissIndex:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: no saved index in ``folder``, or part of it is missing.
            ValueError: another kind of bundle, a wrong checksum, unknown or missing settings, or
                contents that do not fit together.
        """
        config, paths = load_bundle(folder, _BUNDLE)
        if odd := set(config) ^ set(_SETTINGS):
            raise ValueError(f"{folder}: unknown or missing settings {sorted(odd)}")
        if odd := set(paths) ^ {"ids.json", "index.faiss"}:
            raise ValueError(f"{folder}: unknown or missing files {sorted(odd)}")
        try:
            index = cls(**config)
            ids = json.loads(paths["ids.json"].read_text(encoding="utf-8"))
            engine = faiss.read_index(str(paths["index.faiss"]))
        except (TypeError, ValueError, RuntimeError) as error:  # faiss raises RuntimeError
            raise ValueError(f"{folder}: not a readable index: {error}") from error
        if not isinstance(engine, _ENGINES[index.kind]) or engine.d != index.dim:
            raise ValueError(
                f"{folder}: the file holds {type(engine).__name__} of dimension {engine.d}, the "
                f"settings say {index.kind} of dimension {index.dim}"
            )
        if engine.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(f"{folder}: the file's metric is not the inner product")
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            raise ValueError(f"{folder}: ids.json is not a list of strings")
        if not len(set(ids)) == len(ids) == engine.ntotal:
            raise ValueError(
                f"{folder}: {len(ids)} ids, {len(set(ids))} of them distinct, "
                f"for {engine.ntotal} vectors"
            )
        index._ids, index._taken, index._engine = ids, set(ids), engine
        return index

    def _build(self, vectors: Vectors, lengths: NDArray[np.float64]) -> Any:
        if self.kind == "flat":
            return faiss.IndexFlat(self.dim, faiss.METRIC_INNER_PRODUCT)
        if self.kind == "hnsw":
            engine: Any = faiss.IndexHNSWFlat(self.dim, self.m, faiss.METRIC_INNER_PRODUCT)
            engine.hnsw.efConstruction = self.ef_construction
            engine.hnsw.rng = type(engine.hnsw.rng)(self.seed)
            return engine
        n = len(vectors)
        nlist = self.nlist or round(n**0.5)
        if n < nlist:
            raise ValueError(
                f"add: {n} vectors cannot train nlist={nlist} clusters; "
                f"give the first add at least {nlist}, or set a smaller nlist"
            )
        if n > _TRAINING_ROWS * nlist:
            chosen = np.random.default_rng(self.seed).choice(
                n, _TRAINING_ROWS * nlist, replace=False, shuffle=False
            )
            vectors, lengths = vectors[chosen], lengths[chosen]
        engine = faiss.IndexIVFFlat(
            faiss.IndexFlat(self.dim, faiss.METRIC_INNER_PRODUCT),
            self.dim,
            nlist,
            faiss.METRIC_INNER_PRODUCT,
        )
        engine.cp.seed = self.seed
        engine.cp.min_points_per_centroid = 1  # no warning about small collections
        engine.train(_prepared(vectors, lengths))
        engine.make_direct_map()  # lets vectors() find a row
        self.nlist = nlist
        return engine

    def _tune(self) -> None:
        if self.nprobe < 1 or self.ef_search < 1:
            raise ValueError(
                f"search: nprobe={self.nprobe} and ef_search={self.ef_search} must be at least 1"
            )
        if self.kind == "ivf":
            self._engine.nprobe = self.nprobe
        elif self.kind == "hnsw":
            self._engine.hnsw.efSearch = self.ef_search

    def _known(self, rows: Rows) -> Rows:
        rows = np.asarray(rows)
        if rows.size and rows.dtype.kind not in "iu":
            raise ValueError(f"rows: expected integers, got {rows.dtype}")
        wrong = rows[(rows < 0) | (rows >= len(self))]
        if wrong.size:
            raise ValueError(
                f"rows {wrong[:5].tolist()} are not among the {len(self)} of the index"
            )
        return rows.astype(np.int64, copy=False)

    def _checked(self, vectors: Vectors, what: str) -> tuple[Vectors, NDArray[np.float64]]:
        """The array and, per vector, what to divide it by."""
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim or vectors.dtype.kind not in "fiu":
            raise ValueError(
                f"{what}: expected numbers of shape (n, {self.dim}), "
                f"got {vectors.dtype} {vectors.shape}"
            )
        if not len(vectors):
            raise ValueError(f"{what}: none given, shape {vectors.shape}")
        squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
        wrong = np.flatnonzero(~(squares <= float(np.finfo(np.float32).max) ** 2))
        if wrong.size:
            raise ValueError(f"{what}: rows {wrong[:5].tolist()} are NaN, infinite or too long")
        if self.metric == "ip":
            return vectors, np.ones(len(vectors))
        wrong = np.flatnonzero(squares == 0)
        if wrong.size:
            raise ValueError(
                f"{what}: rows {wrong[:5].tolist()} are zero vectors, which have no cosine; "
                f"drop them or use metric='ip'"
            )
        return vectors, np.where(np.abs(squares - 1) <= 2e-6, 1.0, np.sqrt(squares))


def _chunks(n: int, size: int) -> Iterator[slice]:
    if size < 1:
        raise ValueError(f"chunk={size!r} must be at least 1")
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _prepared(vectors: Vectors, lengths: NDArray[np.float64]) -> Vectors:
    """Divided by their lengths, as faiss reads them; no copy where nothing has to change."""
    scaled = vectors / lengths[:, None] if (lengths != 1).any() else vectors
    return np.ascontiguousarray(scaled, dtype=np.float32)
