"""From vectors to runs: search and merge, the model in front of it, the score behind it."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from amer_lite.datasets.types import Example
from amer_lite.evaluation.evaluator import evaluator
from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.prefix import Prefix
from amer_lite.search import merge as merging
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.retrieve import Merge, as_run, retrieve, search_and_merge

DIM = 8
MERGES: tuple[Merge, ...] = get_args(Merge)


def unit(*shape: int, seed: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


VECTORS = unit(20, 3, DIM, seed=1)


def asked(queries: str) -> list[Example]:
    return [Example(query, query, ["d1"]) for query in queries]


@pytest.fixture(scope="module")
def index() -> FaissIndex:
    index = FaissIndex(DIM)
    index.add(unit(300, DIM, seed=0), [f"d{i}" for i in range(300)])
    return index


@pytest.mark.parametrize("tau", [None, 0.01, 10.0])
def test_every_merge_is_the_one_of_its_name(index: FaissIndex, tau: float | None) -> None:
    scores = np.einsum("bmd,nd->bmn", VECTORS, index.vectors(np.arange(300)))
    rows = np.argsort(-scores, axis=-1)[:, :, :15]
    top = np.take_along_axis(scores, rows, -1)
    warm: dict[str, Any] = {} if tau is None else {"tau": tau}
    expected = {
        "round_robin": merging.round_robin(rows, 10),
        "max_score": merging.max_score(top, rows, 10),
        "rrf": merging.rrf(rows, 10),
        "soft_sum": merging.soft_sum(rows, VECTORS, index.vectors, 10, **warm),
        "mixture": merging.mixture(top, rows, 10, **warm),
    }
    longer = VECTORS * np.array([1, 10, 0.1], np.float32)[:, None]  # the same under cosine
    for name in MERGES:
        for vectors in (VECTORS, longer):
            merged = search_and_merge(index, vectors, 10, merge=name, depth=15, tau=tau)
            np.testing.assert_array_equal(merged.rows, expected[name].rows, err_msg=name)
            np.testing.assert_array_equal(merged.found_by, expected[name].found_by, err_msg=name)


def test_one_vector_is_plain_search_whatever_the_merge(index: FaissIndex) -> None:
    plain = index.search(VECTORS[:, 0], 10).rows
    for name in MERGES:
        merged = search_and_merge(index, VECTORS[:, :1], 10, merge=name)
        np.testing.assert_array_equal(merged.rows, plain)
        assert (merged.found_by == 0).all()


def test_retrieve_searches_with_what_the_model_generates(index: FaissIndex) -> None:
    torch.manual_seed(0)
    model = AMER(AMERConfig(DIM, decoder=DecoderConfig(6, width=12, heads=2)))
    prefix = Prefix(torch.randn(5, 3, 6), torch.ones(5, 3, dtype=torch.bool))
    merged = retrieve(model, index, prefix, m=3, k=7)
    expected = search_and_merge(index, model.generate(prefix, 3).numpy(), 7)
    np.testing.assert_array_equal(merged.rows, expected.rows)
    weighted = AMER(AMERConfig(DIM, decoder=model.config.decoder, weighted=True))
    assert weighted.weight_projection is not None
    torch.nn.init.normal_(weighted.weight_projection.weight)
    vectors, log_weights = weighted.generate_weighted(prefix, 3)
    mixed = retrieve(weighted, index, prefix, m=3, k=7, merge="mixture", depth=300)
    exact = (vectors @ torch.from_numpy(index.vectors(np.arange(300))).T / 0.05).softmax(2)
    exact = torch.einsum("bm,bmn->bn", log_weights.exp(), exact)
    np.testing.assert_array_equal(mixed.rows, exact.topk(7).indices)
    run = as_run(merged, index, asked("abcde"))
    assert run.rankings["c"] == [f"d{row}" for row in merged.rows[2]]
    # Golds that are the first 7 of everybody's ranking, but for one query that has a foreign one.
    golds = {query: list(ranking) for query, ranking in run.rankings.items()}
    golds["e"][0] = next(doc for doc in index.ids if doc not in golds["e"])
    examples = [Example(query, query, ids) for query, ids in golds.items()]
    assert evaluator(index, prefix, examples, m=3, k=7)(model) == pytest.approx((4 + 6 / 7) / 5)


def test_empty_places_are_no_documents() -> None:
    small = FaissIndex(DIM)
    small.add(unit(2, DIM, seed=0), ["a", "b"])
    merged = search_and_merge(small, VECTORS[:1], 5)
    assert set(as_run(merged, small, asked("q")).rankings["q"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"merge": "sum"}, "merge 'sum' is unknown; choose one of round_robin"),
        ({"k": 0}, "k=0"),
        ({"depth": 0}, "k=0"),
        ({"vectors": VECTORS[..., :3]}, r"expected \(B, m, 8\)"),
    ],
)
def test_a_bad_search_is_named(index: FaissIndex, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_and_merge(index, **{"vectors": VECTORS, "k": 5, **change})


@pytest.mark.parametrize("queries", ["q", "pqr", "qq"])
def test_a_run_needs_one_example_per_ranking(index: FaissIndex, queries: str) -> None:
    with pytest.raises(ValueError, match=r"as_run: 2 rankings for \d examples of \d distinct ids"):
        as_run(search_and_merge(index, VECTORS[:2], 5), index, asked(queries))


@pytest.mark.parametrize(
    ("golds", "change", "message"),
    [
        (["d1", "d2"], {"m": 0}, "m=0"),
        (["d1", "d2"], {"merge": "sum"}, "merge 'sum' is unknown"),
        (["d1", "d2"], {"merge": "mixture", "tau": 0.0}, "tau=0"),
        (["d1"], {}, "1 examples for 2 queries"),
        (["d1", "nowhere"], {}, r"ids \['nowhere'\] are not in the index"),
    ],
)
def test_an_evaluator_checks_before_the_training_starts(
    index: FaissIndex, golds: list[str], change: dict[str, Any], message: str
) -> None:
    prefix = Prefix(torch.randn(2, 3, 6), torch.ones(2, 3, dtype=torch.bool))
    examples = [Example(f"q{doc}", "text", [doc]) for doc in golds]
    with pytest.raises(ValueError, match=message):
        evaluator(index, prefix, examples, **{"m": 1, "k": 1, **change})
