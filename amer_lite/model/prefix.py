"""What a model reads before it emits vectors: the padded token states, or token ids, of a batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike


class Prefix(NamedTuple):
    """A padded batch of token sequences, padded on either side.

    Attributes:
        values: (B, L, s) float states, or (B, L) int64 token ids.
        mask: (B, L) bool, True where a real token stands.
    """

    values: torch.Tensor
    mask: torch.Tensor

    def select(self, rows: torch.Tensor | ArrayLike) -> Prefix:
        """The given sequences, without the columns that are padding in all of them.

        Args:
            rows: (r,) integer positions along B, as a tensor, an array or a list; may repeat.

        Raises:
            ValueError: ``rows`` is empty, not one-dimensional, or not of integers.
            IndexError: a position outside the batch.
        """
        index = rows if isinstance(rows, torch.Tensor) else torch.from_numpy(np.asarray(rows))
        if index.ndim != 1 or not len(index):
            raise ValueError(f"rows: shape {tuple(index.shape)}; expected (r,) with r >= 1")
        if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
            raise ValueError(f"rows: dtype {index.dtype}; expected integer positions, not a mask")
        index = index.to(self.mask.device, torch.int64)
        mask = self.mask[index]
        columns = mask.any(dim=0).nonzero().squeeze(1)
        # One gather: a long sequence elsewhere in the batch must not make the copy long.
        return Prefix(self.values[index[:, None], columns], mask[:, columns])


def check_prefix(prefix: Prefix) -> None:
    """Raise ValueError unless a model can read every row."""
    values, mask = prefix
    if mask.ndim != 2 or mask.dtype != torch.bool or 0 in mask.shape:
        raise ValueError(
            f"prefix.mask: expected non-empty bool (B, L), got {mask.dtype} {tuple(mask.shape)}"
        )
    wanted = 3 if values.is_floating_point() else 2
    if values.ndim != wanted or values.shape[:2] != mask.shape:
        raise ValueError(
            f"prefix.values: shape {tuple(values.shape)} does not fit the mask's "
            f"{tuple(mask.shape)}; expected (B, L, s) float states or (B, L) int64 token ids"
        )
    check_rows(mask.any(1), "prefix: query without a token")
    if values.is_floating_point():
        finite = torch.isfinite(values).all(2) | ~mask
        check_rows(finite.all(1), "prefix: NaN or infinite states")


def check_rows(good: torch.Tensor, message: str) -> None:
    """Raise ValueError with the first ten rows (B,) that are not good."""
    if not good.all():
        raise ValueError(f"{message} in rows {(~good).nonzero().flatten().tolist()[:10]}")
