"""What a model says of its queries; not all of them need equally many vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from amer_lite.model.checks import check_rows, check_shape
from amer_lite.model.numbers import positive


class Emission(NamedTuple):
    """What a model says of B queries: the parts of a mixture over documents.

    A vector is a softmax over documents, and the weights say how the model's belief is shared out
    among its vectors. Sources: mixture density networks (Bishop 1994), mixture of softmaxes
    (arXiv 1711.03953). A query with fewer than m vectors has zeros in the other places.

    Attributes:
        vectors: (B, m, d) float32, L2-normalised if the config says so.
        log_weights: (B, m) float32, logs of weights that sum to one over a query's vectors; even
            unless the model is ``weighted``; −inf where there is no vector.
    """

    vectors: Tensor
    log_weights: Tensor

    def only(self, keep: Tensor) -> Emission:
        """The vectors where ``keep`` (B, m) bool holds; their weights sum to one again.

        ValueError: another shape or dtype, or a query that keeps no vector.
        """
        check_shape("keep", keep, self.log_weights.shape, torch.bool, self.log_weights.device)
        keep = keep & (self.log_weights > -torch.inf)
        check_rows(keep.any(1), "keep: a query needs at least one vector, but none is left")
        log_weights = self.log_weights.masked_fill(~keep, -torch.inf).log_softmax(1)
        return Emission(self.vectors.masked_fill(~keep[..., None], 0), log_weights)


def counts_of(m: int | ArrayLike, queries: int) -> Tensor:
    """How many vectors each query gets, (B,) int64: ``m`` is one number for all, or one for each.

    ValueError: a count below 1, not whole, or not as many counts as queries.
    """
    if np.ndim(m) == 0:
        return torch.full((queries,), positive("m", m))  # type: ignore[arg-type]
    counts = torch.as_tensor(m).cpu()
    if counts.shape != (queries,) or counts.is_floating_point() or counts.dtype == torch.bool:
        found = f"{counts.dtype} {tuple(counts.shape)}"
        raise ValueError(f"m: expected a whole number for each of {queries} queries, got {found}")
    check_rows(counts >= 1, "m: a query needs at least one vector, but fewer are asked for")
    return counts.long()
