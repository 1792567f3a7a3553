"""Shards on disk are searched as one exact index is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amer_lite.search import shards
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.shards import ShardIndex, shard_settings, write_shard

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(50, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
IDS = [f"passage-{'é' * (i % 3)}{i}" for i in range(50)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, (start, stop) in enumerate(pairwise([0, 20, 21, 50])):
        write_shard(tmp_path / f"{number:05d}", VECTORS[start:stop], IDS[start:stop], {"n": number})
    return tmp_path


@pytest.mark.parametrize("block", [1 << 26, 16])
def test_the_same_hits_as_faiss(folder: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_BLOCK", block)
    index, flat = ShardIndex(folder), FaissIndex(8)
    flat.add(VECTORS, IDS)
    queries = RNG.normal(size=(5, 8)).astype(np.float32)
    for k in (1, 7, 60):
        found, expected = index.search(queries, k), flat.search(queries, k)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
        assert found.scores.dtype == np.float32 and found.rows.dtype == np.int64
    assert list(index.ids) == IDS and index.dim == 8 and len(index) == 50
    assert list(index.ids[2:4]) == IDS[2:4]
    rows = np.array([49, 0, 20, 0, 21])
    np.testing.assert_array_equal(index.vectors(rows), VECTORS[rows])
    np.testing.assert_array_equal(index.rows([IDS[row] for row in rows]), rows)
    assert index.known([IDS[30], "nowhere", IDS[2]]) == {IDS[2]: 2, IDS[30]: 30}
    assert index.known([]) == {} and index.rows([]).shape == (0,)


def test_half_precision_halves_the_disk(folder: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "half" / "0", VECTORS.astype(np.float16), IDS, {})
    half = ShardIndex(tmp_path / "half")
    np.testing.assert_allclose(half.vectors(np.arange(50)), VECTORS, atol=5e-4)
    size = next((tmp_path / "half" / "0").glob("vectors*")).stat().st_size
    assert size == 128 + 50 * 8 * 2  # numpy's header and two bytes a number


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.search(VECTORS[0], 1), r"8\), got float32 \(8,\)"),
        (lambda index: index.search(VECTORS[:1], 0), "k=0"),
        (lambda index: index.search(np.zeros((1, 8)), 1), "zero"),
        (lambda index: index.search(np.full((1, 8), np.nan), 1), "NaN"),
        (lambda index: index.vectors(np.array([-1, 3, 50])), r"rows \[-1, 50\]"),
        (lambda index: index.rows(["nowhere", IDS[0]]), r"ids \['nowhere'\]"),
    ],
)
def test_bad_input_is_named(call: Any, message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        call(ShardIndex(folder))


def test_bad_shards_are_named(folder: Path, tmp_path: Path) -> None:
    assert shard_settings(folder / "00001") == {"n": 1} and shard_settings(folder / "9") is None
    with pytest.raises(FileNotFoundError, match="no shards here"):
        ShardIndex(tmp_path / "nothing")
    write_shard(folder / "00003", VECTORS[:1], IDS[:1], {})
    with pytest.raises(ValueError, match="id 'passage-0' stands twice in the corpus"):
        ShardIndex(folder)
    write_shard(folder / "00003", VECTORS[:1, :4], ["other"], {})
    with pytest.raises(ValueError, match=r"shards of dimensions \[4, 8\]"):
        ShardIndex(folder)
    (file,) = (folder / "00000").glob("vectors*")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="checksum differs"):
        ShardIndex(folder)
