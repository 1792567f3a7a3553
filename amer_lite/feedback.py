"""What a model that emits vectors reads after emitting one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

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


def in_turn(golds: Tensor, mask: Tensor, steps: int) -> Tensor:
    """(B, steps, d): each row's real golds in order, over and over."""
    order = (~mask).long().argsort(dim=1, stable=True)  # real golds first
    turn = torch.arange(steps, device=mask.device) % mask.sum(1, keepdim=True)
    return golds[torch.arange(len(golds), device=mask.device)[:, None], order.gather(1, turn)]
