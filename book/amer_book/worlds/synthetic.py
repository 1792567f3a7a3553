"""Worlds in which the right answers are known: each gold is a fixed transformation of the query.

The published ones (arXiv 2511.02770) are ``world`` linear or mlp × ``families`` one, five or ood.
Their transformations come in opposing pairs, so that the mean of a query's golds says little. The
world ``rotations`` has no such pairs, and the remaining settings of :class:`SyntheticConfig` make a
world less tidy: noisy golds, a corpus crowded around them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass as pydantic_dataclass

from amer_book.worlds import transforms
from amer_book.worlds.transforms import Vectors, rotation
from amer_lite import Example, FaissIndex, Prefix, TrainData

Kind = Literal["linear", "mlp", "rotations"]
Families = Literal["one", "five", "ood"]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_SPLITS = ("train", "dev", "test")
_CHUNK = 8192  # rows made at a time: the work space on top of the corpus


@pydantic_dataclass(frozen=True)
class SyntheticConfig:
    """What a world is made of. The defaults are the published sizes.

    Attributes:
        world: ``linear``: golds are T·x with T from {I, A, B, −A, −B}. ``mlp``: golds are
            R·GELU(R·GELU(R·x)) with R from {A, B, C, −B, −C}. ``rotations``: golds are T·x with
            independent rotations, none of them another's negative.
        families: distribution of the queries. ``one``: N(0, I). ``five``: N(0, I), N(0, 4I), a
            correlated Gaussian, uniform on [−2, 2], Laplace plus noise. ``ood``: train and dev
            are drawn from the first four of them, test from the fifth.
        dim: dimension d of queries and documents.
        golds: transformations, and so the most answers a query has. An even number leaves out the
            transformation that has no opposite.
        train, dev, test: queries of each split.
        corpus: documents; all golds of all splits, then distractors.
        noise: length of a Gaussian vector added to each unit gold, which then has cosine
            1 / √(1 + noise²) with the point that the query determines.
        crowd: share of the distractors that are drawn around golds; the others are N(0, I).
        crowd_spread: length of the Gaussian vector between such a distractor and its gold.
        directions: models read a query at length one; golds depend on its own length still.
        seed: of everything.
    """

    world: Kind = "linear"
    families: Families = "one"
    dim: Annotated[int, Field(ge=2)] = 1024
    golds: PositiveInt = 5
    train: PositiveInt = 20_000
    dev: PositiveInt = 500
    test: PositiveInt = 1_000
    corpus: int = 1_000_000
    noise: Length = 0.0
    crowd: Annotated[float, Field(ge=0, le=1)] = 0.0
    crowd_spread: Length = 1.0
    directions: bool = False
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.families != "one" and min(self.train, self.dev) < 4:
            raise ValueError(f"families {self.families!r}: at least one query of each family")


@dataclass(frozen=True)
class SyntheticWorld:
    """Queries, golds and corpus, made by :func:`make`; all vectors are float32."""

    config: SyntheticConfig
    transforms: Vectors  # (golds, d, d), orthogonal
    queries: dict[str, Vectors]  # per split (Q, d)
    golds: dict[str, list[list[int]]]  # per split Q lists of rows of documents
    documents: Vectors  # (N, d), of length one: golds of train, dev and test, then distractors

    @property
    def ids(self) -> list[str]:
        """A name for each document: ``d`` and its row."""
        return [f"d{row}" for row in range(len(self.documents))]

    def prefix(self, split: str) -> Prefix:
        """The queries of a split as sequences of one token state, (Q, 1, d)."""
        queries = self.queries[split]
        values = torch.from_numpy(_unit(queries) if self.config.directions else queries)[:, None]
        return Prefix(values, torch.ones(values.shape[:2], dtype=torch.bool))

    def train_data(self) -> TrainData:
        """The queries of train, with the documents up to their last gold."""
        documents = torch.from_numpy(self.documents[: self.golds["dev"][0][0]])
        return TrainData(self.prefix("train"), self.golds["train"], documents)

    def index(self) -> FaissIndex:
        """An exact index of all documents."""
        index = FaissIndex(self.config.dim)
        index.add(self.documents, self.ids)
        return index

    def examples(self, split: str) -> list[Example]:
        """The queries of a split with the ids of their golds; the text is only a name."""
        return [
            Example(f"{split}-{i}", f"{split} query {i}", [f"d{row}" for row in rows])
            for i, rows in enumerate(self.golds[split])
        ]


def make(config: SyntheticConfig) -> SyntheticWorld:
    """Make a world. Equal configs give equal worlds, in any process.

    Besides the corpus itself, N · d float32, it needs a chunk of 8,192 rows. Queries, golds and
    transformations do not depend on the size of the corpus.

    Raises:
        ValueError: fewer places in the corpus than golds; an ``mlp`` world in too few dimensions
            for its transformations.

    Source: arXiv 2511.02770, synthetic data. The paper gives the correlated Gaussian's covariance
    as ½AAᵀ + 0.1·I; we take the entries of A from N(0, 1/d), so that its scale fits the others'.
    """
    turns = _transforms(config)
    queries = {split: _queries(config, split) for split in _SPLITS}
    total = config.golds * sum(map(len, queries.values()))
    if config.corpus < total:
        raise ValueError(f"corpus: {config.corpus} places cannot hold all {total} golds")
    documents = np.empty((config.corpus, config.dim), np.float32)
    golds: dict[str, list[list[int]]] = {}
    apply = transforms.mlp if config.world == "mlp" else transforms.linear
    row = 0
    for split in _SPLITS:
        rng = _rng(config, "noise", split)
        rows = np.arange(row, row + config.golds * len(queries[split]))
        golds[split] = rows.reshape(-1, config.golds).tolist()
        step = max(1, _CHUNK // config.golds)
        for start in range(0, len(queries[split]), step):
            part = queries[split][start : start + step]
            points = _unit(transforms.transformed(apply, part, turns)).reshape(-1, config.dim)
            if config.noise:
                points += _gaussian(rng, points.shape, config.noise)
            documents[row : row + len(points)] = _unit(points)
            row += len(points)
    _fill(config, documents, total)
    return SyntheticWorld(config, turns, queries, golds, documents)


def _transforms(config: SyntheticConfig) -> Vectors:
    rng = _rng(config, "transforms")
    pairs, odd = divmod(config.golds, 2)
    if config.world == "rotations":
        turns = [rotation(config.dim, rng) for _ in range(config.golds)]
    elif config.world == "linear":
        halves = [rotation(config.dim, rng) for _ in range(pairs)]
        turns = [np.eye(config.dim)] * odd + halves + [-turn for turn in halves]
    else:
        found = list(transforms.orthogonal_rotations(config.dim, pairs + odd, rng))
        turns = found + [-turn for turn in found[odd:]]
    return np.stack(turns).astype(np.float32)


def _queries(config: SyntheticConfig, split: str) -> Vectors:
    """(Q, d): an equal number from each family, in random order."""
    families = {"one": _FAMILIES[:1], "five": _FAMILIES}.get(config.families)
    if families is None:
        families = _FAMILIES[4:] if split == "test" else _FAMILIES[:4]
    rng = _rng(config, "queries", split)
    # The correlated family is one family: its covariance is the same in every split.
    mixing = _rng(config, "mixing").standard_normal((config.dim, config.dim), np.float32)
    count = getattr(config, split)
    owner = rng.permutation(np.arange(count) % len(families))
    queries = np.empty((count, config.dim), np.float32)
    for number, draw in enumerate(families):
        own = np.flatnonzero(owner == number)
        queries[own] = draw(rng, (len(own), config.dim), mixing)
    return queries


Draw = Callable[[np.random.Generator, tuple[int, int], Vectors], NDArray[np.floating]]
_FAMILIES: tuple[Draw, ...] = (
    lambda rng, shape, mixing: rng.standard_normal(shape, np.float32),
    lambda rng, shape, mixing: 2 * rng.standard_normal(shape, np.float32),
    lambda rng, shape, mixing: (
        np.sqrt(0.5 / shape[1], dtype=np.float32)
        * (rng.standard_normal(shape, np.float32) @ mixing.T)
        + np.sqrt(0.1, dtype=np.float32) * rng.standard_normal(shape, np.float32)
    ),
    lambda rng, shape, mixing: rng.uniform(-2, 2, shape),
    lambda rng, shape, mixing: rng.laplace(size=shape) + rng.normal(0, 0.1, shape),
)


def _fill(config: SyntheticConfig, documents: Vectors, golds: int) -> None:
    """Distractors behind the first ``golds`` documents, in place."""
    rng = _rng(config, "distractors")
    crowded = golds + round(config.crowd * (len(documents) - golds))
    for start in range(golds, len(documents), _CHUNK):
        part = documents[start : start + _CHUNK]
        rng.standard_normal(out=part, dtype=np.float32)
        crowd = part[: max(0, crowded - start)]
        if len(crowd):
            crowd *= config.crowd_spread / np.sqrt(config.dim)
            crowd += documents[rng.integers(golds, size=len(crowd))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)


def _unit(x: Vectors) -> Vectors:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> Vectors:
    """Gaussian vectors of about the given length."""
    scale = np.float32(length / np.sqrt(shape[-1]))
    return scale * rng.standard_normal(shape, np.float32)


def _rng(config: SyntheticConfig, part: str, split: str = "") -> np.random.Generator:
    """One stream for each part, so that no part's size moves another's numbers."""
    return np.random.default_rng((config.seed, *f"{part} {split}".encode()))
