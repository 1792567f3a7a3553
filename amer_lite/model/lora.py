"""LoRA adapters (arXiv 2106.09685) on a language model whose own weights stay as they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from torch import nn

from amer_lite.encoders.hub import add_weights


@dataclass(frozen=True)
class LoRA:
    """Which linear layers of a language model get a low-rank update, and of what size.

    A layer computes W·x + (alpha / rank)·B·A·x with A (rank, in) drawn at random and B (out, rank)
    zero at first; only A and B are trained.

    Attributes:
        base: the language model, as :func:`amer_lite.encoders.prompt.open_lm` opens it again.
        rank: of the update.
        alpha: its scale is ``alpha / rank``.
        dropout: on the input of A, in training only.
        targets: names of the linear layers, in every block.
    """

    base: str
    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "v_proj")

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))  # JSON and TOML give lists
        if not self.base:
            raise ValueError("LoRA.base is empty; name the language model")
        if self.rank < 1:
            raise ValueError(f"LoRA.rank must be ≥ 1, got {self.rank}")
        if not self.alpha > 0:
            raise ValueError(f"LoRA.alpha must be > 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"LoRA.dropout must lie in [0, 1), got {self.dropout}")
        if not self.targets:
            raise ValueError("LoRA.targets is empty; name at least one linear layer")


def add_adapters(body: Any, lora: LoRA) -> None:
    """Put adapters into a Hugging Face model, in place, and freeze all of its own weights.

    The A are drawn from torch's global random state. Library: peft.

    Raises:
        ValueError: the model has no layers of these names.
    """
    import peft

    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
    )
    peft.inject_adapter_in_model(config, body)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("lora_" in name)


def frozen_digest(model: nn.Module) -> str:
    """sha256 of the weights that are not trained, which a saved adapter fits and no others."""
    digest = hashlib.sha256()
    add_weights(digest, ((n, p) for n, p in model.named_parameters() if not p.requires_grad))
    return digest.hexdigest()
