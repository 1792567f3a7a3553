"""A corpus too large for memory: embeddings in shards on disk, searched where they lie.

A *shard* is a bundle (see :mod:`amer_lite.storage`) of some ten thousand vectors and their ids. A
search reads all shards once for all queries, so it is exact and needs the memory of one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from amer_lite.search.index import Hits, Rows, Vectors
from amer_lite.storage import MANIFEST, load_bundle, save_bundle

_SHARD = "amer-lite/shard-1"
_BLOCK = 1 << 26  # scores in memory at a time


def write_shard(
    folder: Path, vectors: NDArray[Any], ids: Sequence[str], settings: dict[str, Any]
) -> None:
    """Write one shard, atomically.

    Args:
        folder: of this shard.
        vectors: (n, dim) float32 or float16, L2-normalised.
        ids: n.
        settings: what it was made from; :func:`shard_settings` gives them back.
    """
    names = np.array([name.encode() for name in ids])

    def write(array: NDArray[Any], path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, array)

    files = {
        "vectors.npy": lambda path: write(vectors, path),
        "ids.npy": lambda path: write(names, path),
    }
    save_bundle(folder, _SHARD, settings, files)


def shard_settings(folder: Path) -> dict[str, Any] | None:
    """What the shard in ``folder`` was made from; None if there is no whole shard.

    Raises:
        ValueError: a damaged shard.
    """
    return load_bundle(folder, _SHARD)[0] if (folder / MANIFEST).exists() else None


class ShardIndex:
    """Exact search over shards on disk, a :class:`~amer_lite.search.index.VectorIndex`.

    It does not grow: write another shard and open the folder anew.

    Args:
        folder: its subfolders are the shards, in the order of their names.
        device: where scores are computed.

    Raises:
        FileNotFoundError: no shards in ``folder``.
        ValueError: a damaged shard, shards of unequal dimension, or an id that stands twice.
    """

    metric = "cosine"

    def __init__(self, folder: str | Path, *, device: str | torch.device = "cpu") -> None:
        parts = sorted(path for path in Path(folder).glob("*") if (path / MANIFEST).exists())
        if not parts:
            raise FileNotFoundError(f"{folder}: no shards here")
        self._vectors: list[NDArray[Any]] = []
        names: list[NDArray[np.bytes_]] = []
        for part in parts:
            _, files = load_bundle(part, _SHARD)
            self._vectors.append(np.load(files["vectors.npy"], mmap_mode="r"))
            names.append(np.load(files["ids.npy"]))
        widths = {vectors.shape[1] for vectors in self._vectors}
        if len(widths) > 1:
            raise ValueError(f"{folder}: shards of dimensions {sorted(widths)}; embed again")
        self.dim: int = widths.pop()
        self.ids = _Ids(np.concatenate(names))
        self._starts = np.cumsum([0, *map(len, self._vectors)])
        self._device = torch.device(device)
        ordered = np.sort(self.ids.names)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise ValueError(f"{folder}: id {twice[0].decode()!r} stands twice in the corpus")

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: Vectors, k: int, *, chunk: int = 1024) -> Hits:
        """The k best rows for each query; one pass over the shards for all of them.

        Args:
            queries: (N, dim), N ≥ 1.
            k: may exceed the number of vectors.
            chunk: unused; blocks are cut so that their scores fit in memory.

        Raises:
            ValueError: k < 1, wrong shape, NaN or infinity, or a zero vector.
        """
        if k < 1:
            raise ValueError(f"search: k={k!r} must be at least 1")
        queries = np.asarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim or not len(queries):
            raise ValueError(f"search: expected (N ≥ 1, {self.dim}), got {queries.shape}")
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise ValueError("search: a query is zero, NaN or infinite")
        asked = torch.from_numpy(queries / lengths).to(self._device)
        scores = torch.full((len(asked), k), -torch.inf, device=self._device)
        rows = torch.full((len(asked), k), -1, device=self._device)
        for first, block in self._blocks(max(1, _BLOCK // len(asked))):
            found = asked @ block.T
            numbers = torch.arange(first, first + len(block), device=self._device)
            every = torch.cat([scores, found], 1)
            scores, best = every.topk(k, dim=1)
            rows = torch.cat([rows, numbers.expand(len(asked), -1)], 1).gather(1, best)
        return Hits(scores.cpu().numpy(), rows.cpu().numpy())

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) float32 of rows (r,), as precise as the shards keep them.

        Raises:
            ValueError: a row that is not in the index.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(wrong := rows[(rows < 0) | (rows >= len(self))]):
            raise ValueError(f"rows {wrong[:5].tolist()} are not among the {len(self)}")
        found = np.empty((len(rows), self.dim), dtype=np.float32)
        for number, vectors in enumerate(self._vectors):
            local = rows - self._starts[number]
            here = np.flatnonzero((local >= 0) & (local < len(vectors)))
            order = here[np.argsort(local[here])]  # in the order of the disk
            found[order] = vectors[local[order]]
        return found

    def rows(self, ids: Iterable[str]) -> dict[str, int]:
        """Row by id, for those of ``ids`` that are in the index."""
        wanted = np.array([name.encode() for name in dict.fromkeys(ids)] or [b""])
        found = np.flatnonzero(np.isin(self.ids.names, wanted))
        return {self.ids[row]: row for row in found.tolist()}

    def _blocks(self, size: int) -> Iterator[tuple[int, torch.Tensor]]:
        for start, vectors in zip(self._starts[:-1], self._vectors, strict=True):
            for first in range(0, len(vectors), size):
                block = torch.from_numpy(np.array(vectors[first : first + size]))
                yield int(start) + first, block.to(self._device).float()


class _Ids(Sequence[str]):
    """Ids as bytes of equal width, 20 of them instead of 70 for a str; decoded when asked for."""

    def __init__(self, names: NDArray[np.bytes_]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return _Ids(self.names[row])
        return self.names[row].decode()
