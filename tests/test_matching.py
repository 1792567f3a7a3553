from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from amer_lite import set_info_nce, single_info_nce
from amer_lite.training.config import Pairing
from amer_lite.training.matching import complete, coverage, match, mixture_info_nce
from tests import slow_matching


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=-1)


def ragged(sizes: list[int], width: int) -> Tensor:
    return torch.arange(width) < torch.tensor(sizes)[:, None]


@settings(deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 9999))
def test_match_is_optimal_and_complete_adds_the_best_gold_of_every_spare_vector(
    m: int, sizes: list[int], seed: int
) -> None:
    similarity, mask = unit(len(sizes), m, max(sizes), seed=seed), ragged(sizes, max(sizes))
    similarity[~mask[:, None].expand_as(similarity)] = torch.nan
    pairs = match(similarity, mask)
    everything = torch.stack(complete(similarity, mask)).T.tolist()
    assert [example for example, *_ in everything] == sorted([*range(len(sizes))] * m)
    spare = {(example, vector): gold for example, vector, gold in everything}
    assert len(spare) == len(everything)
    for b, size in enumerate(sizes):
        here = pairs.example == b
        i, j = pairs.vector[here].tolist(), pairs.gold[here].tolist()
        assert len({*i}) == len({*j}) == len(i) == min(m, size) and max(j) < size
        assert [spare.pop((b, vector)) for vector in i] == j
        total = similarity[b, i, j].sum().item()
        assert total == pytest.approx(slow_matching.best_total(similarity[b, :, :size]))
    for (b, vector), gold in spare.items():
        own = similarity[b, vector, : sizes[b]]
        assert own[gold] == own.max()


def test_match_ignores_what_stands_in_the_padding() -> None:
    similarity = unit(3, 4, 5)
    mask = torch.tensor([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0]]).bool()
    clean = match(similarity, mask)
    similarity[~mask[:, None].expand_as(similarity)] = torch.nan
    assert all(torch.equal(a, b) for a, b in zip(clean, match(similarity, mask), strict=True))
    assert mask[clean.example, clean.gold].all()


@pytest.mark.parametrize(("m", "same"), [(2, True), (4, True), (6, False)])
def test_match_on_similarities_equals_match_on_log_probabilities_up_to_m_golds(
    m: int, same: bool
) -> None:
    vectors, golds = unit(64, m, 8), unit(64, 4, 8, seed=1)
    similarity = torch.einsum("bmd,bnd->bmn", vectors, golds)
    log_p = (vectors @ golds.reshape(-1, 8).T / 0.05).log_softmax(-1).view(64, m, 64, 4)
    own = log_p[torch.arange(64), :, torch.arange(64)]
    a, b = match(similarity), match(own)
    assert (torch.equal(a.gold, b.gold) and torch.equal(a.vector, b.vector)) is same


def test_cover_gives_each_gold_its_best_vector() -> None:
    similarity = torch.tensor([[[0.9, 0.8, 0.1], [0.2, 0.3, 0.4]]])
    pairs = coverage(similarity, torch.tensor([[True, True, True]]))
    assert pairs.vector.tolist() == [0, 0, 1] and pairs.gold.tolist() == [0, 1, 2]


@pytest.mark.parametrize("pairing", ["hungarian", "complete", "coverage", "ordered"])
def test_equal_vectors_give_log_of_the_number_of_candidates(pairing: Pairing) -> None:
    """Closed form: with all similarities equal every candidate is as likely as any other."""
    same = unit(1, 1, 6).expand(4, 3, 6)
    # All 12; without the 2 other golds of the example; with 3 more negatives.
    for options, count in (({}, 12), ({"masked": True}, 10), ({"negatives": same[0]}, 15)):
        loss = set_info_nce(same, same, pairing=pairing, **options)
        assert loss.item() == pytest.approx(math.log(count))


def test_perfect_vectors_have_the_loss_of_their_margin() -> None:
    """Orthonormal golds, emitted exactly: p = e^{1/τ} / (e^{1/τ} + C − 1)."""
    golds = torch.eye(6, dtype=torch.float64).view(2, 3, 6)
    tau = 0.5
    loss = set_info_nce(golds.flip(1), golds, temperature=tau)
    assert loss.item() == pytest.approx(math.log1p(5 * math.exp(-1 / tau)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.integers(1, 6),
    st.booleans(),
    st.integers(0, 1000),
)
def test_loss_and_gradient_equal_the_obvious_loop(
    sizes: list[int], m: int, masked: bool, seed: int
) -> None:
    n, pool = max(sizes), unit(7, 6, seed=seed + 1)  # 7 documents: golds repeat across the batch
    generator = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randperm(7, generator=generator)[:n] for _ in sizes])
    mask = ragged(sizes, n)
    count = len(ids[mask].unique())  # something must remain beside an example's own golds
    assume(any(count > (size if masked else 1) for size in sizes))
    fast, slow = (unit(len(sizes), m, 6, seed=seed).requires_grad_() for _ in range(2))
    golds = pool[ids].masked_fill(~mask[..., None], torch.nan)
    loss = set_info_nce(fast, golds, mask, masked=masked, gold_ids=ids, pairing="hungarian")
    own = [pool[row[:size]] for row, size in zip(ids, sizes, strict=True)]
    names = [row[:size].tolist() for row, size in zip(ids, sizes, strict=True)]
    expected = slow_matching.set_info_nce(slow, own, names, masked=masked)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, fast), torch.autograd.grad(expected, slow)
    torch.testing.assert_close(*gradients)
    weights = unit(len(sizes), m, seed=seed + 2).log_softmax(1)
    mixed = mixture_info_nce(fast, weights, golds, mask, masked=masked, gold_ids=ids)
    expected = slow_matching.mixture_info_nce(slow, weights, own, names, masked=masked)
    torch.testing.assert_close(mixed, expected)
    gradients = torch.autograd.grad(mixed, fast), torch.autograd.grad(expected, slow)
    torch.testing.assert_close(*gradients)
    if m == 1:
        alone = single_info_nce(fast[:, 0], golds, mask, masked=masked, gold_ids=ids)
        torch.testing.assert_close(mixed, alone)


def test_loss_does_not_depend_on_the_order_of_golds_vectors_or_examples() -> None:
    vectors, golds = unit(5, 4, 8), unit(5, 4, 8, seed=1)
    loss = set_info_nce(vectors, golds)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(set_info_nce(vectors, golds[:, order]), loss)
    torch.testing.assert_close(set_info_nce(vectors[:, order], golds), loss)
    torch.testing.assert_close(set_info_nce(vectors.flip(0), golds.flip(0)), loss)
    assert set_info_nce(vectors, golds[:, order], pairing="ordered") != loss


def test_a_document_that_stands_twice_in_the_batch_is_one_candidate() -> None:
    vectors, golds = unit(2, 2, 8), unit(2, 2, 8, seed=1)
    golds[1, 0] = golds[0, 0]
    ids = torch.tensor([[1, 2], [1, 3]])
    once = set_info_nce(vectors, golds, gold_ids=ids)
    assert once < set_info_nce(vectors, golds)  # the copy is a negative no more
    extra = set_info_nce(vectors, golds, gold_ids=ids, negatives=golds[0], negative_ids=ids[0])
    torch.testing.assert_close(extra, once)


def test_single_vector_loss_is_the_mean_over_golds() -> None:
    vectors, golds = unit(3, 8), unit(3, 2, 8, seed=1)
    log_p = (vectors @ golds.reshape(-1, 8).T / 0.05).log_softmax(-1).view(3, 3, 2)
    own = log_p[torch.arange(3), torch.arange(3)]
    torch.testing.assert_close(single_info_nce(vectors, golds), -own.mean())


def test_a_pairing_with_more_freedom_costs_less() -> None:
    vectors, golds = unit(6, 3, 8), unit(6, 3, 8, seed=1)
    hungarian = set_info_nce(vectors, golds)
    assert set_info_nce(vectors, golds, pairing="coverage") <= hungarian
    assert hungarian <= set_info_nce(vectors, golds, pairing="ordered")


def test_gradient_reaches_golds_for_joint_training() -> None:
    vectors, golds = unit(2, 2, 4), unit(2, 2, 4, seed=1).requires_grad_()
    set_info_nce(vectors, golds, gold_ids=torch.arange(4).view(2, 2)).backward()
    assert golds.grad is not None and golds.grad.abs().sum(-1).min() > 0


def test_the_usual_pairing_covers_with_one_vector_and_matches_several() -> None:
    vectors, golds = unit(6, 3, 8), unit(6, 3, 8, seed=1)
    assert set_info_nce(vectors, golds) == set_info_nce(vectors, golds, pairing="hungarian")
    one = vectors[:, :1]
    assert set_info_nce(one, golds) == set_info_nce(one, golds, pairing="coverage")


def test_without_checks_a_nan_is_no_silent_loss() -> None:
    """`fit` looks at no values of documents or losses; every pairing does, at its own."""
    pairings: list[Pairing] = ["hungarian", "complete", "coverage", "ordered"]
    for pairing in pairings:
        with pytest.raises(ValueError, match=r"similarity: NaN .* in rows \[1\]"):
            set_info_nce(NAN, G, check=False, pairing=pairing)


V, G = unit(2, 3, 4), unit(2, 2, 4, seed=1)
NAN = V.clone()
NAN[1, 2, 3] = torch.nan
EVEN = torch.full((2, 3), 1 / 3, dtype=torch.float64).log()
ARRAY: Any = G.numpy()
IDS = torch.arange(4).view(2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: set_info_nce(V[:, :0], G), r"vectors: expected float \(B, m, d\)"),
        (lambda: set_info_nce(V, G[..., :3]), r"golds: expected torch.float64 \(2, n, 4\)"),
        (lambda: set_info_nce(NAN, G), r"vectors: NaN or infinite values in rows \[1\]"),
        (lambda: set_info_nce(V, NAN), r"golds: NaN or infinite values in rows \[1\]"),
        (lambda: set_info_nce(V, G, ragged([2, 0], 2)), r"empty gold set in rows \[1\]"),
        (lambda: set_info_nce(V, G, ragged([2, 2], 2).long()), "gold_mask: expected torch.bool"),
        (
            lambda: set_info_nce(V, G, temperature=0.0),
            "temperature must be > 0 and finite, got 0.0",
        ),
        (lambda: set_info_nce(V, G, pairing="best"), "'best' is unknown"),  # type: ignore[arg-type]
        (
            lambda: set_info_nce(V, G, negatives=G[0, :, :3]),
            r"negatives: expected torch.float64 \(N, 4\)",
        ),
        (lambda: set_info_nce(V, G, negatives=G[0] / 0), r"negatives: NaN .* in rows \[0, 1\]"),
        (lambda: set_info_nce(V, G, negative_ids=IDS[0]), "negative_ids are given if and only if"),
        (lambda: set_info_nce(V, G, gold_ids=IDS, negatives=G[0]), "given if and only if"),
        (lambda: set_info_nce(V, G, gold_ids=IDS, negatives=G[0], negative_ids=IDS), "ids: exp"),
        (lambda: set_info_nce(V, G, gold_ids=IDS.float()), "gold_ids: expected torch.int64"),
        (lambda: set_info_nce(V, G, gold_ids=IDS // 3), r"twice in rows \[0\]"),
        (lambda: set_info_nce(V[:1], G[:1], masked=True), "nothing to contrast with"),
        (lambda: set_info_nce(V, G, masked=True, gold_ids=IDS % 2), "nothing to contrast"),
        (lambda: match(NAN), r"similarity: NaN or infinite values.* in rows \[1\]"),
        (lambda: match(V[0]), r"similarity: expected float \(B, m, n\)"),
        (lambda: match(V, ragged([2, 0], 4)), r"no gold, in rows \[1\]"),
        (lambda: mixture_info_nce(V, V[0], G), r"log_weights: expected torch.float64 \(2, 3\)"),
        (lambda: mixture_info_nce(V, V[..., 0], G), r"do not sum to one in rows \[0, 1\]"),
        (lambda: mixture_info_nce(V[:1], EVEN[:1], G[:1], masked=True), "nothing to contrast"),
        (lambda: set_info_nce(V, G, temperature=math.inf), "finite, got inf"),
        (lambda: set_info_nce(V, G, temperature=math.nan), "finite, got nan"),
        (lambda: set_info_nce(V, G, temperature=1e-310), "loss is nan: .* temperature"),
        (lambda: set_info_nce(V, G, pairing=""), "pairing '' is unknown"),  # type: ignore[arg-type]
        (lambda: set_info_nce(V, G.float()), "golds: expected torch.float64 .*, got torch.float32"),
        (lambda: set_info_nce(V.long(), G.long()), "vectors: expected float .*, got torch.int64"),
        (lambda: set_info_nce(V, G.half()), "golds: expected torch.float64 .*, got torch.float16"),
        (lambda: set_info_nce(V, G.to("meta")), "golds: expected .* on cpu, got .* on meta"),
        (lambda: set_info_nce(V, ARRAY), "golds: .*, got ndarray; make it a torch.Tensor"),
        (lambda: set_info_nce(V, G, negatives=G[0].half()), "negatives: expected torch.float64"),
        (lambda: coverage(NAN), "similarity: NaN"),
        (lambda: single_info_nce(V, G), r"vectors: expected \(B, d\)"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
