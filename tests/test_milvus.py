"""Milvus embedded and as a server of its own, against exact search; killed, and started again."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amer_lite.search.faiss import FaissIndex
from amer_lite.search.index import Vectors
from amer_lite.search.retrieve import Merge, search_and_merge

pytest.importorskip("milvus_lite")
from amer_lite.search.milvus import MilvusIndex

DIM = 16
RANDOM = np.random.default_rng(0)
CORPUS, QUERIES = (RANDOM.standard_normal((n, DIM), np.float32) for n in (600, 60))
NAMES = [f"é{row}" for row in range(600)]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pymilvus


class Server:
    """`milvus-lite server` on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address, self.folder = f"http://127.0.0.1:{self.port}", folder

    def start(self) -> None:
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.folder)]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        log = (self.folder.parent / "server.log").open("a")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        while self.process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server ended with {self.process.returncode}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: Any) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("milvus") / "data")
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module", params=["file", "server"])
def address(request: Any, tmp_path_factory: Any) -> str:
    if request.param == "server":
        return request.getfixturevalue("server").address
    return str(tmp_path_factory.mktemp("milvus") / "corpus.db")


def filled(address: str, name: str, metric: Any = "cosine") -> MilvusIndex:
    index = MilvusIndex(address, name, DIM, metric)
    index.add(CORPUS, NAMES, [{"year": row % 7} for row in range(600)])
    return index


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_the_same_ids_as_exact_search(address: str, metric: Any) -> None:
    index, exact = filled(address, f"same_{metric}", metric), FaissIndex(DIM, metric=metric)
    exact.add(CORPUS, NAMES)
    found, wanted = index.search(QUERIES, 9), exact.search(QUERIES, 9)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
    assert (found.scores.dtype, found.rows.dtype) == (np.float32, np.int64)
    sets = QUERIES.reshape(-1, 5, DIM)
    merges: tuple[Merge, ...] = ("round_robin", "soft_sum")
    for merge in merges:  # the latter fetches vectors
        one, other = (search_and_merge(engine, sets, 10, merge=merge) for engine in (index, exact))
        np.testing.assert_array_equal(one.rows, other.rows)
    rows = np.array([599, 0, 7, 7])
    np.testing.assert_array_equal(index.vectors(rows), exact.vectors(rows))
    assert index.rows(["é7", "é0"]).tolist() == [7, 0]
    assert index.vectors(index.rows([])).shape == (0, DIM)
    index.close()  # and it opens again by itself
    again = MilvusIndex(address, f"same_{metric}", DIM, metric)
    assert list(again.ids) == NAMES == list(index.ids) and len(again) == 600
    np.testing.assert_array_equal(again.search(QUERIES, 9).rows, wanted.rows)
    again.close()


def test_many_pages_of_messages_change_nothing(address: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("amer_lite.search.milvus._NUMBERS", 100 * DIM)
    monkeypatch.setattr("amer_lite.search.milvus._HITS", 70)
    index, exact = filled(address, "pages"), FaissIndex(DIM)
    exact.add(CORPUS, NAMES)
    np.testing.assert_array_equal(index.search(QUERIES, 9).rows, exact.search(QUERIES, 9).rows)
    rows = np.arange(600)[::-1]
    np.testing.assert_array_equal(index.vectors(rows), exact.vectors(rows))
    index.close()


def test_filters_are_passed_through(address: str) -> None:
    index = filled(address, "filters")
    cosine = QUERIES @ index.vectors(np.arange(600)).T
    cosine[:, np.arange(600) % 7 != 3] = -np.inf
    found = index.where("year == 3").search(QUERIES, 90)
    wanted = np.argsort(-cosine, axis=1)[:, :90]
    there = np.arange(90) < sum(row % 7 == 3 for row in range(600))
    np.testing.assert_array_equal(found.rows, np.where(there, wanted, -1))
    assert ((found.rows < 0) == (found.scores == -np.inf)).all()
    assert index.where('id == "é5"').search(QUERIES[:1], 2).rows.tolist() == [[5, -1]]
    assert (index.search(QUERIES, 90).rows >= 0).all()  # the index itself stays as it was
    with pytest.raises(ValueError, match="filters"):
        index.where("year ==").search(QUERIES, 3)
    index.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: i.search(QUERIES, 0), "k=0"),
        (lambda i: i.search(QUERIES[:, :3], 1), r"queries: .*\(60, 3\)"),
        (lambda i: i.add(CORPUS[:2], ["x", "é3"]), r"\['é3'\] are there already"),
        (lambda i: i.add(CORPUS[:2], ["x", "x"]), "'x' stands twice"),
        (lambda i: i.add(CORPUS[:1], ["x" * 70_000]), "70000"),
        (lambda i: i.add(CORPUS[:1], ["\ud800"]), "surrogates"),
        (lambda i: i.add(CORPUS[:2], ["x", "y"], [{"a": 1}]), "not 2 mappings"),
        (lambda i: i.add(CORPUS[:1], ["x"], [{"row": 1}]), "without"),
        (lambda i: i.rows(["nowhere"]), "nowhere"),
        (lambda i: i.vectors(np.array([600])), "600"),
    ],
)
def test_what_is_refused_changes_nothing(call: Any, message: str, refusing: MilvusIndex) -> None:
    with pytest.raises(ValueError, match=message):
        call(refusing)
    assert list(refusing.ids) == NAMES and refusing.search(QUERIES[:1], 601).rows.max() == 599


@pytest.fixture(scope="module")
def refusing(server: Server) -> MilvusIndex:
    return filled(server.address, "refusing")


def test_another_collection_is_refused(server: Server) -> None:
    filled(server.address, "mine").close()
    for dim, metric in ((DIM // 2, "cosine"), (DIM, "ip")):
        with pytest.raises(ValueError, match=rf"'mine'.*\(16, 'cosine'\), not \({dim}, '{metric}'"):
            MilvusIndex(server.address, "mine", dim, metric)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'l2' is unknown"):
        MilvusIndex(server.address, "new", DIM, "l2")  # type: ignore[arg-type]
    from pymilvus import MilvusClient

    other = MilvusClient(server.address, dedicated=True)
    other.create_collection("theirs", dimension=DIM)
    assert not other.has_collection("new")
    other.close()
    with pytest.raises(ValueError, match=r"'theirs'.*fields \['id', 'vector'\]"):
        MilvusIndex(server.address, "theirs", DIM)
    empty = MilvusIndex(server.address, "empty", DIM)
    with pytest.raises(ValueError, match="empty"):
        empty.search(QUERIES, 1)
    empty.close()


def test_the_log_of_milvus_is_left_alone() -> None:
    assert logging.getLogger("pymilvus").isEnabledFor(logging.ERROR)


@pytest.mark.parametrize("address", ["ftp:/x", "", "nowhere/at/all.db", "http://127.0.0.1:9"])
def test_a_bad_address_is_one_clear_error(address: str) -> None:
    with pytest.raises(OSError, match=f"Milvus, {address}, collection 'x': cannot be reached"):
        MilvusIndex(address, "x", DIM, timeout=5)


def patiently(call: Any, failures: list[OSError]) -> Any:
    """What ``call`` returns, tried until the server is back."""
    while True:
        try:
            return call()
        except OSError as error:
            failures.append(error)
            time.sleep(0.1)


def test_a_server_killed_in_the_middle_of_a_run_loses_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    index, exact = MilvusIndex(server.address, "load", DIM), FaissIndex(DIM)
    exact.add(CORPUS, NAMES)
    kinds: dict[str, list[OSError]] = {"add": [], "search": []}

    def load(kind: str, work: Any) -> None:
        """Twelve pieces of work; the server dies before the fifth, and is back after an error."""
        for piece in range(12):
            if piece == 4:
                server.kill()
                with pytest.raises(OSError, match="cannot be reached"):
                    work(piece)
                server.start()
            patiently(lambda piece=piece: work(piece), kinds[kind])

    def add(_: int) -> None:
        todo = slice(len(index), len(index) + 50)
        index.add(CORPUS[todo], NAMES[todo])

    answers: dict[int, np.ndarray] = {}

    def search(piece: int) -> None:
        part: Vectors = QUERIES[5 * piece : 5 * piece + 5]
        answers[piece] = index.search(part, 9).rows

    try:
        load("add", add)
        assert list(index.ids) == NAMES
        assert list(MilvusIndex(server.address, "load", DIM).ids) == NAMES  # as the server has it
        load("search", search)
        found = np.concatenate([answers[piece] for piece in range(12)])
        np.testing.assert_array_equal(found, exact.search(QUERIES, 9).rows)
        assert not any("\n" in str(error) for errors in kinds.values() for error in errors)
    finally:
        server.kill()


def test_a_part_that_was_stored_but_not_confirmed_is_written_over(
    server: Server, monkeypatch: Any
) -> None:
    index = MilvusIndex(server.address, "unconfirmed", DIM)
    ask = index._server.ask

    def lost(method: str, **arguments: Any) -> Any:
        answer = ask(method, **arguments)
        if method == "upsert":
            raise ConnectionError("the answer is lost")
        return answer

    with monkeypatch.context() as broken:
        broken.setattr(index._server, "ask", lost)
        with pytest.raises(ConnectionError):
            index.add(CORPUS[:20], NAMES[:20])
    assert len(index) == 0
    index.add(CORPUS[20:50], NAMES[20:50])
    again = MilvusIndex(server.address, "unconfirmed", DIM)
    assert list(again.ids) == NAMES[20:50]
    np.testing.assert_allclose(again.vectors(np.arange(30)), index.vectors(np.arange(30)))
    assert again.search(QUERIES, 40).rows.max() == 29
