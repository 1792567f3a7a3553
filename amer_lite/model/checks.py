"""What arrays must be, said in one line each: shapes cost nothing, values make a GPU wait."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_shape(
    name: str, value: Tensor, shape: Sequence[int | str], dtype: torch.dtype | None = None
) -> None:
    """Raise ValueError for another shape, in which a letter is any length ≥ 1, or another dtype."""
    fits = value.ndim == len(shape) and all(
        found > 0 if isinstance(wanted, str) else found == wanted
        for found, wanted in zip(value.shape, shape, strict=True)
    )
    if not fits or dtype not in (None, value.dtype):
        kind = "" if dtype is None else f"{dtype} "
        wanted = kind + f"({', '.join(map(str, shape))})"
        raise ValueError(f"{name}: expected {wanted}, got {value.dtype} {tuple(value.shape)}")


def check_rows(good: Tensor, message: str) -> None:
    """Raise ValueError with the first ten rows (B,) that are not good."""
    if not good.all():
        raise ValueError(f"{message} in rows {(~good).nonzero().flatten().tolist()[:10]}")


def check_mask(mask: Tensor | None, golds: Tensor) -> Tensor:
    """The mask of real golds: bool as the shape (B, n) of ``golds``, all True if None."""
    if mask is None:
        return torch.ones_like(golds, dtype=torch.bool)
    check_shape("gold_mask", mask, golds.shape, torch.bool)
    return mask


def check_finite(name: str, values: Tensor, mask: Tensor | None = None) -> None:
    """Raise ValueError for NaN and infinity in ``values`` (B, …, d) where ``mask`` (B, …) holds."""
    if values.sum().isfinite():  # no sum loses them; padding or an overflow needs a closer look
        return
    blocks = values.split(1024)  # states and documents may fill the memory
    finite = torch.cat([torch.isfinite(block).all(-1) for block in blocks])
    if mask is not None:
        finite |= ~mask
    check_rows(finite.reshape(len(finite), -1).all(1), f"{name}: NaN or infinite values")
