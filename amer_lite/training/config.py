"""How an AMER is trained, in one frozen dataclass."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from amer_lite.model.numbers import CONFIG, Count, Limit, Natural, NonNegative, Positive, Share

# As in prefix, which imports torch: a slip in a config shows without it.
Feedback = Literal["predicted", "gold", "scheduled", "matched"]
Pairing = Literal["hungarian", "complete", "coverage", "ordered"]
Loss = Literal["pairs", "mixture"]


@dataclass(frozen=True, config=CONFIG)
class TrainConfig:
    """How to train. The single-vector baseline is ``m=1``, all else equal.

    Attributes:
        steps: optimiser steps.
        m: vectors emitted per query in training.
        batch_size: queries a step.
        learning_rate: peak; linear warm-up over the share ``warmup`` of the steps, then linear
            decay to zero.
        weight_decay, epsilon: of AdamW; weights decay in matrices only.
        max_grad_norm: gradients are clipped to this norm; infinity leaves them as they are.
        temperature, pairing, masked: see :func:`amer_lite.training.matching.set_info_nce`.
        loss: ``pairs`` (the paper) or ``mixture``, which pairs nothing; see
            :func:`amer_lite.training.matching.mixture_info_nce`.
        anchored: the first vector is a single-vector retriever: its loss is
            :func:`amer_lite.training.matching.single_info_nce` over all golds, and that of the
            other m − 1 is added to it. Where golds lie close together, it stands among them.
        feedback: see :meth:`amer_lite.model.amer.AMER.rollout`.
        sampling_cap: with scheduled feedback, the probability of feeding back the prediction rises
            linearly with progress up to this cap.
        negatives: documents drawn from the corpus per query, on top of in-batch golds.
        accumulate: parts in which a step's batch is computed, in turn on one process, shared out
            among several. Each query still has all candidates of the batch: the gradient is that
            of the whole batch, up to rounding and dropout.
        autocast: compute the model in bfloat16, where that is safe, over float32 weights; or None.
        evaluate_every: steps between two evaluations, which are also the checkpoints.
        seed: of batches, gold order, negatives, sampling and dropout.
    """

    steps: Count
    m: Count
    batch_size: Count = 128
    learning_rate: Positive = 1e-3
    warmup: Share = 0.05
    weight_decay: NonNegative = 0.01
    epsilon: Positive = 1e-8
    max_grad_norm: Limit = 5.0
    temperature: Positive = 0.05
    pairing: Pairing | None = None
    masked: StrictBool = True
    loss: Loss = "pairs"
    anchored: StrictBool = False
    feedback: Feedback = "predicted"
    sampling_cap: Share = 0.8
    negatives: Natural = 0
    accumulate: Count = 1
    autocast: Literal["bfloat16"] | None = None
    evaluate_every: Count = 100
    seed: Natural = 0

    def __post_init__(self) -> None:
        if self.anchored and self.m < 2:
            raise ValueError(f"anchored needs m ≥ 2, got m={self.m}")
        if self.loss == "mixture" and (self.anchored or self.pairing):
            raise ValueError("loss='mixture' has no anchor and no pairing")
        if self.batch_size < self.accumulate:
            raise ValueError(f"a batch of {self.batch_size} has no {self.accumulate} parts")
