"""Milvus behind the protocol of :mod:`amer_lite.search.index`: a file, a server or a cluster.

Needs ``pip install "amer-lite[milvus]"``. One program at a time adds to a collection.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.exceptions import DataNotMatchException, ParamError

from amer_lite.model.numbers import positive
from amer_lite.search.index import Hits, Rows, Vectors, checked_ids, comparable, known_rows, rows_of

_FIELDS = ["row", "id", "vector"]
_NUMBERS, _HITS = 1 << 21, 1 << 16  # in one message, of which a server accepts 64 MiB


class MilvusIndex:
    """A Milvus collection with string ids. After an error the next call connects anew.

    Args:
        address: a file (``corpus.db``, the embedded Milvus Lite), or ``http://host:19530`` of a
            server or a cluster.
        collection: its name; created unless it is there.
        dim: dimension of the vectors.
        metric: "cosine" (vectors are stored L2-normalised) or "ip". Larger is better.
        engine: of a new collection, by Milvus's names, such as ``{"index_type": "HNSW", "params":
            {"M": 16, "efConstruction": 80}}``; None compares with every vector.
        search: its options, such as ``{"ef": 64}``.
        timeout: seconds that a call may take.
        client: options of ``pymilvus.MilvusClient``, such as ``token``.

    Raises:
        ValueError: what Milvus refuses; a collection of other fields, dimension or metric.
        OSError: nobody answers at the address, or the file cannot be opened.
    """

    def __init__(
        self,
        address: str,
        collection: str,
        dim: int,
        metric: Literal["cosine", "ip"] = "cosine",
        *,
        engine: Mapping[str, Any] | None = None,
        search: Mapping[str, Any] | None = None,
        timeout: float = 30,
        **client: Any,
    ) -> None:
        if metric not in ("cosine", "ip"):
            raise ValueError(f"MilvusIndex: metric {metric!r} is unknown; choose cosine or ip")
        self.dim, self.metric = positive("MilvusIndex: dim", dim), metric
        self._filter, self._search = "", {"params": dict(search or {})}
        self._server = server = _Server(address, collection, timeout, client)
        if not server.ask("has_collection"):
            schema = MilvusClient.create_schema(enable_dynamic_field=True)
            schema.add_field("row", DataType.INT64, is_primary=True)
            schema.add_field("id", DataType.VARCHAR, max_length=65_535)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
            how = MilvusClient.prepare_index_params()
            chosen = {"index_type": "FLAT", **(engine or {}), "metric_type": metric.upper()}
            how.add_index("vector", **chosen)
            made = {"index_params": how, "consistency_level": "Strong"}
            server.ask("create_collection", schema=schema, **made)
        fields = server.ask("describe_collection")["fields"]
        if (names := [field["name"] for field in fields]) != _FIELDS:
            raise ValueError(f"{server.name}: has the fields {names}, not {_FIELDS}")
        known = server.ask("describe_index", index_name="vector")["metric_type"].lower()
        if (found := (fields[2]["params"]["dim"], known)) != (dim, metric):
            raise ValueError(f"{server.name}: has dimension, metric {found}, not {(dim, metric)}")
        pages = server.ask("query_iterator", batch_size=5000, output_fields=["row", "id"])
        self._row: dict[str, int] = {}
        while page := server.step(pages.next):
            self._row |= {one["id"]: one["row"] for one in page}
        self._ids = sorted(self._row, key=self._row.__getitem__)
        if [self._row[name] for name in self._ids] != list(range(len(self._ids))):
            raise ValueError(f"{server.name}: its rows do not count from 0 without a gap")

    @property
    def ids(self) -> Sequence[str]:
        """The ids in the order of their rows; not to be changed."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def where(self, expression: str) -> MilvusIndex:
        """This index, searched where an expression of Milvus's holds, such as ``year > 1999``."""
        narrowed = copy.copy(self)
        narrowed._filter = expression
        return narrowed

    def add(
        self, vectors: Vectors, ids: Sequence[str], payload: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Append vectors (n ≥ 1, dim), and a mapping of fields for each, which filters may name.

        Should the server go away, ``len(index)`` says how many it has confirmed: add the rest
        again. ValueError: as in ``FaissIndex.add``; other mappings.
        """
        vectors = comparable(vectors, self, "vectors")
        ids = checked_ids(ids, len(vectors), "add")
        if twice := [name for name in ids if name in self._row]:
            raise ValueError(f"add: ids {twice[:5]} are there already")
        payload = payload or [{}] * len(ids)
        if len(payload) != len(ids) or any({*_FIELDS} & {*fields} for fields in payload):
            raise ValueError(f"add: payload is not {len(ids)} mappings without {_FIELDS}")
        for start in range(0, len(ids), block := max(1, _NUMBERS // self.dim)):
            part = slice(start, start + block)
            rows = range(len(self), len(self) + len(ids[part]))
            documents = zip(payload[part], rows, ids[part], vectors[part], strict=True)
            data = [{**more, **dict(zip(_FIELDS, own, strict=True))} for more, *own in documents]
            self._server.ask("upsert", data=data)  # over what it stored and could not confirm
            self._row.update(zip(ids[part], rows, strict=True))
            self._ids += ids[part]

    def search(self, queries: Vectors, k: int) -> Hits:
        """The k best rows for each of the queries (N ≥ 1, dim), in as few calls as messages allow.

        −1 and −inf where fewer pass the filter. ValueError: as in ``FaissIndex.search``; what
        Milvus refuses, such as the filter.
        """
        if not self._ids:
            raise ValueError("search: the index is empty; add vectors first")
        k, queries = positive("k", k), comparable(queries, self, "queries")
        found = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1)
        how = {"limit": min(k, len(self)), "filter": self._filter, "search_params": self._search}
        how["output_fields"] = ["row"]  # else vectors come, too
        block = max(1, min(_HITS // k, _NUMBERS // self.dim))
        for start in range(0, len(queries), block):
            answer = self._server.ask("search", data=queries[start : start + block], **how)
            for i, hits in enumerate(answer, start):
                found[0][i, : len(hits)], found[1][i, : len(hits)] = hits.distances, hits.ids
        return Hits(*found)

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors (r, dim) float32 of rows (r,), under cosine the normalised ones."""
        wanted = known_rows(rows, self).tolist()
        found: dict[int, list[float]] = {}
        for start in range(0, len(wanted), block := max(1, _NUMBERS // self.dim)):
            ids = sorted({*wanted[start : start + block]})
            got = self._server.ask("get", ids=ids, output_fields=["vector"])
            found |= {one["row"]: one["vector"] for one in got}
        return np.array([found[row] for row in wanted], np.float32).reshape(-1, self.dim)

    def rows(self, ids: Iterable[str]) -> Rows:
        """The rows of these ids in their order, (n,) int64; ValueError names unknown ids."""
        return rows_of(ids, self._row)

    def close(self) -> None:
        """Let go of the file or the connection; the next call opens it again."""
        self._server.close()


class _Server:
    """A connection, made when it is needed; what goes wrong is one clear error."""

    def __init__(self, address: str, collection: str, timeout: float, more: dict[str, Any]) -> None:
        self.name = f"Milvus, {address}, collection {collection!r}"
        self._client: MilvusClient | None = None
        self._shared = {"collection_name": collection, "timeout": timeout}
        self._options = {"uri": address, "timeout": timeout, "dedicated": True, **more}

    def ask(self, method: str, **arguments: Any) -> Any:
        return self.step(lambda: getattr(self._connected(), method)(**self._shared, **arguments))

    def _connected(self) -> MilvusClient:
        if self._client is None:
            self._client = MilvusClient(**self._options)
            if self._client.has_collection(**self._shared):  # a restarted server has unloaded it
                self._client.load_collection(**self._shared)
        return self._client

    def step(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (MilvusException, grpc.RpcError) as error:
            said = error.details() if isinstance(error, grpc.Call) else error.message
            refused = getattr(error, "is_input_error", False) or getattr(error, "code", 0) == 6
            if refused or isinstance(error, DataNotMatchException | ParamError):
                raise ValueError(f"{self.name}: {said}") from error
            self.close()  # a client that has lost its server does not find it again
            raise ConnectionError(f"{self.name}: cannot be reached: {said}") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
