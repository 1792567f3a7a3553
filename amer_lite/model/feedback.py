"""What a model that emits vectors reads after emitting one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from amer_lite.model.prefix import check_rows

Feedback = Literal["predicted", "gold", "scheduled", "matched"]


class Matched:
    """Feeds back, per row, the gold most similar to the vector among the least used ones."""

    def __init__(self, golds: Tensor, mask: Tensor) -> None:
        self.golds = golds
        self.uses = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.inf)

    def __call__(self, step: int, vector: Tensor) -> Tensor:
        similarity = torch.einsum("bd,bnd->bn", vector.detach(), self.golds)
        used = self.uses > self.uses.amin(1, keepdim=True)
        choice = similarity.masked_fill(used, -torch.inf).argmax(1)
        rows = torch.arange(len(choice), device=choice.device)
        self.uses[rows, choice] += 1
        return self.golds[rows, choice]


def checked(
    golds: Tensor, mask: Tensor | None, shape: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Golds in float32 with zeros in their padding, and their mask; ``shape`` is (batch, d)."""
    if golds.ndim != 3 or golds.shape[::2] != shape or not golds.shape[1]:
        raise ValueError(
            f"golds: expected ({shape[0]}, n ≥ 1, {shape[1]}), got {tuple(golds.shape)}"
        )
    if mask is None:
        mask = torch.ones(golds.shape[:2], dtype=torch.bool)
    if mask.shape != golds.shape[:2] or mask.dtype != torch.bool:
        raise ValueError(
            f"gold_mask: expected bool {tuple(golds.shape[:2])}, "
            f"got {mask.dtype} {tuple(mask.shape)}"
        )
    mask = mask.to(device)
    golds = golds.to(device, torch.float32).masked_fill(~mask[..., None], 0)
    check_rows(mask.any(1), "golds: empty gold set")
    check_rows(torch.isfinite(golds).flatten(1).all(1), "golds: NaN or infinite values")
    return golds, mask


def in_turn(golds: Tensor, mask: Tensor, steps: int) -> Tensor:
    """(B, steps, d): each row's real golds in order, over and over."""
    order = (~mask).long().argsort(dim=1, stable=True)  # real golds first
    turn = torch.arange(steps, device=mask.device) % mask.sum(1, keepdim=True)
    return golds[torch.arange(len(golds), device=mask.device)[:, None], order.gather(1, turn)]
