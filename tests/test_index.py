"""Indexes in memory and on disk against brute force; what is saved, what is refused."""

from __future__ import annotations

import inspect
import json
import os
import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from amer_lite.search import shards
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.index import Vectors, search_sets
from amer_lite.search.shards import ShardIndex, write_shard
from amer_lite.storage import MANIFEST, save_bundle

DIM = 16
faiss.omp_set_num_threads(1)
EXACT = ["Flat", "IVF45,Flat", "HNSW32", "IVF4,PQ4x4,RFlat"]  # keep whole vectors
WIDE = {"IVF45,Flat": "nprobe=16", "HNSW32": "efSearch=64,efConstruction=80"}


def clustered(n: int, seed: int) -> Vectors:
    """Points around 40 centres, lengths far from 1."""
    centres = np.random.default_rng(99).standard_normal((40, DIM))
    generator = np.random.default_rng(seed)
    points = centres[generator.integers(40, size=n)] + 0.3 * generator.standard_normal((n, DIM))
    return (points * generator.uniform(0.5, 2, (n, 1))).astype(np.float32)


def names(n: int) -> list[str]:
    return [f"é{row}" for row in range(n)]


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


CORPUS = clustered(2000, 1)
QUERIES = clustered(50, 2)


def filled(n: int = 2000, **settings: Any) -> FaissIndex:
    index = FaissIndex(DIM, **settings)
    index.add(CORPUS[:n], names(n))
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The first 50 of the corpus in three shards."""
    for number, (start, stop) in enumerate(pairwise([0, 20, 21, 50])):
        vectors, ids = unit(CORPUS[start:stop]), names(50)[start:stop]
        write_shard(tmp_path / f"{number:05d}", vectors, ids, {"n": number})
    return tmp_path


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_flat_is_brute_force(metric: Any) -> None:
    hits = filled(metric=metric).search(QUERIES, 20)
    np.testing.assert_array_equal(CORPUS, clustered(2000, 1))  # the caller's arrays stay
    np.testing.assert_array_equal(QUERIES, clustered(50, 2))
    scores = unit(QUERIES) @ unit(CORPUS).T if metric == "cosine" else QUERIES @ CORPUS.T
    rows = np.argsort(-scores, axis=1)[:, :20]
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, rows, 1), rtol=1e-5)
    assert (hits.scores.dtype, hits.rows.dtype) == (np.float32, np.int64)


def share_found(index: FaissIndex, exact: FaissIndex) -> float:
    """Of the exact top 10, over all queries."""
    wanted, found = (one.search(QUERIES, 10).rows for one in (exact, index))
    return float(np.mean([np.isin(a, b) for a, b in zip(wanted, found, strict=True)]))


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize("factory", WIDE)
def test_approximate_finds_nearly_all(factory: str, metric: Any) -> None:
    exact = filled(metric=metric)
    index, again = (filled(metric=metric, factory=factory, search=WIDE[factory]) for _ in range(2))
    np.testing.assert_array_equal(index.search(QUERIES, 9).rows, again.search(QUERIES, 9).rows)
    usual = share_found(index, exact)
    option = WIDE[factory].split("=")[0]
    index.tune(f"{option}=1")
    assert share_found(index, exact) < 0.999
    index.tune(f"{option}=2000")
    assert 0.9 < usual <= share_found(index, exact) > 0.99


@pytest.mark.parametrize("factory", ["Flat", "IVF2,Flat", "HNSW32"])
def test_too_few_hits_are_padded(factory: str) -> None:
    hits = filled(20, factory=factory, metric="ip").search(QUERIES[:3], 25)
    assert (hits.rows[:, 20:] == -1).all()
    assert ((hits.rows == -1) == (hits.scores == -np.inf)).all()
    assert all(sorted(row[row >= 0]) == sorted(set(row[row >= 0])) for row in hits.rows)


@pytest.mark.parametrize("factory", [*EXACT, "SQ8", "IVF4,PQ4x4"])
def test_vectors_are_the_stored_ones(factory: str) -> None:
    rows = np.array([1999, 0, 7, 7])
    inner, cosine = filled(factory=factory, metric="ip"), filled(factory=factory)
    if factory in EXACT:
        np.testing.assert_array_equal(inner.vectors(rows), CORPUS[rows])
        np.testing.assert_allclose(cosine.vectors(rows), unit(CORPUS[rows]), rtol=1e-6)
    else:
        similar = (cosine.vectors(np.arange(2000)) * unit(CORPUS)).sum(1)
        assert 0.8 < similar.mean() < 0.99999
    assert inner.vectors(inner.rows([])).shape == (0, DIM)
    found = inner.rows(f"é{row}" for row in rows)
    assert found.dtype == np.int64 and found.tolist() == rows.tolist()


def test_search_sets_is_one_search_per_set() -> None:
    index = filled()
    vectors = QUERIES.reshape(10, 5, DIM)
    hits = search_sets(index, vectors, 4)
    assert hits.scores.shape == hits.rows.shape == (10, 5, 4)
    for rows, vector_set in zip(hits.rows, vectors, strict=True):
        np.testing.assert_array_equal(rows, index.search(vector_set, 4).rows)
    for bad in (QUERIES, vectors[:0], vectors[:, :, :3]):
        with pytest.raises(ValueError, match="search_sets: expected"):
            search_sets(index, bad, 4)


def test_other_layouts_types_and_pieces_change_nothing() -> None:
    index = filled(metric="ip")
    expected = index.search(QUERIES, 5).rows
    queries: Any
    for queries in (np.asfortranarray(QUERIES), QUERIES.repeat(2, 0)[::2], QUERIES.astype(float)):
        np.testing.assert_array_equal(index.search(queries, 5).rows, expected)
    pieces = FaissIndex(DIM, metric="ip")
    pieces.add(CORPUS[:701], dict.fromkeys(names(701)).keys())  # type: ignore[arg-type]
    pieces.add(CORPUS[701:], names(2000)[701:])
    assert list(pieces.ids) == list(index.ids) == names(2000)
    np.testing.assert_array_equal(pieces.search(QUERIES, 5).rows, expected)


def test_extreme_lengths_survive_the_cosine() -> None:
    small, index = FaissIndex(2), FaissIndex(DIM)
    small.add(np.array([[3e-40, 4e-40], [3e37, 4e37]], dtype=np.float32), ["short", "long"])
    np.testing.assert_allclose(small.vectors(np.arange(2)), [[0.6, 0.8]] * 2, rtol=1e-3)
    index.add(unit(CORPUS), names(2000))
    np.testing.assert_array_equal(index.vectors(np.arange(2000)), unit(CORPUS))  # as they are


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize(("factory", "search"), [("Flat", ""), ("SQ8", ""), *WIDE.items()])
def test_round_trip(factory: str, search: str, metric: Any, tmp_path: Path) -> None:
    index = FaissIndex(DIM, factory, metric, search)
    strange = ["a\nb", "a", " a", "é\u2028", '"', "\ud800", "a\r"]
    index.add(CORPUS, strange + names(2000 - len(strange)))
    index.save(tmp_path)
    settings = json.loads((tmp_path / MANIFEST).read_text())["config"]
    assert settings == {"dim": DIM, "factory": factory, "metric": metric, "search": search}
    loaded = FaissIndex.load(tmp_path)
    assert list(loaded.ids) == list(index.ids) and loaded.rows(["\ud800"]) == [5]
    for mine, theirs in zip(loaded.search(QUERIES, 9), index.search(QUERIES, 9), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    loaded.add(CORPUS[:1], ["new"])
    np.testing.assert_array_equal(loaded.vectors(np.array([2000])), index.vectors(np.array([0])))


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    config = {"dim": DIM, "factory": "Flat", "metric": "cosine", "search": "", "colour": 1}
    save_bundle(tmp_path, "amer-lite/faiss-index-2", config, {})
    with pytest.raises(ValueError, match=r"not a sound .*colour"):
        FaissIndex.load(tmp_path)


def ending_in(value: float) -> Vectors:
    return np.vstack([CORPUS[:2], np.full(DIM, value, np.float32)])


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        (CORPUS[:0], "", r"vectors: .*\(0, 16\)"),
        (CORPUS[0], "x", r"vectors: .*float32 \(16,\)"),
        (CORPUS[:3, :3], "xyz", r"vectors: .*\(3, 3\)"),
        (np.array([["a"] * DIM]), "x", "vectors: .*<U1"),
        (ending_in(np.nan), "xyz", r"vectors: rows \[2\] are NaN"),
        (ending_in(-np.inf), "xyz", r"vectors: rows \[2\]"),
        (ending_in(0), "xyz", r"vectors: rows \[2\] .*zero"),
        (CORPUS[:3], [*"xyx"], r"id 'x' stands twice"),
        (CORPUS[:3], ["x", "é3", "y"], r"\['é3'\]"),
        (CORPUS[:3], "xyz", "3 vectors but one str"),
        (CORPUS[:3], [*"xy"], "3 vectors but 2 ids"),
        (CORPUS[:3], ["x", 5, ""], r"\[5, ''\] are not non-empty strings"),
    ],
)
def test_a_refused_addition_changes_nothing(vectors: Any, ids: Any, message: str) -> None:
    index = filled(10)
    with pytest.raises(ValueError, match=message):
        index.add(vectors, ids)
    assert list(index.ids) == names(10) and index.search(QUERIES, 11).rows.max() == 9
    index.add(CORPUS[:3], ["x", "y", "z"])  # the refused ids are free


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *(
            (lambda f=f: FaissIndex(DIM, f), "two links")
            for f in ("HNSW1", "NSG0", "PQ4x0", "PCA0")
        ),
        (lambda: FaissIndex(DIM, metric="l2"), "'l2' is unknown"),  # type: ignore[arg-type]
        (lambda: FaissIndex(0), "dim=0"),
        (lambda: FaissIndex("4"), "dim='4'"),  # type: ignore[arg-type]
        (lambda: filled(9, metric="ip").search(QUERIES * 1e20, 1), "longer than 1e18"),
        (lambda: FaissIndex(DIM, "tree"), "tree"),
        (lambda: FaissIndex(DIM, "HNSW32_PQ4"), "distances only"),
        (lambda: filled(factory="IDMap,Flat"), "add: factory 'IDMap,Flat'"),
        (lambda: FaissIndex(DIM, search="nprobe=3"), "nprobe"),
        (lambda: filled(10, factory="IVF20,Flat"), "training points"),
        (lambda: filled(99, factory="IVF2,Flat", search="nprobe=0").search(QUERIES, 1), "nprobe"),
        (lambda: FaissIndex(DIM).search(QUERIES, 1), "empty"),
    ],
)
def test_bad_settings(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.search(QUERIES, 0), "k=0"),
        (lambda index: index.search(QUERIES, 2.5), r"k=2\.5"),
        (lambda index: index.rows(["é3", 5, "\ud800"]), r"ids \[5, .*\] are not in"),
        (lambda index: index.search(QUERIES[:, :3], 1), r"queries: .*\(50, 3\)"),
        (lambda index: index.search(ending_in(0), 1), r"queries: rows \[2\] .*zero"),
        (lambda index: index.search(ending_in(np.nan), 1), r"queries: rows \[2\] .*NaN"),
        (lambda index: index.vectors(np.array([-1, 3, 50])), r"rows \[-1, 50\]"),
        (lambda index: index.vectors(np.array([1.0])), "integers"),
        (lambda index: index.rows(["é3", "x", "y"]), r"ids \['x', 'y'\]"),
    ],
)
def test_bad_questions(call: Any, message: str, folder: Path) -> None:
    for index in (filled(50), ShardIndex(folder)):
        with pytest.raises(ValueError, match=message):
            call(index)


@pytest.mark.parametrize("block", [1 << 26, 16])
def test_shards_are_one_exact_index(folder: Path, block: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(shards, "_BLOCK", block)
    index, flat = ShardIndex(folder), filled(50)
    for k in (1, 7, 60):
        found, expected = index.search(QUERIES, k), flat.search(QUERIES, k)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
        assert found.scores.dtype == np.float32 and found.rows.dtype == np.int64
    assert list(index.ids) == names(50) and list(index.ids[2:4]) == ["é2", "é3"]
    assert index.dim == DIM and len(index) == 50
    rows = np.array([49, 0, 20, 0, 21])
    np.testing.assert_array_equal(index.vectors(rows), unit(CORPUS)[rows])
    np.testing.assert_array_equal(index.rows(f"é{row}" for row in rows), rows)
    assert index.known(["é30", "nowhere", "é2"]) == {"é2": 2, "é30": 30}
    assert index.known([]) == {} and index.rows([]).shape == (0,)


def test_on_macos_faiss_comes_after_torch_and_on_one_thread(monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "")  # so that what the module sets is undone
    monkeypatch.delenv("KMP_DUPLICATE_LIB_OK")
    faiss.omp_set_num_threads(2)
    try:
        runpy.run_path(inspect.getfile(FaissIndex))
        assert faiss.omp_get_max_threads() == 1
        assert os.environ["KMP_DUPLICATE_LIB_OK"] == "TRUE"
    finally:
        faiss.omp_set_num_threads(1)
