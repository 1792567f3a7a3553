"""Where a command computes: one process on its best device, or one of several."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator


class Device:
    """The device of this process, and its place among the others.

    Attributes:
        name: such as ``cuda:1``; ``kind`` is what stands before the colon.
        rank, processes: of ``accelerate launch``; 0 and 1 without it.
        accelerator: None without it.
    """

    def __init__(self) -> None:
        self.accelerator: Accelerator | None = None
        self.rank, self.processes = 0, 1
        self.name = "cuda" if torch.cuda.is_available() else "cpu"
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from datetime import timedelta

            from accelerate import Accelerator, InitProcessGroupKwargs

            # The others wait while the first process evaluates on the whole corpus.
            patience = InitProcessGroupKwargs(timeout=timedelta(hours=12))
            self.accelerator = Accelerator(cpu=self.name == "cpu", kwargs_handlers=[patience])
            self.rank = self.accelerator.process_index
            self.processes = self.accelerator.num_processes
            self.name = str(self.accelerator.device)
        self.kind = self.name.partition(":")[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
