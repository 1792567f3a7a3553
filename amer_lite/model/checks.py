"""What arrays must be, said in one line each: shapes cost nothing, values make a GPU wait."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_shape(
    name: str,
    value: Tensor,
    shape: Sequence[int | str],
    dtype: torch.dtype | type[float] | None = None,
    device: torch.device | None = None,
) -> None:
    """Raise ValueError for another shape, in which a letter is any length ≥ 1, dtype or device.

    ``float`` stands for every floating dtype, None for any.
    """
    kind = "" if dtype is None else "float " if dtype is float else f"{dtype} "
    wanted = f"{name}: expected {kind}({', '.join(map(str, shape))})"
    if not isinstance(value, Tensor):
        raise ValueError(f"{wanted}, got {type(value).__name__}; make it a torch.Tensor")
    fits = value.ndim == len(shape) and all(
        found > 0 if isinstance(length, str) else found == length
        for found, length in zip(value.shape, shape, strict=True)
    )
    if dtype is not None:
        fits &= value.is_floating_point() if dtype is float else value.dtype == dtype
    if not fits or device not in (None, value.device):
        wanted += "" if device is None else f" on {device}"
        raise ValueError(f"{wanted}, got {value.dtype} {tuple(value.shape)} on {value.device}")


def check_rows(good: Tensor, message: str) -> None:
    """Raise ValueError with the first ten rows (B,) that are not good."""
    if not good.all():
        raise ValueError(f"{message} in rows {(~good).nonzero().flatten().tolist()[:10]}")


def check_mask(mask: Tensor | None, golds: Tensor) -> Tensor:
    """The mask of real golds: bool as the shape (B, n) of ``golds``, all True if None."""
    if mask is None:
        return torch.ones_like(golds, dtype=torch.bool)
    check_shape("gold_mask", mask, golds.shape, torch.bool, golds.device)
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
