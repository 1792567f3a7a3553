"""Training data, and the batches of `fit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from amer_lite.model.checks import check_finite, check_shape
from amer_lite.model.prefix import Prefix
from amer_lite.training.config import TrainConfig
from amer_lite.training.matching import usual_pairing


@dataclass(frozen=True)
class TrainData:
    """Queries with their golds as rows of a document matrix; ValueError if they cannot be.

    Attributes:
        prefix: of Q queries.
        golds: Q non-empty integer sequences, distinct rows of ``documents``.
        documents: (N, d) float32, frozen and finite document embeddings.
    """

    prefix: Prefix
    golds: Sequence[Sequence[int]]
    documents: Tensor

    def __post_init__(self) -> None:
        check_shape("documents", self.documents, ("N", "d"), torch.float32)
        queries, count = len(self.prefix.mask), len(self.documents)
        if len(self.golds) != queries or not queries:
            raise ValueError(f"TrainData: {queries} queries, {len(self.golds)} gold sets")
        for query, golds in enumerate(self.golds):
            rows = np.asarray(golds)
            fits = rows.ndim == 1 and rows.dtype.kind in "iu" and 0 <= rows.min() <= rows.max()
            if not fits or rows.max() >= count or len(np.unique(rows)) < len(rows):
                wanted = f"at least one of {count} documents, and none twice"
                raise ValueError(
                    f"TrainData: query {query} has gold rows {golds}; expected {wanted}"
                )
        check_finite("documents", self.documents)


@dataclass(frozen=True)
class Batch:
    """Some rows of a step's batch, and all that their loss needs."""

    prefix: Prefix
    rows: Tensor  # (B, n) int64, golds in a random order
    mask: Tensor  # (B, n) bool
    negatives: Tensor | None  # (C,) int64
    generator: torch.Generator
    shares: tuple[float, float]  # of the batch's golds; of its pairs


class Batches:
    """The batch of any step, from the seed and the step alone."""

    def __init__(self, data: TrainData, config: TrainConfig) -> None:
        self.data, self.config = data, config
        self.size = min(config.batch_size, len(data.golds))
        if self.size < config.accumulate:
            raise ValueError(f"fit: {self.size} queries have no {config.accumulate} parts")
        self.per_epoch = len(data.golds) // self.size
        golds = [torch.as_tensor(rows, dtype=torch.int64) for rows in data.golds]
        self.rows = pad_sequence(golds, batch_first=True)
        self.mask = pad_sequence([torch.ones_like(g, dtype=torch.bool) for g in golds], True)

    def parts(self, step: int, rank: int, processes: int) -> Iterator[tuple[int, Batch]]:
        """The parts of a step's batch that fall to one of the processes, with their numbers."""
        config, (epoch, place) = self.config, divmod(step, self.per_epoch)
        order = np.random.default_rng((config.seed, 0, epoch)).permutation(len(self.rows))
        chosen = torch.from_numpy(order[place * self.size : (place + 1) * self.size])
        first = _generator(config.seed, 1, step)
        mask = self.mask[chosen]
        key = torch.rand(mask.shape, generator=first).masked_fill(~mask, torch.inf)
        shuffle = key.argsort(1)
        rows, mask = self.rows[chosen].gather(1, shuffle), mask.gather(1, shuffle)
        # The golds of all parts: a document that is a candidate twice counts once.
        extra = [rows[mask]] if config.accumulate > 1 else []
        if config.negatives:
            drawn = (config.negatives * len(chosen),)
            extra.append(torch.randint(len(self.data.documents), drawn, generator=first))
        negatives = torch.cat(extra) if extra else None
        golds = pairs = mask.sum(1)
        most = config.m - config.anchored  # the anchor is in no pair
        pairing = config.pairing or usual_pairing(config.m)
        if pairing != "coverage" and config.loss == "pairs":
            pairs = torch.full_like(golds, most) if pairing == "complete" else golds.clamp(max=most)
        cuts = torch.arange(len(golds)).tensor_split(config.accumulate)
        for part in range(rank, config.accumulate, processes):
            cut = cuts[part]
            prefix = self.data.prefix.select(chosen[cut])
            generator = _generator(config.seed, 2, step, part) if part else first
            shares = float(golds[cut].sum() / golds.sum()), float(pairs[cut].sum() / pairs.sum())
            yield part, Batch(prefix, rows[cut], mask[cut], negatives, generator, shares)


def _generator(*key: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
