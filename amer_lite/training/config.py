"""How an AMER is trained, in one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from amer_lite.model.feedback import Feedback
from amer_lite.training.matching import Pairing

Autocast = Literal["bfloat16"]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The single-vector baseline is ``m=1, pairing="coverage"``, all else equal.

    Attributes:
        steps: optimiser steps.
        m: vectors emitted per query in training.
        batch_size: queries a step.
        learning_rate: peak; linear warm-up over the share ``warmup`` of the steps, then linear
            decay to zero.
        weight_decay, epsilon: of AdamW; weights decay in matrices only.
        max_grad_norm: gradients are clipped to this norm.
        temperature, pairing, masked: see :func:`amer_lite.training.matching.set_info_nce`.
        anchored: the first vector is a single-vector retriever: its loss is
            :func:`amer_lite.training.matching.single_info_nce` over all golds, and that of the other m − 1
            is added to it. Where golds lie close together, the first stands among them.
        feedback: see :meth:`amer_lite.model.amer.AMER.rollout`.
        sampling_cap: with scheduled feedback, the probability of feeding back the prediction rises
            linearly with progress up to this cap.
        negatives: documents drawn from the corpus per query, on top of in-batch golds.
        accumulate: parts in which a step's batch is computed, in turn on one process, shared out
            among several. Each query still has all candidates of the batch, since documents are
            frozen: the gradient is that of the whole batch, up to rounding and dropout.
        autocast: compute the model in bfloat16, where that is safe, over float32 weights; or None.
        evaluate_every: steps between two evaluations, which are also the checkpoints.
        seed: of batches, gold order, negatives, sampling and dropout.
    """

    steps: int
    m: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    max_grad_norm: float = 5.0
    temperature: float = 0.05
    pairing: Pairing = "hungarian"
    masked: bool = True
    anchored: bool = False
    feedback: Feedback = "predicted"
    sampling_cap: float = 0.8
    negatives: int = 0
    accumulate: int = 1
    autocast: Autocast | None = None
    evaluate_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "m", "batch_size", "accumulate", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainConfig.{name} must be ≥ 1, got {getattr(self, name)}")
        for name, known in (("pairing", get_args(Pairing)), ("feedback", get_args(Feedback))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"TrainConfig.{name} {getattr(self, name)!r} is unknown; "
                    f"choose one of {', '.join(known)}"
                )
        if self.autocast not in (None, *get_args(Autocast)):
            raise ValueError(f"TrainConfig.autocast must be 'bfloat16' or None: {self.autocast!r}")
        if self.anchored and self.m < 2:
            raise ValueError(f"TrainConfig.anchored needs m ≥ 2, got m={self.m}")
        if self.batch_size < self.accumulate:
            raise ValueError(
                f"TrainConfig: a batch of {self.batch_size} has no {self.accumulate} parts; "
                f"lower accumulate"
            )
        for name in ("learning_rate", "epsilon", "max_grad_norm", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"TrainConfig.{name} must be > 0, got {getattr(self, name)}")
        for name in ("warmup", "sampling_cap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"TrainConfig.{name} must lie in [0, 1], got {getattr(self, name)}"
                )
        for name in ("negatives", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"TrainConfig.{name} must be ≥ 0, got {getattr(self, name)}")
