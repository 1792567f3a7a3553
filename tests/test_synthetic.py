"""The synthetic worlds: what the paper says of them, and what their settings promise."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import combinations
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from amer_book.worlds.synthetic import Families, Kind, SyntheticConfig, SyntheticWorld, make
from amer_book.worlds.transforms import linear_golds, mlp_golds, orthogonal_rotations, rotation

from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, evaluator, fit
from amer_lite.evaluation import metrics

SMALL = SyntheticConfig(dim=32, train=40, dev=20, test=30, corpus=2000)
PUBLISHED = [(w, f) for w in get_args(Kind)[:2] for f in get_args(Families)]


def gold_vectors(world: SyntheticWorld, split: str) -> np.ndarray:
    return world.documents[np.stack(world.golds[split])]


def mean_cosine(world: SyntheticWorld, split: str = "test") -> float:
    golds = gold_vectors(world, split)
    pairs = combinations(range(golds.shape[1]), 2)
    return float(np.mean([(golds[:, i] * golds[:, j]).sum(-1) for i, j in pairs]))


@pytest.mark.parametrize(("kind", "families"), PUBLISHED)
def test_shapes_lengths_and_splits(kind: Kind, families: Families) -> None:
    world = make(replace(SMALL, world=kind, families=families))
    assert world.documents.shape == (2000, 32) and world.documents.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(world.documents, axis=1), 1, atol=1e-6)
    assert [len(world.queries[s]) for s in ("train", "dev", "test")] == [40, 20, 30]
    rows = np.concatenate([row for split in world.golds.values() for row in split])
    np.testing.assert_array_equal(rows, np.arange(90 * 5))  # every gold once, no split shares one
    assert len(np.unique(world.documents, axis=0)) == 2000
    assert len(np.unique(np.concatenate([*world.queries.values()]), axis=0)) == 90


def test_the_linear_golds_are_the_transformed_queries() -> None:
    world = make(SMALL)
    for i, query in enumerate(world.queries["test"]):
        for j, turn in enumerate(world.transforms):
            expected = turn @ query / np.linalg.norm(query)
            got = world.documents[world.golds["test"][i][j]]
            np.testing.assert_allclose(got, expected, atol=1e-5)
    identity, a, b, *opposites = world.transforms
    np.testing.assert_array_equal(identity, np.eye(32))
    np.testing.assert_array_equal(opposites, [-a, -b])
    assert all(np.linalg.det(turn) == pytest.approx(1, abs=1e-4) for turn in (a, b))


def test_the_mlp_golds_agree_with_torch_and_its_rotations_are_orthogonal_to_each_other() -> None:
    world = make(replace(SMALL, world="mlp"))
    query = torch.from_numpy(world.queries["dev"])
    for j, weight in enumerate(torch.from_numpy(world.transforms)):
        x = F.linear(F.gelu(F.linear(F.gelu(F.linear(query, weight)), weight)), weight)
        got = gold_vectors(world, "dev")[:, j]
        np.testing.assert_allclose(got, F.normalize(x, dim=1).numpy(), atol=1e-5)
    a, b, c, *opposites = world.transforms
    np.testing.assert_array_equal(opposites, [-b, -c])
    gram = np.einsum("aij,bij->ab", [a, b, c], [a, b, c]) / 32
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-5)


def test_a_world_of_directions_differs_in_what_a_model_reads_alone() -> None:
    config = replace(SMALL, world="mlp", families="five")
    whole, turned = make(config), make(replace(config, directions=True))
    np.testing.assert_array_equal(turned.documents, whole.documents)
    for split in ("train", "dev", "test"):
        read = turned.prefix(split).values[:, 0].numpy()
        np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
        length = np.linalg.norm(whole.queries[split], axis=1, keepdims=True)
        np.testing.assert_allclose(read * length, whole.prefix(split).values[:, 0], rtol=1e-5)


def test_mean_cosine_between_golds_is_the_published_one() -> None:
    # Linear: the pairs ±A and ±B have −1, the rest cancels: (−1 −1) / 10 exactly.
    assert mean_cosine(make(SMALL)) == pytest.approx(-0.2, abs=1e-5)
    wide = replace(SMALL, dim=256)
    # The paper gives −0.05 for MLP in two digits; here it is about −0.06 in every dimension.
    assert mean_cosine(make(replace(wide, world="mlp"))) == pytest.approx(-0.06, abs=0.02)
    # Independent rotations: 10 pairs × 30 queries of cosines with deviation 1/√256.
    assert mean_cosine(make(replace(wide, world="rotations"))) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("golds", [1, 2, 7])
def test_any_number_of_golds_with_opposites_in_pairs(golds: int) -> None:
    transforms = make(replace(SMALL, golds=golds)).transforms
    assert len(transforms) == golds
    np.testing.assert_allclose(transforms.sum(0), golds % 2 * np.eye(32), atol=1e-6)


def test_families_have_their_moments() -> None:
    # 4,000 queries × 8 dimensions a family: a variance is known to about 1 % (2 % for Laplace).
    config = SyntheticConfig(dim=8, golds=1, train=20_000, dev=4, test=4_000, corpus=30_000)
    one = make(config).queries["train"]
    assert one.var() == pytest.approx(1, rel=0.02)
    ood = make(replace(config, families="ood")).queries
    four, laplace = ood["train"], ood["test"]
    assert laplace.var() == pytest.approx(2 + 0.01, rel=0.06)
    assert ((laplace - laplace.mean()) ** 4).mean() / laplace.var() ** 2 > 4  # Gaussian: 3
    for trained_on in (four, ood["dev"]):  # no Laplace tails among them: it is for the test alone
        assert (trained_on**2).mean(1).max() < 4 * 5
    spread = (1 + 4 + (0.5 + 0.1) + 4 / 3) / 4  # the correlated one: ½·E[AAᵀ] + 0.1
    assert four.var() == pytest.approx(spread, rel=0.1)  # its one matrix A is small and random
    five = make(replace(config, families="five")).queries
    assert five["test"].var() == pytest.approx((4 * spread + 2.01) / 5, rel=0.1)


def test_the_seed_decides_and_the_corpus_size_changes_nothing_but_the_distractors() -> None:
    small, large = make(SMALL), make(replace(SMALL, corpus=3000))
    np.testing.assert_array_equal(small.documents[:450], large.documents[:450])
    np.testing.assert_array_equal(small.queries["test"], large.queries["test"])
    assert not np.allclose(small.documents, make(replace(SMALL, seed=4)).documents)


def test_memory_is_the_corpus_and_a_chunk() -> None:
    config = SyntheticConfig(dim=64, train=100, dev=10, test=10, corpus=200_000, crowd=0.5)
    tracemalloc.start()
    world = make(config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    chunk = 8192 * 64 * 4
    assert peak < world.documents.nbytes + 6 * chunk  # its noise, its anchors, its norms


def test_noise_moves_golds_by_the_promised_angle() -> None:
    config = replace(SMALL, dim=512)
    clean, noisy = make(config), make(replace(config, noise=0.5))
    cosine = (gold_vectors(clean, "test") * gold_vectors(noisy, "test")).sum(-1)
    assert cosine.mean() == pytest.approx(1 / np.sqrt(1.25), abs=0.01)


def test_crowded_distractors_stand_around_golds() -> None:
    config = replace(SMALL, dim=512, crowd=0.5, crowd_spread=0.7)
    world = make(config)
    nearest = (world.documents[450:] @ world.documents[:450].T).max(1)
    crowd, rest = nearest[: 1550 // 2], nearest[1550 // 2 :]
    assert np.median(crowd) == pytest.approx(1 / np.sqrt(1 + 0.49), abs=0.02)
    assert rest.max() < crowd.min()


def test_the_parts_fit_the_library() -> None:
    world = make(SMALL)
    prefix = world.prefix("dev")
    assert prefix.values.shape == (20, 1, 32) and prefix.mask.all()
    example = world.examples("dev")[3]
    assert example.gold_ids == tuple(world.ids[row] for row in world.golds["dev"][3])
    assert len(world.index()) == len(world.documents)
    assert world.train_data().documents.numpy().tolist() == world.documents[: 40 * 5].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpus": 449}, "449 places cannot hold all 450 golds"),
        ({"world": "cubic"}, "world"),
        ({"families": "ood", "train": 3}, "at least one query of each family"),
        ({"noise": float("nan")}, "noise"),
        ({"crowd": 1.5}, "crowd"),
        ({"world": "mlp", "dim": 2}, "found 2 of 3 mutually orthogonal rotations in 2"),
    ],
)
def test_bad_settings_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(replace(SMALL, **change))  # type: ignore[arg-type]


def test_transforms_must_be_orthogonal() -> None:
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((4, 8), np.float32)
    turns = np.stack([rotation(8, rng), 1.01 * rotation(8, rng)]).astype(np.float32)
    assert linear_golds(queries, turns[:1]).shape == (4, 1, 8)
    for golds in (linear_golds, mlp_golds):
        with pytest.raises(ValueError, match=r"transforms\[1\] is not orthogonal"):
            golds(queries, turns)
        with pytest.raises(ValueError, match=r"queries \(Q, d\) and transforms \(g, d, d\)"):
            golds(queries, turns[:, :4])


@pytest.mark.parametrize(("dim", "count"), [(3, 3), (16, 5)])
def test_orthogonal_rotations(dim: int, count: int) -> None:
    found = orthogonal_rotations(dim, count, np.random.default_rng(1))
    np.testing.assert_allclose(found @ found.transpose(0, 2, 1), [np.eye(dim)] * count, atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-9)
    gram = np.einsum("aij,bij->ab", found, found) / dim
    np.testing.assert_allclose(gram, np.eye(count), atol=1e-6)


def test_rotations_are_uniform() -> None:
    # Haar: E[trace] = 0 and E[trace²] = 1. Plain QR without the sign fix has a mean trace < −1.
    rng = np.random.default_rng(0)
    traces = np.array([np.trace(rotation(6, rng)) for _ in range(2000)])
    assert abs(traces.mean()) < 0.1
    assert traces.var() == pytest.approx(1, abs=0.15)


def test_training_separates_five_vectors_from_one() -> None:
    """The smoke test of the whole idea: ±A cannot be held by one vector, five hold it."""
    world = make(SyntheticConfig(dim=8, train=1000, dev=50, test=100, corpus=6_000))
    index, found = world.index(), {}
    for m in (1, 5):
        torch.manual_seed(0)
        decoder = DecoderConfig(state_dim=8, width=32, layers=1, heads=4)
        model = AMER(AMERConfig(dim=8, decoder=decoder))
        config = TrainConfig(300, m, 128, 5e-3, evaluate_every=50)
        dev = evaluator(index, world.prefix("dev"), world.examples("dev"), m=m, k=100)
        fit(model, world.train_data(), config, dev, progress=False)
        queries, examples = world.prefix("test"), world.examples("test")
        found[m] = evaluator(index, queries, examples, m=m, k=100, metric=metrics.mrecall)(model)
    assert found[1] == 0  # a theorem: of −A·x and A·x one is behind every vector
    assert found[5] > 0.8
