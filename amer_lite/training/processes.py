"""Several processes that take the same training step, under ``accelerate launch``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """The processes that train together; most often one."""

    def __init__(self, accelerator: Accelerator | None) -> None:
        self.accelerator = accelerator
        self.rank: int = accelerator.process_index if accelerator else 0
        self.size: int = accelerator.num_processes if accelerator else 1

    def add_up(self, model: nn.Module, loss: Tensor) -> None:
        """Sum the gradients and the loss over all processes, in place."""
        if self.accelerator is None or self.size == 1:
            return
        trained = [p for p in model.parameters() if p.requires_grad]
        for value in [loss, *(p.grad for p in trained if p.grad is not None)]:
            value.copy_(self.accelerator.reduce(value, "sum"))

    def agree(self, score: Callable[[], float], device: torch.device) -> float:
        """The first process's score, on all of them."""
        found = torch.tensor(score() if self.rank == 0 else 0.0, device=device, dtype=torch.float64)
        if self.accelerator is not None and self.size > 1:
            found = self.accelerator.reduce(found, "sum")
        return found.item()
