"""Training data, and the batches of `fit`: each from the seed and its step alone."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amer_lite.model.prefix import Prefix
from amer_lite.training.config import TrainConfig


@dataclass(frozen=True)
class TrainData:
    """Queries with their golds as rows of a document matrix.

    Attributes:
        prefix: of Q queries.
        golds: Q non-empty integer sequences, rows of ``documents``.
        documents: (N, d) float32, frozen document embeddings.

    Raises:
        ValueError: lengths that differ, an empty gold set, a row that is repeated or not there,
            non-finite documents.
    """

    prefix: Prefix
    golds: Sequence[Sequence[int]]
    documents: Tensor

    def __post_init__(self) -> None:
        if len(self.golds) != len(self.prefix.mask) or not len(self.golds):
            raise ValueError(
                f"TrainData: {len(self.prefix.mask)} queries, {len(self.golds)} gold sets"
            )
        if self.documents.ndim != 2 or self.documents.dtype != torch.float32:
            raise ValueError(
                f"TrainData: documents must be float32 (N, d), got {self.documents.dtype} "
                f"{tuple(self.documents.shape)}"
            )
        for query, golds in enumerate(self.golds):
            if not len(golds):
                raise ValueError(f"TrainData: empty gold set of query {query}")
            rows = [operator.index(row) for row in golds]
            if len(set(rows)) != len(rows):
                raise ValueError(f"TrainData: query {query} repeats a gold row: {rows}")
            if min(rows) < 0 or max(rows) >= len(self.documents):
                raise ValueError(
                    f"TrainData: query {query} has gold rows {rows}, but there are "
                    f"{len(self.documents)} documents"
                )
        finite = torch.isfinite(self.documents).all(1)
        if not finite.all():
            bad = (~finite).nonzero().flatten().tolist()[:10]
            raise ValueError(f"TrainData: documents hold NaN or infinite values in rows {bad}")


@dataclass(frozen=True)
class Batch:
    """Some rows of a step's batch, and all that their loss needs."""

    prefix: Prefix
    rows: Tensor  # (B, n) int64, golds in a random order
    mask: Tensor  # (B, n) bool
    negatives: Tensor | None  # (C,) int64: drawn ones, and golds of the batch's other parts
    generator: torch.Generator
    shares: tuple[float, float]  # of the batch's golds; of its pairs of vector and gold


class Batches:
    """The batch of any step, from the seed and the step alone."""

    def __init__(self, data: TrainData, config: TrainConfig) -> None:
        self.data, self.config = data, config
        self.size = min(config.batch_size, len(data.golds))
        if self.size < config.accumulate:
            raise ValueError(f"fit: {self.size} queries have no {config.accumulate} parts")
        self.per_epoch = len(data.golds) // self.size
        width = max(len(rows) for rows in data.golds)
        self.rows = torch.zeros(len(data.golds), width, dtype=torch.long)
        self.mask = torch.zeros(len(data.golds), width, dtype=torch.bool)
        for i, rows in enumerate(data.golds):
            self.rows[i, : len(rows)] = torch.as_tensor(rows)
            self.mask[i, : len(rows)] = True

    def parts(self, step: int, rank: int, processes: int) -> Iterator[tuple[int, Batch]]:
        """The parts of a step's batch that fall to one of the processes, with their numbers."""
        whole, count = self.at(step), self.config.accumulate
        golds = whole.mask.sum(1)
        vectors = self.config.m - self.config.anchored  # of which the anchor is none
        if self.config.pairing == "coverage":
            pairs = golds
        elif self.config.pairing == "complete":
            pairs = torch.full_like(golds, vectors)
        else:  # of one gold with one vector
            pairs = golds.clamp(max=vectors)
        negatives = whole.negatives
        if count > 1:  # documents that stand among the candidates twice count once
            every = whole.rows[whole.mask]
            negatives = every if negatives is None else torch.cat([every, negatives])
        cuts = torch.arange(len(whole.rows)).tensor_split(count)
        for part in range(rank, count, processes):
            rows = cuts[part]
            seed = np.random.SeedSequence((self.config.seed, 2, step, part)).generate_state(1)[0]
            yield (
                part,
                Batch(
                    whole.prefix.select(rows),
                    whole.rows[rows],
                    whole.mask[rows],
                    negatives,
                    torch.Generator().manual_seed(int(seed)) if part else whole.generator,
                    (
                        float(golds[rows].sum() / golds.sum()),
                        float(pairs[rows].sum() / pairs.sum()),
                    ),
                ),
            )

    def at(self, step: int) -> Batch:
        """The whole batch."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng((self.config.seed, 0, epoch)).permutation(len(self.rows))
        chosen = torch.from_numpy(order[place * self.size : (place + 1) * self.size])
        seed = np.random.SeedSequence((self.config.seed, 1, step)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        mask = self.mask[chosen]
        key = torch.rand(mask.shape, generator=generator).masked_fill(~mask, torch.inf)
        shuffle = key.argsort(1)
        negatives = None
        if self.config.negatives:
            drawn = (self.config.negatives * len(chosen),)
            negatives = torch.randint(len(self.data.documents), drawn, generator=generator)
        return Batch(
            self.data.prefix.select(chosen),
            self.rows[chosen].gather(1, shuffle),
            mask.gather(1, shuffle),
            negatives,
            generator,
            shares=(1.0, 1.0),
        )
