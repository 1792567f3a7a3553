"""A corpus too large for memory: embeddings in shards on disk, searched where they lie.

A *shard* is a bundle (see :mod:`amer_lite.storage`) of some ten thousand vectors and their ids. A
search reads all shards once for all queries, so it is exact and needs the memory of one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amer_lite.model.numbers import positive
from amer_lite.search.index import Hits, Rows, Vectors, checked_ids, comparable, known_rows, rows_of
from amer_lite.storage import MANIFEST, load_bundle, save_bundle

_SHARD = "amer-lite/shard-1"
_BLOCK = 1 << 26  # scores in memory at a time


def write_shard(
    folder: Path, vectors: NDArray[Any], ids: Sequence[str], settings: dict[str, Any]
) -> None:
    """Write a shard of n ids and their L2-normalised vectors (n, dim), float32 or float16.

    ``settings``, what it was made from, are given back by :func:`shard_settings`. ValueError:
    vectors of another shape or type, or not within 0.01 of unit length; not n different non-empty
    ids; one with a NUL or half a surrogate pair.
    """
    if vectors.ndim != 2 or not vectors.size or vectors.dtype not in (np.float16, np.float32):
        raise ValueError(f"{folder}: no halves or floats (n, dim): {vectors.dtype} {vectors.shape}")
    lengths = np.linalg.norm(vectors.astype(np.float32, copy=False), axis=1)
    if (wrong := np.flatnonzero(~(np.abs(lengths - 1) < 0.01))).size:
        raise ValueError(f"{folder}: vectors {wrong[:5].tolist()} are not of unit length")
    ids = checked_ids(ids, len(vectors), f"{folder}")
    names = np.array([name.encode(errors="ignore") for name in ids])
    if odd := [a for a, b in zip(ids, names, strict=True) if "\0" in a or b.decode() != a]:
        raise ValueError(f"{folder}: ids {odd[:5]} hold a NUL or half a surrogate pair")
    files = {"vectors.npy": partial(_write, vectors), "ids.npy": partial(_write, names)}
    save_bundle(folder, _SHARD, settings, files)


def _opened(_: Any, paths: dict[str, Path]) -> tuple[NDArray[Any], NDArray[np.bytes_]]:
    return np.load(paths["vectors.npy"], mmap_mode="r"), np.load(paths["ids.npy"])


def _write(array: NDArray[Any], path: Path) -> None:
    with path.open("wb") as file:  # np.save would add .npy to the name
        np.save(file, array)


def shard_settings(folder: Path) -> dict[str, Any] | None:
    """What the shard in ``folder`` was made from; None if there is no whole shard."""
    return load_bundle(folder, _SHARD)[0] if (folder / MANIFEST).exists() else None


class ShardIndex:
    """Exact search over shards on disk, a :class:`~amer_lite.search.index.VectorIndex`.

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
        opened = [load_bundle(part, _SHARD, _opened) for part in parts]
        self._shards = [vectors for vectors, _ in opened]
        widths = {vectors.shape[1] for vectors in self._shards}
        if len(widths) > 1:
            raise ValueError(f"{folder}: shards of dimensions {sorted(widths)}; embed again")
        self.dim: int = widths.pop()
        self.ids = _Ids(np.concatenate([ids for _, ids in opened]))
        self._starts = np.cumsum([0, *map(len, self._shards)])
        self._device = torch.device(device)
        ordered = np.sort(self.ids.names)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise ValueError(f"{folder}: id {twice[0].decode()!r} stands twice in the corpus")

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: Vectors, k: int) -> Hits:
        """The k best rows for each query (N, dim); one pass over the shards for all of them.

        ValueError: k < 1, or queries that cannot be compared.
        """
        k = positive("k", k)
        asked = torch.tensor(comparable(queries, self, "queries"), device=self._device)
        scores = torch.full((len(asked), k), -torch.inf, device=self._device)
        rows = torch.full((len(asked), k), -1, device=self._device)
        for first, block in self._blocks(max(1, _BLOCK // len(asked))):
            numbers = torch.arange(first, first + len(block), device=self._device)
            scores, best = torch.cat([scores, asked @ block.T], 1).topk(k, dim=1)
            rows = torch.cat([rows, numbers.expand(len(asked), -1)], 1).gather(1, best)
        return Hits(scores.cpu().numpy(), rows.cpu().numpy())

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) float32 of rows (r,), as precise as the shards keep them."""
        rows = known_rows(rows, self)
        found = np.empty((len(rows), self.dim), dtype=np.float32)
        for start, vectors in zip(self._starts, self._shards, strict=False):
            local = rows - start
            here = np.flatnonzero((local >= 0) & (local < len(vectors)))
            order = here[np.argsort(local[here])]  # in the order of the disk
            found[order] = vectors[local[order]]
        return found

    def rows(self, ids: Iterable[str]) -> Rows:
        """The rows of these ids in their order, (n,) int64; ValueError names unknown ids."""
        wanted = list(ids)
        return rows_of(wanted, self.known(wanted))

    def known(self, ids: Iterable[str]) -> dict[str, int]:
        """Row by id, for those of ``ids`` that are in the index."""
        words = {name.encode(errors="surrogatepass") for name in ids if isinstance(name, str)}
        wanted = np.array([*words] or [b""])
        found = np.flatnonzero(np.isin(self.ids.names, wanted))
        return {self.ids[row]: row for row in found.tolist()}

    def _blocks(self, size: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The first row and the vectors of each block, at most ``size`` of them."""
        for start, vectors in zip(self._starts, self._shards, strict=False):
            for first in range(0, len(vectors), size):
                block = torch.from_numpy(np.array(vectors[first : first + size]))
                yield int(start) + first, block.to(self._device).float()


class _Ids(Sequence[str]):
    """Ids as bytes of equal width, 20 of them instead of 70 for a str; decoded when asked for."""

    def __init__(self, names: NDArray[np.bytes_]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: Any) -> Any:
        found = self.names[row]
        return _Ids(found) if isinstance(row, slice) else found.decode()
