"""A number of vectors for each query: decoded, searched and merged as if each were alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from amer_lite import AMER, AMERConfig, DecoderConfig, FaissIndex, Prefix, retrieve
from amer_lite.model.emission import Emission
from amer_lite.search.index import search_sets
from amer_lite.search.retrieve import Merge, search_and_merge

DIM, STATE, M, K = 8, 6, 4, 7
COUNTS = [2, 4, 1, 4, 3]


class Counting(FaissIndex):
    """Remembers how many vectors it was asked for."""

    asked = 0

    def search(self, queries: NDArray[np.float32], k: int) -> Any:
        self.asked += len(queries)
        return super().search(queries, k)


@pytest.fixture
def index() -> Counting:
    index = Counting(DIM)
    documents = np.random.default_rng(0).normal(size=(60, DIM)).astype(np.float32)
    index.add(documents, [f"d{i}" for i in range(60)])
    return index


@pytest.fixture(scope="module")
def model() -> AMER:
    torch.manual_seed(0)
    decoder = DecoderConfig(STATE, width=12, heads=2)
    model = AMER(AMERConfig(DIM, decoder=decoder, weighted=True)).eval()
    torch.nn.init.normal_(model.input_projection.weight)
    assert model.weight_projection is not None
    torch.nn.init.normal_(model.weight_projection.weight)
    return model


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(4) < torch.tensor([3, 4, 1, 2, 4])[:, None]
    return Prefix(torch.randn(5, 4, STATE, generator=generator), mask)


def test_each_query_gets_its_own_number(model: AMER, prefix: Prefix) -> None:
    ragged = model.generate_weighted(prefix, COUNTS)
    assert ragged.vectors.shape == (5, M, DIM) and ragged.log_weights.shape == (5, M)
    for row, count in enumerate(COUNTS):
        alone = model.generate_weighted(prefix.select([row]), count)
        torch.testing.assert_close(ragged.vectors[row, :count], alone.vectors[0])
        torch.testing.assert_close(ragged.log_weights[row, :count], alone.log_weights[0])
        assert (ragged.vectors[row, count:] == 0).all()
        assert (ragged.log_weights[row, count:] == -torch.inf).all()
    kept = torch.arange(M) < torch.tensor(COUNTS)[:, None]
    torch.testing.assert_close(model.generate_weighted(prefix, M).only(kept), ragged)
    parts = model.generate_weighted(prefix, np.array(COUNTS), batch_size=1)
    torch.testing.assert_close(parts, ragged)


def test_equal_numbers_are_a_fixed_number(model: AMER, prefix: Prefix, index: Counting) -> None:
    fixed, ragged = (model.generate_weighted(prefix, m) for m in (3, [3] * 5))
    torch.testing.assert_close(ragged, fixed, rtol=0, atol=0)
    for merge in get_args(Merge):
        one, other = (retrieve(model, index, prefix, m=m, k=K, merge=merge) for m in (3, [3] * 5))
        for field, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(field, same)


def test_nobody_is_decoded_further_than_asked(model: AMER, prefix: Prefix) -> None:
    steps = list[int]()
    hook = model.output_projection.register_forward_hook(lambda *call: steps.append(len(call[2])))
    with hook:
        model.generate(prefix, COUNTS)
    assert sum(steps) == sum(COUNTS)


@pytest.mark.parametrize("merge", get_args(Merge))
def test_batched_equals_one_by_one(
    model: AMER, prefix: Prefix, index: Counting, merge: Merge
) -> None:
    together = retrieve(model, index, prefix, m=COUNTS, k=K, merge=merge)
    assert index.asked == sum(COUNTS)  # padding is not searched with
    for row, count in enumerate(COUNTS):
        alone = retrieve(model, index, prefix.select([row]), m=count, k=K, merge=merge)
        np.testing.assert_array_equal(together.rows[row], alone.rows[0])
        np.testing.assert_array_equal(together.found_by[row], alone.found_by[0])
        if merge != "round_robin":  # its scores are places in the turn order
            np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-5)


def test_pruned_vectors_are_not_searched(model: AMER, prefix: Prefix, index: Counting) -> None:
    emission = model.generate_weighted(prefix, M)
    keep = emission.log_weights >= emission.log_weights.median(1, keepdim=True).values
    expected = [
        search_and_merge(index, v[k][None].numpy(), K, merge="mixture", weights=w[k][None].numpy())
        for v, w, k in zip(emission.vectors, emission.log_weights.exp(), keep, strict=True)
    ]
    index.asked = 0
    found = retrieve(
        model, index, prefix, m=M, k=K, merge="mixture", prune=lambda emission: emission.only(keep)
    )
    assert index.asked == keep.sum() < keep.numel()
    for row, alone in enumerate(expected):
        np.testing.assert_array_equal(found.rows[row], alone.rows[0])
    weights = emission.only(keep).log_weights.exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(5))
    share = emission.log_weights.exp() * keep
    torch.testing.assert_close(weights, share / share.sum(1, keepdim=True))


EMISSION = Emission(torch.ones(2, 3, DIM), torch.zeros(2, 3).log_softmax(1))
VECTORS = np.ones((2, 3, DIM), np.float32)
NONE = np.array([[1, 1, 0], [0, 0, 0]], np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, prefix, _: model.generate(prefix, 0), "m=0"),
        (lambda model, prefix, _: model.generate(prefix, 2.5), "m=2.5"),
        (lambda model, prefix, _: model.generate(prefix, [1, 0, 2, 1, 1]), r"fewer .* rows \[1\]"),
        (lambda model, prefix, _: model.generate(prefix, []), "each of 5 queries"),
        (lambda model, prefix, _: model.generate(prefix, [1, 2]), "each of 5 queries"),
        (lambda model, prefix, _: model.generate(prefix, [1.0] * 5), "whole number"),
        (lambda *_: EMISSION.only(torch.zeros(2, 3, dtype=torch.bool)), r"none is left in rows"),
        (lambda *_: EMISSION.only(torch.ones(2, 4, dtype=torch.bool)), "keep: expected"),
        (lambda *_: EMISSION.only(torch.ones(2, 3)), "keep: expected"),
        (lambda _, __, index: search_and_merge(index, VECTORS, 3, weights=NONE), "one vector or"),
        (lambda _, __, index: search_and_merge(index, VECTORS, 3, weights=-NONE), "weights"),
        (lambda _, __, index: search_sets(index, VECTORS, 3, np.ones((2, 2), bool)), "real"),
    ],
)
def test_bad_numbers_are_named(
    model: AMER, prefix: Prefix, index: Counting, call: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(model, prefix, index)
