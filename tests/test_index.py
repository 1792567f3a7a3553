"""Indexes against brute force in numpy; what is saved, what is refused."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
import pytest

from amer_lite.search.faiss import FaissIndex
from amer_lite.search.index import Hits, Vectors, ann_recall, search_sets
from amer_lite.storage import MANIFEST, save_bundle, sha256

DIM = 16
KINDS: list[Literal["flat", "ivf", "hnsw"]] = ["flat", "ivf", "hnsw"]


def clustered(n: int, seed: int) -> Vectors:
    """Points around 40 centres, lengths far from 1."""
    centres = np.random.default_rng(99).standard_normal((40, DIM))
    generator = np.random.default_rng(seed)
    points = centres[generator.integers(40, size=n)] + 0.3 * generator.standard_normal((n, DIM))
    return (points * generator.uniform(0.5, 2, (n, 1))).astype(np.float32)


def names(n: int, start: int = 0) -> list[str]:
    return [f"doc {row}" for row in range(start, start + n)]


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


CORPUS = clustered(2000, 1)
QUERIES = clustered(50, 2)


def filled(n: int = 2000, **settings: Any) -> FaissIndex:
    index = FaissIndex(DIM, **settings)
    index.add(CORPUS[:n], names(n))
    return index


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_flat_is_brute_force(metric: Literal["cosine", "ip"]) -> None:
    before = CORPUS.copy(), QUERIES.copy()
    hits = filled(metric=metric).search(QUERIES, 20)
    np.testing.assert_array_equal(CORPUS, before[0])
    np.testing.assert_array_equal(QUERIES, before[1])
    scores = unit(QUERIES) @ unit(CORPUS).T if metric == "cosine" else QUERIES @ CORPUS.T
    rows = np.argsort(-scores, axis=1)[:, :20]
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, rows, 1), rtol=1e-5)
    assert (hits.scores.dtype, hits.rows.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_approximate_finds_nearly_all(kind: Any, metric: Any) -> None:
    exact = filled(metric=metric)
    index = filled(metric=metric, kind=kind)
    assert ann_recall(index, exact, QUERIES, 10) > 0.9
    index.nprobe = index.ef_search = 1
    poor = ann_recall(index, exact, QUERIES, 10)
    assert poor < 0.999
    index.nprobe = index.ef_search = 2000
    assert ann_recall(index, exact, QUERIES, 10) > max(0.99, poor)


def test_ann_recall_counts_the_exact_top_k() -> None:
    class Fixed:
        ids, dim, metric = names(5), DIM, "ip"

        def __init__(self, rows: list[list[int]]) -> None:
            self.rows = np.array(rows)

        def search(self, queries: Vectors, k: int, *, chunk: int = 1) -> Hits:
            return Hits(np.zeros(self.rows.shape, np.float32), self.rows)

        add: Any = None
        vectors: Any = None

    exact = Fixed([[0, 1, 2, 3], [4, 0, -1, -1]])
    found = Fixed([[3, 4, 1, -1], [1, 2, 3, -1]])  # the second query finds rows of the first only
    assert ann_recall(found, exact, QUERIES[:2], 4) == (0.5 + 0) / 2
    assert ann_recall(exact, exact, QUERIES[:2], 4) == 1
    with pytest.raises(ValueError, match="same ids"):
        ann_recall(filled(10), filled(11), QUERIES, 1)


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_chunks_change_nothing(metric: Any) -> None:
    whole = filled(metric=metric)
    pieces = FaissIndex(DIM, metric=metric)
    pieces.add(CORPUS[:701], names(701), chunk=100)
    pieces.add(CORPUS[701:], names(1299, 701), chunk=1)
    everything = np.arange(2000)
    np.testing.assert_array_equal(pieces.vectors(everything), whole.vectors(everything))
    assert list(pieces.ids) == list(whole.ids) == names(2000)
    once, parts = whole.search(QUERIES, 5), pieces.search(QUERIES, 5, chunk=7)
    np.testing.assert_array_equal(once.rows, parts.rows)
    np.testing.assert_allclose(once.scores, parts.scores, rtol=1e-5)


def test_search_memory_is_bounded_by_the_chunk() -> None:
    index = filled(100)
    queries = np.tile(QUERIES, (2000, 1))  # 6.4 MB, all of them to be normalised
    tracemalloc.start()
    index.search(queries, 1, chunk=1000)
    _, small = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    index.search(queries, 1, chunk=len(queries))
    _, large = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert small < queries.nbytes < large  # result and lengths take 12 + 8·4 bytes a query


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_hits_are_padded(kind: Any) -> None:
    hits = filled(20, kind=kind, metric="ip").search(QUERIES[:3], 25)
    assert (hits.rows[:, 20:] == -1).all() and (hits.scores[:, 20:] == -np.inf).all()
    assert ((hits.rows == -1) == (hits.scores == -np.inf)).all()
    assert all(sorted(row[row >= 0]) == sorted(set(row[row >= 0])) for row in hits.rows)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_the_stored_ones(kind: Any) -> None:
    rows = np.array([1999, 0, 7, 7])
    stored = filled(kind=kind, metric="ip")
    np.testing.assert_array_equal(stored.vectors(rows), CORPUS[rows])
    np.testing.assert_allclose(filled(kind=kind).vectors(rows), unit(CORPUS[rows]), rtol=1e-6)
    assert stored.vectors(np.array([], dtype=np.int64)).shape == (0, DIM)
    for bad in ([-1], [0, 2000]):
        with pytest.raises(ValueError, match=rf"rows \[{bad[-1]}\] are not among the 2000"):
            stored.vectors(np.array(bad))
    with pytest.raises(ValueError, match="integers"):
        stored.vectors(np.array([1.0]))
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        stored.vectors(np.array([[1]]))


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_search_sets_is_one_search_per_set(kind: Any) -> None:
    index = filled(kind=kind)
    vectors = QUERIES.reshape(10, 5, DIM)
    hits = search_sets(index, vectors, 4, chunk=7)
    assert hits.scores.shape == hits.rows.shape == (10, 5, 4)
    for number, vector_set in enumerate(vectors):
        np.testing.assert_array_equal(hits.rows[number], index.search(vector_set, 4).rows)
    for bad in (QUERIES, vectors[:0], vectors[:, :0], vectors[:, :, :3]):
        with pytest.raises(ValueError, match="search_sets: expected"):
            search_sets(index, bad, 4)


def test_other_layouts_and_types_are_accepted() -> None:
    index = filled(metric="ip")
    expected = index.search(QUERIES, 5).rows
    for queries in (np.asfortranarray(QUERIES), np.repeat(QUERIES, 2, axis=0)[::2]):
        np.testing.assert_array_equal(index.search(queries, 5).rows, expected)
    doubles: Any = QUERIES.astype(np.float64)
    np.testing.assert_array_equal(index.search(doubles, 5).rows, expected)


def test_extreme_lengths_survive_the_cosine() -> None:
    index = FaissIndex(2)
    index.add(np.array([[3e-40, 4e-40], [3e37, 4e37]], dtype=np.float32), ["short", "long"])
    np.testing.assert_allclose(index.vectors(np.arange(2)), [[0.6, 0.8]] * 2, rtol=1e-3)


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_same_seed_same_index(kind: Any) -> None:
    one, two = (filled(kind=kind, nprobe=2).search(QUERIES, 10) for _ in range(2))
    np.testing.assert_array_equal(one.rows, two.rows)


def test_ivf_samples_its_training_set_and_names_too_few() -> None:
    index = filled(kind="ivf", nlist=10)  # 640 of the 2,000 train
    index.nprobe = 10
    assert ann_recall(index, filled(), QUERIES, 10) == 1
    assert filled(kind="ivf").nlist == 45
    index = FaissIndex(DIM, kind="ivf", nlist=50)
    with pytest.raises(ValueError, match="49 vectors cannot train nlist=50"):
        index.add(CORPUS[:49], names(49))
    index.add(CORPUS[:50], names(50))  # the failed add left nothing behind
    assert len(index) == 50


STRANGE = ["a\nb", "a", " a", "é\u2028", '"', "\ud800", "a\r"]


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: Any, metric: Any, tmp_path: Path) -> None:
    index = FaissIndex(
        DIM, kind=kind, metric=metric, nprobe=3, m=8, ef_search=20, ef_construction=30, seed=5
    )
    index.add(CORPUS, STRANGE + names(2000 - len(STRANGE)))
    index.save(tmp_path)
    loaded = FaissIndex.load(tmp_path)
    assert list(loaded.ids) == list(index.ids)
    for mine, theirs in zip(loaded.search(QUERIES, 9), index.search(QUERIES, 9), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    rows = np.array([5, 1999])
    np.testing.assert_array_equal(loaded.vectors(rows), index.vectors(rows))
    with pytest.raises(ValueError, match="there already"):
        loaded.add(CORPUS[:1], ["a"])
    loaded.add(CORPUS[:1], ["new"])
    np.testing.assert_array_equal(loaded.vectors(np.array([2000])), index.vectors(np.array([0])))
    settings = json.loads((tmp_path / MANIFEST).read_text())["config"]
    assert settings == {name: getattr(loaded, name) for name in settings}
    assert (settings["seed"], settings["nprobe"], settings["m"]) == (5, 3, 8)


def stored_file(folder: Path, name: str) -> Path:
    return folder / json.loads((folder / MANIFEST).read_text())["files"][name]["file"]


@pytest.mark.parametrize("name", ["ids.json", "index.faiss"])
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    filled(30).save(tmp_path)
    path = stored_file(tmp_path, name)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for bad in (bytes(flipped), good[:-1], b""):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="checksum"):
            FaissIndex.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="missing"):
        FaissIndex.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="manifest"):
        FaissIndex.load(tmp_path / "nowhere")


def write_index(engine: Any) -> Callable[[Path], object]:
    return lambda path: faiss.write_index(engine, str(path))


def full(engine: Any, dim: int) -> Any:
    engine.add(np.ones((2, dim), dtype=np.float32))
    return engine


@pytest.mark.parametrize(
    ("change", "ids", "engine", "message"),
    [
        ({}, ["a", "b"], None, "not a readable index"),  # a valid checksum around junk
        ({}, ["a"], faiss.IndexFlatIP(DIM), "1 ids, 1 of them distinct, for 2 vectors"),
        ({}, ["a", "a"], faiss.IndexFlatIP(DIM), "2 ids, 1 of them distinct"),
        ({}, [1, 2], faiss.IndexFlatIP(DIM), "not a list of strings"),
        ({}, {"a": "b"}, faiss.IndexFlatIP(DIM), "not a list of strings"),
        ({}, ["a", "b"], faiss.IndexFlatIP(3), "dimension 3"),
        ({}, ["a", "b"], faiss.IndexHNSWFlat(DIM, 8), "IndexHNSWFlat"),
        ({}, ["a", "b"], faiss.IndexFlatL2(DIM), "inner product"),
        ({"colour": 1}, ["a", "b"], faiss.IndexFlatIP(DIM), "colour"),
        ({"kind": "tree"}, ["a", "b"], faiss.IndexFlatIP(DIM), "'tree' is unknown"),
        ({"dim": "x"}, ["a", "b"], faiss.IndexFlatIP(DIM), "not a readable index"),
        ({"seed": ...}, ["a", "b"], faiss.IndexFlatIP(DIM), "seed"),
    ],
)
def test_foreign_contents_are_refused(
    change: dict[str, Any], ids: Any, engine: Any, message: str, tmp_path: Path
) -> None:
    filled(30).save(tmp_path)
    config = json.loads((tmp_path / MANIFEST).read_text())["config"] | change
    config = {name: value for name, value in config.items() if value is not ...}
    writer = write_index(full(engine, engine.d)) if engine else lambda path: path.write_text("junk")
    files = {"ids.json": lambda path: path.write_text(json.dumps(ids)), "index.faiss": writer}
    save_bundle(tmp_path, "amer-lite/faiss-index-1", config, files)
    with pytest.raises(ValueError, match=message):
        FaissIndex.load(tmp_path)


def test_foreign_bundle_is_refused(tmp_path: Path) -> None:
    save_bundle(tmp_path, "amer-lite/model-1", {}, {})
    with pytest.raises(ValueError, match="'amer-lite/model-1', expected 'amer-lite/faiss-index-1'"):
        FaissIndex.load(tmp_path)
    save_bundle(tmp_path / "empty", "amer-lite/faiss-index-1", {}, {})
    with pytest.raises(ValueError, match="settings"):
        FaissIndex.load(tmp_path / "empty")


def test_interrupted_save_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(30).save(tmp_path)
    before = {path.name: sha256(path) for path in tmp_path.iterdir()}

    def fails(engine: Any, path: str) -> None:
        Path(path).write_bytes(b"half an ind")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(faiss, "write_index", fails)
        with pytest.raises(OSError, match="disk full"):
            filled(40).save(tmp_path)
    loaded = FaissIndex.load(tmp_path)
    assert list(loaded.ids) == names(30)
    assert all(sha256(tmp_path / name) == digest for name, digest in before.items())
    filled(40).save(tmp_path)
    assert len(FaissIndex.load(tmp_path)) == 40


def with_row(vectors: Vectors, row: int, value: float) -> Vectors:
    vectors = vectors.copy()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (CORPUS[:0], r"none given, shape \(0, 16\)"),
        (CORPUS[0], r"\(n, 16\), got float32 \(16,\)"),
        (CORPUS[:5, :3], r"\(5, 3\)"),
        (np.array([["a"] * DIM]), "<U1"),
        (with_row(CORPUS[:5], 3, np.nan), r"rows \[3\] are NaN"),
        (with_row(CORPUS[:5], 4, -np.inf), r"rows \[4\] are NaN"),
        (with_row(CORPUS[:5], 2, 0), r"rows \[2\] are zero vectors"),
    ],
)
def test_bad_vectors(vectors: Any, message: str) -> None:
    index = filled(10)
    with pytest.raises(ValueError, match="vectors: .*" + message):
        index.add(vectors, names(len(vectors), 10), chunk=1)
    assert len(index) == 10 and index.search(QUERIES, 11).rows.max() == 9  # nothing half-added
    with pytest.raises(ValueError, match="queries: .*" + message):
        index.search(vectors, 1)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["x", "y", "x"], r"'x' \(position 2\) is there already"),
        (["x", "doc 3", "y"], r"'doc 3' \(position 1\) is there already"),
        (["x", "y"], "3 vectors but 2 ids"),
        (["x", 5, "y"], "5 .position 1. is not a non-empty string"),
        (["x", "", "y"], "'' .position 1. is not"),
    ],
)
def test_bad_ids(ids: Any, message: str) -> None:
    index = filled(10)
    with pytest.raises(ValueError, match=message):
        index.add(CORPUS[:3], ids)
    assert list(index.ids) == names(10)
    index.add(CORPUS[:3], ["x", "y", "z"])  # the refused ids are free


def test_other_bad_input(tmp_path: Path) -> None:
    for settings, message in (
        ({"kind": "tree"}, "'tree' is unknown"),
        ({"metric": "l2"}, "'l2' is unknown"),
        ({"dim": 0}, "dim=0"),
        ({"nlist": 0}, "nlist=0"),
        ({"nprobe": 0}, "nprobe=0"),
        ({"m": -1}, "m=-1"),
        ({"ef_search": 0}, "ef_search=0"),
    ):
        with pytest.raises(ValueError, match=message):
            FaissIndex(**({"dim": DIM} | settings))
    empty = FaissIndex(DIM)
    with pytest.raises(ValueError, match="chunk=0"):
        empty.add(CORPUS[:1], ["a"], chunk=0)
    with pytest.raises(ValueError, match="empty"):
        empty.search(QUERIES, 1)
    with pytest.raises(ValueError, match="empty"):
        empty.save(tmp_path)
    index = filled(10)
    with pytest.raises(ValueError, match="k=0"):
        index.search(QUERIES, 0)
    with pytest.raises(ValueError, match="chunk=0"):
        index.search(QUERIES, 1, chunk=0)


def test_ids_may_be_any_sequence_and_nothing_half_is_stored() -> None:
    index = FaissIndex(CORPUS.shape[1])
    index.add(CORPUS[:3], {"a": 1, "b": 2, "c": 3}.keys())  # type: ignore[arg-type]
    assert list(index.ids) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="single str 'xyz'"):
        index.add(CORPUS[:3], "xyz")
    assert len(index) == 3


def test_settings_that_crash_the_engine_are_refused() -> None:
    with pytest.raises(ValueError, match="m=1 must be at least 2"):
        FaissIndex(4, kind="hnsw", m=1)
    index = FaissIndex(CORPUS.shape[1], kind="ivf", nlist=4)
    index.add(CORPUS[:300], names(300))
    index.nprobe = 0
    with pytest.raises(ValueError, match="nprobe=0"):
        index.search(QUERIES, 3)
    index.nprobe = 4
    assert index.search(QUERIES, np.int64(3)).rows.shape[1] == 3  # type: ignore[arg-type]
    for k in (0, True, 2.0):
        with pytest.raises(ValueError, match=f"k={k}"):
            index.search(QUERIES, k)  # type: ignore[arg-type]
