"""Shards on disk: what they keep, and what is refused when they are written or read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amer_lite.search.faiss import FaissIndex
from amer_lite.search.shards import ShardIndex, shard_settings, write_shard
from tests.test_index import CORPUS, DIM, folder, names, unit

__all__ = ["folder"]  # a fixture


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        *((np.float16, scale) for scale in (1e-3, 1, 3e3)),
        *((np.float32, scale) for scale in (1e-40, 1e-30, 300, 1e20, 1e30)),
        *((np.float64, scale) for scale in (1e-30, 1e90)),
        (np.longdouble, 1),
    ],
)
def test_directions_have_no_scale(kind: Any, scale: float, folder: Path) -> None:
    index = FaissIndex(DIM)
    index.add((CORPUS[:50] * kind(scale)), names(50))
    np.testing.assert_allclose(index.vectors(np.arange(50)), unit(CORPUS[:50]), atol=2e-3)
    queries = unit(CORPUS[:50]) * kind(scale)
    for one in (index, ShardIndex(folder)):
        np.testing.assert_array_equal(one.search(queries, 1).rows[:, 0], np.arange(50))


def test_half_precision_halves_the_disk(tmp_path: Path) -> None:
    write_shard(tmp_path / "0", unit(CORPUS).astype(np.float16), names(2000), {})
    found = ShardIndex(tmp_path).vectors(np.arange(2000))
    np.testing.assert_allclose(found, unit(CORPUS), atol=5e-4)
    size = next((tmp_path / "0").glob("vectors*")).stat().st_size
    assert size == 128 + 2000 * DIM * 2  # numpy's header and two bytes a number


def test_bad_shards_are_named(folder: Path) -> None:
    assert shard_settings(folder / "00001") == {"n": 1} and shard_settings(folder / "9") is None
    with pytest.raises(FileNotFoundError, match="no shards here"):
        ShardIndex(folder / "nothing")
    write_shard(folder / "00003", unit(CORPUS[:1]), ["é0"], {})
    with pytest.raises(ValueError, match="id 'é0' stands twice in the corpus"):
        ShardIndex(folder)
    write_shard(folder / "00003", unit(CORPUS[:1, :4]), ["other"], {})
    with pytest.raises(ValueError, match=r"shards of dimensions \[4, 16\]"):
        ShardIndex(folder)
    (file,) = (folder / "00000").glob("vectors*")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="checksum differs"):
        ShardIndex(folder)


ONE = unit(CORPUS[:3])


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        (ONE, ["a", "b"], "3 vectors but 2 ids"),
        (ONE, "abc", "3 vectors but one str"),
        (ONE, ["a", "b", "a"], r"id 'a' stands twice"),
        (ONE, ["a", "", 5], r"\['', 5\] are not non-empty"),
        (ONE, ["a", "b", "c\0"], r"hold a NUL"),
        (ONE, ["a", "b", "\ud800"], r"half a surrogate pair"),
        (ONE[0], ["a"], r"float32 \(16,\)"),
        (ONE[:0], [], r"\(0, 16\)"),
        (ONE.astype(int), ["a", "b", "c"], "int64"),
        (np.vstack([ONE[:2], ONE[:1] * 5]), ["a", "b", "c"], r"vectors \[2\] are not of unit"),
        (np.vstack([ONE[:2], ONE[:1] * np.nan]), ["a", "b", "c"], r"vectors \[2\] are not of"),
    ],
)
def test_a_shard_is_checked_when_it_is_written(
    vectors: Any, ids: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path / "0", vectors, ids, {})
    assert not list(tmp_path.iterdir())
