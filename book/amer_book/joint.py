"""Both sides trained: a small map over frozen document embeddings, beside the query side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amer_lite import AMER, TrainConfig, TrainData
from amer_lite.training.data import Batch, Batches
from amer_lite.training.matching import mixture_info_nce

Loss = Callable[..., Tensor]  # vectors, log weights, golds, mask, and the options of InfoNCE


class DocumentMap(nn.Module):
    """Frozen embeddings (…, d) → unit vectors (…, d); untrained it is the identity."""

    def __init__(self, dim: int, width: int = 192) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(dim, width), nn.Linear(width, dim, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, documents: Tensor) -> Tensor:
        return F.normalize(documents + self.outer(F.gelu(self.inner(documents))), dim=-1)


def frozen(documents: Tensor) -> Tensor:
    """The map of a retriever that trains its queries alone."""
    return documents


def fit_both(
    model: AMER,
    document_map: Callable[[Tensor], Tensor],
    data: TrainData,
    config: TrainConfig,
    watch: Callable[[int], None],
    loss: Loss = mixture_info_nce,
) -> None:
    """Train in place; the caller keeps what it wants of the weights when it is called.

    Golds and negatives go through the map in every step, with gradients, so the vectors that are
    contrasted are never older than a step.

    Args:
        document_map: what is trained beside the model if it is a module.
        config: warm-up and linear decay, batches, negatives, temperature, ``masked`` and seed;
            feedback is the prediction. Its ``loss`` and ``pairing`` are not read.
        watch: called with the number of steps done, before the first and then at every evaluation.
        loss: called as :func:`mixture_info_nce`, which for one vector is the usual InfoNCE.
    """
    batches = Batches(data, config)
    parts = [part for part in (model, document_map) if isinstance(part, nn.Module)]
    weights = [weight for part in parts for weight in part.parameters()]
    optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    warm = max(1, round(config.warmup * config.steps))
    watch(0)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for step in range(config.steps):
            left = (config.steps - step) / max(1, config.steps - warm)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * min((step + 1) / warm, left)
            ((_, batch),) = batches.parts(step, 0, 1)
            optimizer.zero_grad()
            _loss(model.train(), document_map, data.documents, batch, config, loss).backward()
            nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            if (step + 1) % config.evaluate_every == 0 or step + 1 == config.steps:
                watch(step + 1)


def _loss(
    model: AMER,
    document_map: Callable[[Tensor], Tensor],
    documents: Tensor,
    batch: Batch,
    config: TrainConfig,
    loss: Loss,
) -> Tensor:
    emission = model.emit(batch.prefix, m=config.m, check=False)
    golds = document_map(documents[batch.rows])
    options: dict[str, Any] = {"masked": config.masked, "temperature": config.temperature}
    if batch.negatives is not None:
        drawn = batch.negatives.unique()
        options |= {"negatives": document_map(documents[drawn]), "negative_ids": drawn}
    return loss(*emission, golds, batch.mask, gold_ids=batch.rows, **options)
